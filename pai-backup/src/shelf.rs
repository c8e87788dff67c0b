//! The archives of one folder: their names, the newest good one, and which may go.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use glob::Pattern;
use pai_common::atomic;
use pai_common::clock::{Timestamp, Zone};
use pai_common::console::Console;
use pai_common::retention::{self, Policy};
use pai_common::stamp;

use crate::archive::open::Archive;

/// What follows the stamp in an archive's name.
pub(crate) const EXTENSION: &str = ".tar.gz";
/// The same of a replay capsule.
pub(crate) const ZIP: &str = ".zip";
/// First part of the names of archives that keep what a restore replaced.
pub(crate) const REPLACED: &str = "pre-restore";
/// What follows an archive's name in its sidecar's.
const SIDECAR: &str = ".sha256";

/// A folder of archives that share a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    folder: PathBuf,
    prefix: String,
}

/// One archive on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its path.
    pub(crate) path: PathBuf,
    /// When it was begun, by its name.
    pub(crate) time: Timestamp,
}

impl Shelf {
    /// The archives in `folder` called `PREFIX-YYYYMMDD-HHMMSS.tar.gz`.
    pub(crate) fn new(folder: PathBuf, prefix: &str) -> Self {
        Self { folder, prefix: prefix.to_owned() }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first part of their names.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The pattern that all archive names of this shelf match.
    pub(crate) fn pattern(&self) -> String {
        format!("{}-*{EXTENSION}", Pattern::escape(&self.prefix))
    }

    /// All archives, newest first. A missing folder holds none.
    pub(crate) fn list(&self) -> anyhow::Result<Vec<Stored>> {
        let context = || format!("could not read {}", self.folder.display());
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.with_context(context)?,
        };
        let mut stored = Vec::new();
        for entry in entries {
            let entry = entry.with_context(context)?;
            if let Some(time) = self.time_of(&entry.file_name()) {
                stored.push(Stored { path: entry.path(), time });
            }
        }
        stored.sort_by(|a, b| (b.time, &b.path).cmp(&(a.time, &a.path)));
        Ok(stored)
    }

    /// The archives beside these that keep what a restore replaced.
    pub(crate) fn of_replaced(&self) -> Option<Self> {
        (self.prefix != REPLACED).then(|| Self::new(self.folder.clone(), REPLACED))
    }

    /// That there is no archive.
    pub(crate) fn none_here(&self) -> anyhow::Error {
        anyhow!("no archive {} in {}", self.pattern(), self.folder.display())
    }

    /// The name a new archive gets: that of `now`, or of the next second that is free.
    pub(crate) fn free_name(&self, now: Timestamp) -> anyhow::Result<PathBuf> {
        self.free_name_with(now, EXTENSION)
    }

    /// The same with another extension.
    pub(crate) fn free_name_with(&self, now: Timestamp, extension: &str) -> anyhow::Result<PathBuf> {
        let name = |time| format!("{}-{}{extension}", self.prefix, stamp::compact(time, Zone::Local));
        first_free(now, |time| self.folder.join(name(time)))
    }

    /// The path that `named` means: `latest`, a path, or a name on the shelf.
    pub(crate) fn resolve(&self, named: &Path, console: &Console) -> anyhow::Result<PathBuf> {
        if named.as_os_str() == "latest" {
            return Ok(self.newest_good(console)?.file().path().to_owned());
        }
        let on_shelf = self.folder.join(named);
        Ok(if is_name(named) && !named.exists() && on_shelf.exists() { on_shelf } else { named.to_owned() })
    }

    /// The newest archive whose footer and index hold. Newer ones that are passed over are named.
    pub(crate) fn newest_good(&self, console: &Console) -> anyhow::Result<Archive> {
        for stored in self.list()? {
            match Archive::open(&stored.path) {
                Ok(archive) => match archive.index() {
                    Ok(_) => return Ok(archive),
                    Err(why) => console.warn(format_args!("passing over {}: {why}", stored.path.display())),
                },
                Err(error) => console.warn(format_args!("passing over it: {error:#}")),
            }
        }
        bail!("no good archive {} in {}", self.pattern(), self.folder.display())
    }

    /// Removes what runs that did not end have left.
    pub(crate) fn remove_abandoned(&self, console: &Console) -> anyhow::Result<()> {
        let is_ours = |name: &[u8]| {
            let archive = name.strip_suffix(SIDECAR.as_bytes()).unwrap_or(name);
            let zip = archive.strip_suffix(ZIP.as_bytes()).map(|stem| [stem, EXTENSION.as_bytes()].concat());
            self.time_of(OsStr::from_bytes(zip.as_deref().unwrap_or(archive))).is_some()
        };
        for path in atomic::remove_abandoned(&self.folder, is_ours)? {
            console.note(format_args!("removed {}, left by a run that did not end", path.display()));
        }
        Ok(())
    }

    /// Which archives a retention of `days` lets go at `now`, newest first. The newest good archive stays.
    /// `coming` is an archive that a run of the same moment would make: it counts as there, and as good.
    pub(crate) fn expired(
        &self,
        days: u32,
        now: Timestamp,
        coming: Option<&Path>,
    ) -> anyhow::Result<Vec<Stored>> {
        let mut stored = self.list()?;
        if let Some((path, time)) = coming.and_then(|path| Some((path, self.time_of(path.file_name()?)?))) {
            let place = stored.partition_point(|stored| stored.time > time);
            stored.insert(place, Stored { path: path.to_owned(), time });
        }
        let is_good = |path: &Path| coming == Some(path) || is_good(path);
        let times: Vec<Timestamp> = stored.iter().map(|stored| stored.time).collect();
        let age = Duration::from_secs(u64::from(days) * 86_400);
        let policy = Policy { older_than: Some(age), min_keep: 1, ..Policy::default() };
        let decisions = retention::decide(&times, &policy, now);
        let (mut expired, mut kept) = (Vec::new(), Vec::new());
        for (stored, decision) in stored.into_iter().zip(decisions) {
            if decision.keep { kept.push(stored) } else { expired.push(stored) }
        }
        if !kept.iter().any(|stored| is_good(&stored.path))
            && let Some(newest_good) = expired.iter().position(|stored| is_good(&stored.path))
        {
            expired.remove(newest_good);
        }
        Ok(expired)
    }

    /// All archives older than `days` at `now`, newest first: of copies that nobody falls back on, none must stay.
    pub(crate) fn past(&self, days: u32, now: Timestamp) -> anyhow::Result<Vec<Stored>> {
        let cutoff = now.minus(Duration::from_secs(u64::from(days) * 86_400));
        Ok(self.list()?.into_iter().filter(|stored| stored.time < cutoff).collect())
    }

    /// Whether the archive at `path` is, by its name, later than `now`.
    pub(crate) fn is_future(&self, path: &Path, now: Timestamp) -> bool {
        path.file_name().and_then(|name| self.time_of(name)).is_some_and(|time| time > now)
    }

    /// When the archive of this file name was begun, if it is one of the shelf's.
    pub(crate) fn time_of(&self, name: &OsStr) -> Option<Timestamp> {
        let middle = name
            .as_bytes()
            .strip_prefix(self.prefix.as_bytes())?
            .strip_prefix(b"-")?
            .strip_suffix(EXTENSION.as_bytes())?;
        let found = stamp::find(middle, Zone::Local)?;
        (found.range == (0..middle.len())).then_some(found.time)
    }
}

/// Whether a path is a mere name, which may be that of an archive on the shelf.
pub(crate) fn is_name(path: &Path) -> bool {
    path.components().count() == 1
}

/// The first path, second by second from `now` on, that nothing has yet. A name that cannot be looked at is not free:
/// what has it would be replaced.
pub(crate) fn first_free(now: Timestamp, path: impl Fn(Timestamp) -> PathBuf) -> anyhow::Result<PathBuf> {
    let mut time = Timestamp::new(now.secs(), 0);
    loop {
        let path = path(time);
        match path.symlink_metadata() {
            Ok(_) => time = Timestamp::new(time.secs() + 1, 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error).with_context(|| format!("could not look at {}", path.display())),
        }
    }
}

/// The sidecar that belongs to an archive.
pub(crate) fn sidecar(archive: &Path) -> PathBuf {
    with_suffix(archive, SIDECAR)
}

fn with_suffix(archive: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(archive);
    name.push(suffix);
    PathBuf::from(name)
}

/// What follows the name of a damaged archive that could be mended in part only, and is kept beside what it became.
const BROKEN: &str = ".broken";

/// What follows an archive's name in that of its PAR2 file.
const PAR2: &str = ".par2";

/// The PAR2 file that belongs to an archive.
pub(crate) fn par2(archive: &Path) -> PathBuf {
    with_suffix(archive, PAR2)
}

/// The name under which a damaged archive is kept.
pub(crate) fn broken(archive: &Path) -> PathBuf {
    with_suffix(archive, BROKEN)
}

/// Removes an archive and what belongs to it.
pub(crate) fn remove(archive: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(archive).with_context(|| format!("could not remove {}", archive.display()))?;
    remove_sidecar(archive)?;
    remove_if_there(&broken(archive))?;
    remove_if_there(&par2(archive))?;
    atomic::sync_folder(archive)
}

/// Removes what tells of the file that had an archive's name before.
pub(crate) fn remove_sidecars(archive: &Path) -> anyhow::Result<()> {
    remove_sidecar(archive)?;
    remove_if_there(&par2(archive))
}

/// Removes an archive's sidecar, if it has one.
pub(crate) fn remove_sidecar(archive: &Path) -> anyhow::Result<()> {
    remove_if_there(&sidecar(archive))
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn is_good(path: &Path) -> bool {
    Archive::open(path).is_ok_and(|archive| archive.index().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf_with(names: &[&str]) -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let shelf = Shelf::new(folder.path().to_owned(), "pai");
        (folder, shelf)
    }

    #[test]
    fn only_names_of_the_pattern_are_archives() {
        let (_folder, shelf) = shelf_with(&[
            "pai-20250916-090003.tar.gz",
            "pai-20250917-090003.tar.gz",
            "pai-20250917-090003.tar.gz.sha256",
            ".pai-20250918-090003.tar.gz.partial",
            "pai-extra-20250918-090003.tar.gz",
            "pai-20259999-090003.tar.gz",
            "other.txt",
        ]);
        let names: Vec<_> =
            shelf.list().unwrap().iter().map(|stored| stored.path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["pai-20250917-090003.tar.gz", "pai-20250916-090003.tar.gz"]);
    }

    #[test]
    fn two_runs_in_one_second_get_two_names() {
        let now = Timestamp::from_civil(Zone::Local, (2025, 9, 16), (9, 0, 3)).unwrap();
        let (_folder, shelf) = shelf_with(&["pai-20250916-090003.tar.gz"]);
        assert!(shelf.free_name(now).unwrap().ends_with("pai-20250916-090004.tar.gz"));
    }

    #[test]
    fn a_name_that_cannot_be_looked_at_is_not_free() {
        let (folder, _) = shelf_with(&["a-file"]);
        let beyond = folder.path().join("a-file/x");
        let error = first_free(Timestamp::new(0, 0), |_| beyond.clone()).unwrap_err();
        assert!(error.to_string().starts_with("could not look at "), "{error}");
    }
}
