//! Looking at names: what a file is, and every name of a folder at once.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use pai_common::clock::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

/// Identity of a file: it tells the file from another one that has taken its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The file system.
    pub dev: u64,
    /// The file in it.
    pub ino: u64,
    /// When its content last changed.
    pub mtime: Timestamp,
    /// Kind: file, folder, link and so on.
    pub kind: FileType,
}

impl Identity {
    /// The identity of what `metadata` describes.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            mtime: Timestamp::new(metadata.mtime(), metadata.mtime_nsec() as u32),
            kind: FileType::from_raw_mode(metadata.mode()),
        }
    }

    /// The identity of what has `name` in an open folder, and its size; a link is not followed.
    pub(crate) fn at(folder: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<(Self, u64)> {
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let identity = Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            mtime: Timestamp::new(stat.st_mtime, stat.st_mtime_nsec as u32),
            kind: FileType::from_raw_mode(stat.st_mode),
        };
        Ok((identity, stat.st_size as u64))
    }

    /// Whether it is a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.kind == FileType::Directory
    }
}

/// A name in a folder and what a look at it told.
pub(crate) type Look = (OsString, rustix::io::Result<(Identity, u64)>);

/// Looks at each name in a folder, in several threads if they are many: the kernel's part takes nearly all
/// the time. One list a thread.
pub(crate) fn look_into(path: &Path) -> io::Result<Vec<Vec<Look>>> {
    const WORTH_A_THREAD: usize = 4096;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty())?;
    let mut names = visible_names(folder.as_fd())?;
    let look = |name: OsString| {
        let seen = Identity::at(folder.as_fd(), &name);
        (name, seen)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = names.len().div_ceil(threads).max(WORTH_A_THREAD);
    thread::scope(|scope| {
        let mut others = Vec::new();
        while names.len() > share {
            let names = names.split_off(names.len() - share);
            others.push(scope.spawn(move || names.into_iter().map(look).collect::<Vec<_>>()));
        }
        let mut shares = vec![names.into_iter().map(look).collect()];
        // A thread that panicked passes its panic on.
        shares.extend(
            others.into_iter().map(|share| share.join().unwrap_or_else(|panic| resume_unwind(panic))),
        );
        Ok(shares)
    })
}

fn visible_names(folder: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !name.starts_with(b".") {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}
