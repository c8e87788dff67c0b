//! Deleting one item, if it is still the one that was decided on and nobody is at work on it.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use crate::look::Identity;

/// The result of deleting an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This run deleted it.
    Deleted,
    /// Somebody else had deleted it.
    Gone,
    /// It could not be deleted, for this reason.
    Left(String),
}

/// Deletes items relative to their open folder, so that a folder exchanged for a link meanwhile leads nowhere.
#[derive(Debug, Default)]
pub(crate) struct Remover {
    folder: Option<(PathBuf, OwnedFd)>,
}

impl Remover {
    /// Deletes `name` in `folder` if its identity is still the given one and no process has it locked.
    pub(crate) fn remove(&mut self, folder: &Path, name: &OsStr, identity: &Identity) -> Outcome {
        match self.hold(folder, name, identity) {
            Ok(held) => self.remove_held(name, &held),
            Err(outcome) => outcome,
        }
    }

    /// Locks what [`Remover::remove_held`] is to delete, if it may be: its sidecars can go before it.
    pub(crate) fn hold(&mut self, folder: &Path, name: &OsStr, identity: &Identity) -> Result<Held, Outcome> {
        match self.open(folder).and_then(|folder| hold(folder, name, identity)) {
            Ok(held) => held,
            Err(error) => Err(outcome_of(error)),
        }
    }

    /// Deletes what is held; the last folder that was opened is its own.
    pub(crate) fn remove_held(&self, name: &OsStr, held: &Held) -> Outcome {
        let Some((_, folder)) = &self.folder else { return Outcome::Gone };
        remove_held(folder.as_fd(), name, held).unwrap_or_else(outcome_of)
    }

    fn open(&mut self, folder: &Path) -> rustix::io::Result<BorrowedFd<'_>> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if self.folder.as_ref().is_none_or(|(open, _)| open != folder) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            self.folder = Some((folder.to_owned(), fs::open(folder, flags, Mode::empty())?));
        }
        self.folder.as_ref().map(|(_, fd)| fd.as_fd()).ok_or(Errno::NOENT)
    }
}

/// A file or folder that is to go, locked.
#[derive(Debug)]
pub(crate) struct Held {
    file: OwnedFd,
    identity: Identity,
}

fn outcome_of(error: Errno) -> Outcome {
    match error {
        Errno::NOENT => Outcome::Gone,
        error => Outcome::Left(std::io::Error::from(error).to_string()),
    }
}

fn hold(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    identity: &Identity,
) -> rustix::io::Result<Result<Held, Outcome>> {
    // The lock is held until the name is gone: a writer that takes it later works on a file without a name.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match fs::openat(folder, name, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Ok(Err(replaced())),
        other => other?,
    };
    if fs::flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Ok(Err(Outcome::Left("another process has it locked".to_owned())));
    }
    if Identity::at(folder, name)?.0 != *identity {
        return Ok(Err(replaced()));
    }
    Ok(Ok(Held { file, identity: *identity }))
}

fn remove_held(folder: BorrowedFd<'_>, name: &OsStr, held: &Held) -> rustix::io::Result<Outcome> {
    if !held.identity.is_folder() {
        fs::unlinkat(folder, name, AtFlags::empty())?;
    } else if holds_mount(held.file.as_fd(), held.identity.dev)? {
        return Ok(Outcome::Left("another file system is mounted in it".to_owned()));
    } else {
        empty(held.file.as_fd())?;
        fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?;
    }
    Ok(Outcome::Deleted)
}

fn replaced() -> Outcome {
    Outcome::Left("it has changed since it was looked at".to_owned())
}

/// Whether anything in this folder, at any depth, is on another file system or a mount of its own.
fn holds_mount(folder: BorrowedFd<'_>, dev: u64) -> rustix::io::Result<bool> {
    let seen = fs::statx(folder, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    if seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) || fs::fstat(folder)?.st_dev != dev {
        return Ok(true);
    }
    for (name, is_folder) in children(folder)? {
        if is_folder && holds_mount(open_child(folder, &name)?.as_fd(), dev)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes all that a folder holds, through no link.
fn empty(folder: BorrowedFd<'_>) -> rustix::io::Result<()> {
    for (name, is_folder) in children(folder)? {
        if is_folder {
            empty(open_child(folder, &name)?.as_fd())?;
            fs::unlinkat(folder, &name, AtFlags::REMOVEDIR)?;
        } else {
            fs::unlinkat(folder, &name, AtFlags::empty())?;
        }
    }
    Ok(())
}

fn open_child(folder: BorrowedFd<'_>, name: &CString) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(folder, name, flags, Mode::empty())
}

fn children(folder: BorrowedFd<'_>) -> rustix::io::Result<Vec<(CString, bool)>> {
    let mut children = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_owned();
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        let is_folder = match entry.file_type() {
            FileType::Unknown => {
                let stat = fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            kind => kind == FileType::Directory,
        };
        children.push((name, is_folder));
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, create_dir_all, write};

    fn identity(path: &Path) -> Identity {
        Identity::of(&path.symlink_metadata().unwrap())
    }

    #[test]
    fn what_was_decided_on_goes_and_what_took_its_name_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, "old").unwrap();
        let old = identity(&path);
        write(folder.path().join("b"), "new").unwrap();
        std::fs::rename(folder.path().join("b"), &path).unwrap();
        let mut remover = Remover::default();
        assert_eq!(remover.remove(folder.path(), OsStr::new("a"), &old), replaced());
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        let new = identity(&path);
        assert_eq!(remover.remove(folder.path(), OsStr::new("a"), &new), Outcome::Deleted);
        assert_eq!(remover.remove(folder.path(), OsStr::new("a"), &new), Outcome::Gone);
    }

    #[test]
    fn a_file_that_was_written_to_or_became_a_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, "old").unwrap();
        let old = identity(&path);
        let later = old.mtime.to_system() + std::time::Duration::from_secs(1);
        File::options().append(true).open(&path).unwrap().set_modified(later).unwrap();
        let mut remover = Remover::default();
        assert_eq!(remover.remove(folder.path(), OsStr::new("a"), &old), replaced());
        std::fs::rename(&path, folder.path().join("b")).unwrap();
        std::os::unix::fs::symlink("b", &path).unwrap();
        assert_eq!(remover.remove(folder.path(), OsStr::new("a"), &old), replaced());
        assert!(folder.path().join("b").exists());
    }

    #[test]
    fn a_locked_file_stays_until_the_lock_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, "old").unwrap();
        let writer = File::open(&path).unwrap();
        writer.lock_shared().unwrap();
        let mut remover = Remover::default();
        let outcome = remover.remove(folder.path(), OsStr::new("a"), &identity(&path));
        assert!(matches!(outcome, Outcome::Left(_)), "{outcome:?}");
        drop(writer);
        assert_eq!(remover.remove(folder.path(), OsStr::new("a"), &identity(&path)), Outcome::Deleted);
    }

    #[test]
    fn a_folder_goes_with_all_it_holds_and_links_in_it_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [backup, precious] = ["backup-2025-09-16", "precious"].map(|name| folder.path().join(name));
        create_dir_all(backup.join("deep/er")).unwrap();
        create_dir_all(&precious).unwrap();
        write(precious.join("file"), "stays").unwrap();
        write(backup.join("deep/er/file"), "goes").unwrap();
        std::os::unix::fs::symlink(&precious, backup.join("deep/link")).unwrap();
        let name = OsStr::new("backup-2025-09-16");
        assert_eq!(Remover::default().remove(folder.path(), name, &identity(&backup)), Outcome::Deleted);
        assert!(!backup.exists() && precious.join("file").exists());
    }
}
