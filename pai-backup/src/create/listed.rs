//! Digests beside the archives: a sidecar for each, and one list that goes on verifying.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use pai_common::checksum_line::{self, Style};
use pai_common::checksum_list::List;
use pai_common::console::Console;
use pai_common::lock::DirLock;
use pai_common::{atomic, sha256};

use super::Plan;
use crate::shelf::{self, Stored};

/// How long a run waits for the list's folder, unless told.
const LIST_WAIT: Duration = Duration::from_secs(60);

impl Plan<'_> {
    /// Whether the digest of the archive's bytes is asked for.
    pub(super) fn wants_digest(&self) -> bool {
        self.args.sha256 || self.args.checksums.is_some()
    }

    /// Writes the digest of the archive that has just been made where it was asked for.
    pub(super) fn keep_digest(&self, archive: &Path, digest: &sha256::Digest) -> anyhow::Result<()> {
        if self.args.sha256 {
            let name = archive.file_name().unwrap_or_default().as_bytes();
            let line = [&checksum_line::format(digest, name, Style::Text)[..], b"\n"].concat();
            atomic::write(&shelf::sidecar(archive), 0o600, &line)?;
        }
        let Some(list) = &self.args.checksums else { return Ok(()) };
        let _lock = self.lock_list(list)?;
        let context = || format!("{} is made, but not listed", archive.display());
        List::read_or_begin(list).and_then(|mut list| list.remember(archive, digest)).with_context(context)
    }

    /// Takes archives out of the list before they go, so that it never names what is not there.
    pub(super) fn forget_digests(&self, going: &[Stored], console: &Console) {
        let Some(list) = self.args.checksums.as_ref().filter(|_| !going.is_empty()) else { return };
        let paths: Vec<PathBuf> = going.iter().map(|stored| stored.path.clone()).collect();
        let forget = || {
            let _lock = self.lock_list(list)?;
            List::read(list)?.forget(&paths)
        };
        if let Err(error) = forget() {
            console.complain(format_args!("{error:#}"));
        }
    }

    /// Two runs would each put back what the other took out. The archives' own folder is locked already; another one may be
    /// at work in the list's, and the archive is made: that is worth a moment.
    fn lock_list(&self, list: &Path) -> anyhow::Result<Option<DirLock>> {
        let folder = match list.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let real = |folder: &Path| folder.canonicalize().ok();
        if real(folder) == real(self.shelf.folder()) {
            return Ok(None);
        }
        DirLock::acquire(folder, Some(self.args.wait.unwrap_or(LIST_WAIT))).map(Some)
    }
}
