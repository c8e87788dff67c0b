//! One thing in an archive or on the disk, as far as both know it.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use pai_common::clock::Timestamp;

/// A path without its `.` parts: archives of `tar -C folder .` call everything `./name`.
pub(crate) fn without_dots(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file with its own content.
    File,
    /// Another name of a file that came earlier in the archive.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A folder.
    Folder,
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// What a tar header says of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path relative to the root, without a final slash.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits: `0o7777` at most.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Bytes of content as a reader of the file sees them, holes included; 0 for everything but files.
    pub size: u64,
    /// Last modification.
    pub mtime: Timestamp,
    /// Where a symbolic link points, or the earlier path a hard link names; empty otherwise.
    pub link: PathBuf,
    /// Major and minor number of a device.
    pub device: (u32, u32),
}

/// What the file system knows and tar headers do not carry: how a later run recognises an unchanged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// Last change of the inode.
    pub ctime: Timestamp,
    /// Inode number.
    pub inode: u64,
    /// Device the inode is on.
    pub device: u64,
}

impl Kind {
    /// The kind of what lstat(2) saw; `None` for sockets, which no archive can hold.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let kind = metadata.file_type();
        [
            (kind.is_file(), Self::File),
            (kind.is_dir(), Self::Folder),
            (kind.is_symlink(), Self::Symlink),
            (kind.is_fifo(), Self::Fifo),
            (kind.is_char_device(), Self::CharDevice),
            (kind.is_block_device(), Self::BlockDevice),
        ]
        .into_iter()
        .find_map(|(is, kind)| is.then_some(kind))
    }

    /// The letter `ls -l` and `tar -tv` show.
    pub fn letter(self) -> char {
        match self {
            Self::File => '-',
            Self::HardLink => 'h',
            Self::Symlink => 'l',
            Self::Folder => 'd',
            Self::Fifo => 'p',
            Self::CharDevice => 'c',
            Self::BlockDevice => 'b',
        }
    }

    /// The word JSON output uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::HardLink => "hardlink",
            Self::Symlink => "symlink",
            Self::Folder => "folder",
            Self::Fifo => "fifo",
            Self::CharDevice => "chardevice",
            Self::BlockDevice => "blockdevice",
        }
    }

    /// Whether a device node.
    pub fn is_device(self) -> bool {
        matches!(self, Self::CharDevice | Self::BlockDevice)
    }
}

impl Entry {
    /// The entry for what lstat(2) saw at `path`; the target of a symbolic link is read by the caller.
    pub fn of(path: PathBuf, kind: Kind, metadata: &Metadata) -> Self {
        let rdev = metadata.rdev();
        Self {
            path,
            kind,
            mode: metadata.mode() & 0o7777,
            uid: u64::from(metadata.uid()),
            gid: u64::from(metadata.gid()),
            size: if kind == Kind::File { metadata.len() } else { 0 },
            mtime: Timestamp::new(metadata.mtime(), metadata.mtime_nsec() as u32),
            link: PathBuf::new(),
            device: if kind.is_device() {
                (rustix::fs::major(rdev), rustix::fs::minor(rdev))
            } else {
                (0, 0)
            },
        }
    }
}

impl Identity {
    /// What lstat(2) or fstat(2) saw.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            ctime: Timestamp::new(metadata.ctime(), metadata.ctime_nsec() as u32),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }
}
