//! What this machine must remember of a store even when its cache is emptied: the recipients that the store is encrypted for, and
//! when an identity last opened an archive of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use pai_common::atomic;
use pai_common::clock::{Timestamp, Zone};
use pai_common::home::ensure_private_folder;

use crate::crypt::Recipients;

const PINNED: &str = "recipients.txt";
const TESTED: &str = "tested";
const WARNED: &str = "warned";
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// A folder of one store's own. It is made when there is something to keep in it.
#[derive(Debug, Clone)]
pub(crate) struct State {
    folder: PathBuf,
}

impl State {
    /// The state of the store that this cache belongs to, below `$XDG_STATE_HOME/pai-backup` or `~/.local/state/pai-backup`; beside the
    /// cache where there is neither.
    pub(crate) fn beside(cache: &Path) -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
        match (root, cache.file_name()) {
            (Some(root), Some(name)) => Self { folder: root.join("pai-backup").join(name) },
            _ => Self::within(cache),
        }
    }

    /// A state inside the folder of the cache.
    pub(crate) fn within(cache: &Path) -> Self {
        Self { folder: cache.join("state") }
    }

    fn read(&self, name: &str) -> anyhow::Result<Option<String>> {
        let path = self.folder.join(name);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).with_context(|| format!("could not read {}", path.display())),
        }
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        ensure_private_folder(&self.folder)?;
        atomic::write(&self.folder.join(name), 0o600, text.as_bytes())
    }

    /// Whom the store is encrypted for, as this machine saw it first or was told since.
    pub(crate) fn pinned(&self) -> anyhow::Result<Option<Recipients>> {
        let context = || format!("could not read {}", self.folder.join(PINNED).display());
        self.read(PINNED)?.map(|text| Recipients::parse(&text).with_context(context)).transpose()
    }

    /// Whether recipients are pinned.
    pub(crate) fn is_pinned(&self) -> bool {
        self.folder.join(PINNED).exists()
    }

    /// Pins these recipients.
    pub(crate) fn pin(&self, recipients: &Recipients) -> anyhow::Result<()> {
        self.write(PINNED, &recipients.text())
    }

    /// Notes that an identity has opened a whole archive.
    pub(crate) fn note_tested(&self, now: Timestamp) -> anyhow::Result<()> {
        self.write(TESTED, &format!("{}\n", now.rfc3339(Zone::Utc)))
    }

    /// Whether to warn now that no identity has ever opened an archive: at most once a month.
    pub(crate) fn is_due(&self, now: Timestamp) -> anyhow::Result<bool> {
        let tested = self.folder.join(TESTED).exists();
        let warned = self.read(WARNED)?.and_then(|text| Timestamp::parse(text.trim()).ok());
        Ok(!tested && warned.is_none_or(|warned| warned <= now.minus(MONTH)))
    }

    /// Notes that the warning was given.
    pub(crate) fn note_warned(&self, now: Timestamp) -> anyhow::Result<()> {
        self.write(WARNED, &format!("{}\n", now.rfc3339(Zone::Utc)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_a_month_until_an_identity_was_tried() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::within(folder.path());
        let day = |day: i64| Timestamp::new(day * 24 * 3600, 0);
        assert!(!folder.path().join("state").exists(), "nothing is written without need");
        let mut said = Vec::new();
        for number in 100..170 {
            if state.is_due(day(number)).unwrap() {
                state.note_warned(day(number)).unwrap();
                said.push(number);
            }
        }
        assert_eq!(said, [100, 130, 160]);
        state.note_tested(day(170)).unwrap();
        assert!(!state.is_due(day(400)).unwrap());
    }
}
