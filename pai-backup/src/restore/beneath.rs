//! File operations that cannot leave a folder: every path is walked from the folder's handle, component by
//! component, and a symbolic link on the way is an error, whoever made it and whenever.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use pai_common::clock::Timestamp;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::entry::{Entry, Kind};

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The folder that nothing leaves.
#[derive(Debug)]
pub(super) struct Beneath {
    root: Arc<OwnedFd>,
}

/// An open folder below the root.
pub(super) type Folder = Arc<OwnedFd>;

impl Beneath {
    /// Opens the folder itself; its own path may hold links, the user named it.
    pub(super) fn open(root: &Path) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let root = rustix::fs::openat(CWD, root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("could not open folder {}", root.display()))?;
        Ok(Self { root: Arc::new(root) })
    }

    /// The folder at `path`; with `make`, folders that are missing are made (0700 until their mode is set).
    pub(super) fn folder(&self, path: &Path, make: bool) -> io::Result<Folder> {
        let mut folder = Arc::clone(&self.root);
        for name in path.components() {
            let name = name.as_os_str();
            let open = || rustix::fs::openat(&*folder, name, FOLDER, Mode::empty());
            let opened = match open() {
                Err(Errno::NOENT) if make => {
                    match rustix::fs::mkdirat(&*folder, name, Mode::RWXU) {
                        // Another thread may just have made it.
                        Ok(()) | Err(Errno::EXIST) => open(),
                        Err(error) => Err(error),
                    }
                }
                other => other,
            };
            folder = Arc::new(opened.map_err(|errno| explain(errno, &folder, name))?);
        }
        Ok(folder)
    }

    /// The entry at `path`, if there is one.
    pub(super) fn look(&self, path: &Path) -> io::Result<Option<Entry>> {
        let (parent, name) = split(path)?;
        let folder = match self.folder(parent, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let stat = match rustix::fs::statat(&*folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        let kind = kind_of(stat.st_mode);
        let link = match kind {
            Kind::Symlink => {
                let target = rustix::fs::readlinkat(&*folder, name, Vec::new())?;
                PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(target.as_bytes()))
            }
            _ => PathBuf::new(),
        };
        let rdev = stat.st_rdev;
        Ok(Some(Entry {
            path: path.to_owned(),
            kind,
            mode: stat.st_mode & 0o7777,
            uid: u64::from(stat.st_uid),
            gid: u64::from(stat.st_gid),
            size: if kind == Kind::File { stat.st_size as u64 } else { 0 },
            mtime: Timestamp::new(stat.st_mtime, stat.st_mtime_nsec as u32),
            link,
            device: if kind.is_device() {
                (rustix::fs::major(rdev), rustix::fs::minor(rdev))
            } else {
                (0, 0)
            },
        }))
    }

    /// Whether two paths are names of one file.
    pub(super) fn is_same_file(&self, one: &Path, other: &Path) -> bool {
        let identity = |path: &Path| {
            let (parent, name) = split(path)?;
            let stat = rustix::fs::statat(&*self.folder(parent, false)?, name, AtFlags::SYMLINK_NOFOLLOW)?;
            io::Result::Ok((stat.st_dev, stat.st_ino))
        };
        matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
    }

    /// Opens a regular file for reading.
    pub(super) fn read(&self, path: &Path) -> io::Result<File> {
        let (parent, name) = split(path)?;
        let folder = self.folder(parent, false)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&*folder, name, flags, Mode::empty())?))
    }
}

/// The kind of an entry on disk. A socket counts as a FIFO.
fn kind_of(mode: u32) -> Kind {
    match rustix::fs::FileType::from_raw_mode(mode) {
        rustix::fs::FileType::Directory => Kind::Folder,
        rustix::fs::FileType::Symlink => Kind::Symlink,
        rustix::fs::FileType::RegularFile => Kind::File,
        rustix::fs::FileType::CharacterDevice => Kind::CharDevice,
        rustix::fs::FileType::BlockDevice => Kind::BlockDevice,
        _ => Kind::Fifo,
    }
}

/// Parent and name of a path that has been found safe.
pub(super) fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let name = path.file_name().ok_or_else(|| io::Error::other("not a file name"))?;
    Ok((path.parent().unwrap_or(Path::new("")), name))
}

/// A new file, mode 0600, that did not exist before.
pub(super) fn create(folder: &Folder, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(&**folder, name, flags, Mode::RUSR | Mode::WUSR)?))
}

/// A new file, mode 0600, that has no name yet and vanishes with its last handle; `None` where there are no such
/// files, or no way to name one.
pub(super) fn create_nameless(folder: &Folder) -> io::Result<Option<File>> {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::openat(&**folder, ".", flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(has_handle_names(&file).then(|| File::from(file))),
        // open(2): what file systems and kernels without O_TMPFILE say.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives a file without a name its first one, which nothing else may have.
pub(super) fn give_name(file: &File, folder: &Folder, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::linkat(CWD, handle_name(file), &**folder, name, AtFlags::SYMLINK_FOLLOW)?)
}

/// Whether /proc is mounted. The answer is taken once for the process.
fn has_handle_names(handle: impl AsFd) -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| Path::new(&handle_name(handle)).exists())
}

/// The kernel's own name for what an open handle holds.
fn handle_name(handle: impl AsFd) -> String {
    format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&handle.as_fd()))
}

/// Gives what is called `from` the name `to`, replacing what had it. A folder is never replaced.
pub(super) fn rename(folder: &Folder, from: &OsStr, to: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::renameat(&**folder, from, &**folder, to)?)
}

/// Removes a name that is no folder.
pub(super) fn remove(folder: &Folder, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(&**folder, name, AtFlags::empty())?)
}

/// A symbolic link.
pub(super) fn symlink(folder: &Folder, name: &OsStr, target: &Path) -> io::Result<()> {
    Ok(rustix::fs::symlinkat(target, &**folder, name)?)
}

/// A second name for a file; a symbolic link would get a name itself, its target never.
pub(super) fn hard_link(from: (&Folder, &OsStr), to: (&Folder, &OsStr)) -> io::Result<()> {
    Ok(rustix::fs::linkat(&**from.0, from.1, &**to.0, to.1, AtFlags::empty())?)
}

/// A FIFO or a device node.
pub(super) fn node(folder: &Folder, name: &OsStr, entry: &Entry) -> io::Result<()> {
    let kind = match entry.kind {
        Kind::CharDevice => rustix::fs::FileType::CharacterDevice,
        Kind::BlockDevice => rustix::fs::FileType::BlockDevice,
        _ => rustix::fs::FileType::Fifo,
    };
    let device = rustix::fs::makedev(entry.device.0, entry.device.1);
    Ok(rustix::fs::mknodat(&**folder, name, kind, Mode::RUSR | Mode::WUSR, device)?)
}

/// Owner and group; only root can give things away.
pub(super) fn own(folder: &Folder, name: &OsStr, entry: &Entry) -> io::Result<()> {
    let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::other("an owner beyond 32 bits"));
    let (uid, gid) = (Uid::from_raw(id(entry.uid)?), Gid::from_raw(id(entry.gid)?));
    Ok(rustix::fs::chownat(&**folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Modification time of a name, not through a link.
pub(super) fn set_time(folder: &Folder, name: &OsStr, mtime: Timestamp) -> io::Result<()> {
    Ok(rustix::fs::utimensat(&**folder, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Permission bits of a FIFO or a device node. It is not opened, for that may wait or wake a driver; what is
/// held is a handle to the name, so that no link can slip in.
pub(super) fn set_node_mode(folder: &Folder, name: &OsStr, mode: u32) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(&**folder, name, flags, Mode::empty())?;
    if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&handle)?.st_mode)
        == rustix::fs::FileType::Symlink
    {
        return Err(Errno::LOOP.into());
    }
    // fchmod(2) refuses such a handle; the kernel's own name for it is the documented way round (open(2)).
    Ok(rustix::fs::chmod(handle_name(&handle), Mode::from_raw_mode(mode))?)
}

/// Modification time of an open file.
pub(super) fn set_file_time(file: impl AsFd, mtime: Timestamp) -> io::Result<()> {
    Ok(rustix::fs::futimens(file, &times(mtime))?)
}

fn times(mtime: Timestamp) -> Timestamps {
    let time = Timespec { tv_sec: mtime.secs(), tv_nsec: i64::from(mtime.nanos()) };
    Timestamps { last_access: time, last_modification: time }
}

/// The kernel says "not a directory" of a link that was not to be followed; a person wants to know which.
fn explain(errno: Errno, folder: &Folder, name: &OsStr) -> io::Error {
    let is_link = || {
        rustix::fs::statat(&**folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
            rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink
        })
    };
    if matches!(errno, Errno::LOOP | Errno::NOTDIR) && is_link() {
        return io::Error::other(format!("its folder {} is a symbolic link", Path::new(name).display()));
    }
    errno.into()
}
