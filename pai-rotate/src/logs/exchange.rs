//! Putting an empty log in the place of a full one, in one step.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;

use super::log::Log;
use crate::paths::open_name;

/// Gives the log's content the name `copy` and leaves an empty log of the same mode and owner.
///
/// Everything happens relative to the open folder and through no link, so whoever can write to the folder
/// cannot lead a rotation run as root elsewhere. The new log exists before the old one loses its name: a
/// writer that opens it by name finds one or the other.
pub(super) fn exchange(log: &Log, copy: &OsStr) -> anyhow::Result<()> {
    let path = log.path();
    let what = || format!("could not rotate {}", path.display());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = fs::open(open_name(&log.folder), flags, Mode::empty()).with_context(what)?;
    let folder = folder.as_fd();
    let stat = fs::statat(folder, &log.name, AtFlags::SYMLINK_NOFOLLOW).with_context(what)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
        bail!("could not rotate {}: it is no longer a regular file with one name", path.display());
    }
    drop(create_like(folder, copy, &stat).with_context(what)?);
    let swapped = fs::renameat_with(folder, &log.name, folder, copy, RenameFlags::EXCHANGE);
    let can_swap = !matches!(swapped, Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP));
    let moved = if can_swap { swapped } else { fs::renameat(folder, &log.name, folder, copy) };
    if let Err(error) = moved {
        // Only our own empty file has that name.
        let _ = fs::unlinkat(folder, copy, AtFlags::empty());
        return Err(error).with_context(what);
    }
    // From here on the copy has the lines.
    if !can_swap {
        follow_up(folder, log, copy, create_like(folder, &log.name, &stat).map(drop)).with_context(what)?;
    }
    fs::fsync(folder).with_context(|| format!("could not sync folder {}", open_name(&log.folder).display()))
}

/// For file systems that cannot exchange two names the log was renamed, and is missing until it is `made` anew. If
/// that fails, it gets its old name back.
fn follow_up(
    folder: BorrowedFd<'_>,
    log: &Log,
    copy: &OsStr,
    made: rustix::io::Result<()>,
) -> anyhow::Result<()> {
    let error = match made {
        // Or the writer was faster.
        Ok(()) | Err(Errno::EXIST) => return Ok(()),
        Err(error) => error,
    };
    // linkat(2) replaces nothing; where there are no hard links the copy keeps the lines.
    fs::linkat(folder, copy, folder, &log.name, AtFlags::empty())
        .and_then(|()| fs::unlinkat(folder, copy, AtFlags::empty()))
        .with_context(|| format!("{error}; its lines are in {}", copy.display()))?;
    Err(error.into())
}

/// A new file with the mode and owner of another one; nobody can read it before it has them.
fn create_like(folder: BorrowedFd<'_>, name: &OsStr, stat: &fs::Stat) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(folder, Path::new(name), flags, Mode::RUSR | Mode::WUSR)?;
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    let own = fs::fstat(&file)?;
    let given = if (own.st_uid, own.st_gid) == (stat.st_uid, stat.st_gid) {
        Ok(())
    } else {
        fs::fchown(&file, Some(uid), Some(gid))
    };
    if let Err(error) = given.and_then(|()| fs::fchmod(&file, Mode::from_raw_mode(stat.st_mode))) {
        // A log that its writer may not write to is worse than a large one.
        let _ = fs::unlinkat(folder, name, AtFlags::empty());
        return Err(error);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pai_common::clock::Timestamp;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn log(folder: &Path) -> Log {
        let name = "app.log".into();
        Log { folder: folder.to_owned(), name, size: 5, made: None, written: Timestamp::default() }
    }

    #[test]
    fn the_copy_is_the_old_file_and_the_log_a_new_one_like_it() {
        let folder = tempfile::tempdir().unwrap();
        let [path, copy] = ["app.log", "copy"].map(|name| folder.path().join(name));
        std::fs::write(&path, "lines").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o646)).unwrap();
        let before = path.metadata().unwrap();
        exchange(&log(folder.path()), OsStr::new("copy")).unwrap();
        assert_eq!(copy.metadata().unwrap().ino(), before.ino());
        assert_eq!(path.metadata().unwrap().len(), 0);
        assert_eq!(path.metadata().unwrap().mode(), before.mode());
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), "lines");
    }

    #[test]
    fn an_existing_copy_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.log"), "lines").unwrap();
        std::fs::write(folder.path().join("copy"), "precious").unwrap();
        assert!(exchange(&log(folder.path()), OsStr::new("copy")).is_err());
        assert_eq!(std::fs::read_to_string(folder.path().join("copy")).unwrap(), "precious");
        assert_eq!(std::fs::read_to_string(folder.path().join("app.log")).unwrap(), "lines");
    }

    fn renamed(folder: &Path, made: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<()>) -> bool {
        std::fs::rename(folder.join("app.log"), folder.join("copy")).unwrap();
        let open = fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        follow_up(open.as_fd(), &log(folder), OsStr::new("copy"), made(open.as_fd())).is_ok()
    }

    #[test]
    fn without_an_exchange_the_log_is_renamed_and_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let [path, copy] = ["app.log", "copy"].map(|name| folder.path().join(name));
        std::fs::write(&path, "lines").unwrap();
        let stat = fs::stat(&path).unwrap();
        assert!(renamed(folder.path(), |folder| create_like(folder, OsStr::new("app.log"), &stat).map(drop)));
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), "lines");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_log_that_cannot_be_made_anew_gets_its_name_back() {
        let folder = tempfile::tempdir().unwrap();
        let [path, copy] = ["app.log", "copy"].map(|name| folder.path().join(name));
        std::fs::write(&path, "lines").unwrap();
        assert!(!renamed(folder.path(), |_| Err(Errno::NOSPC)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "lines");
        assert!(!copy.exists());
        // Unless its writer has made it: then both stay.
        assert!(!renamed(folder.path(), |_| {
            std::fs::write(&path, "more").unwrap();
            Err(Errno::NOSPC)
        }));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "more");
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), "lines");
    }
}
