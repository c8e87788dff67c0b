//! A log, and the copies that rotation makes of it.

use std::ffi::OsString;
use std::path::PathBuf;

use pai_common::clock::{Timestamp, Zone};
use pai_common::stamp;

use crate::look::Identity;

/// A log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) folder: PathBuf,
    pub(super) name: OsString,
    pub(super) size: u64,
    /// When the file was made, where the file system tells.
    pub(super) made: Option<Timestamp>,
    /// When it was last written to.
    pub(super) written: Timestamp,
}

impl Log {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The copy with this stamp, before it is compressed.
    pub(super) fn copy(&self, stamp: &str) -> LogCopy {
        let mut name = self.name.clone();
        name.push("-");
        name.push(stamp);
        let time = stamp::find(stamp.as_bytes(), Zone::Local).map(|stamp| stamp.time).unwrap_or_default();
        LogCopy { folder: self.folder.clone(), name, time, is_compressed: false, identity: None }
    }
}

/// An earlier content of a log: `LOG-YYYYMMDD-HHMMSS`, or that with `.gz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogCopy {
    pub(super) folder: PathBuf,
    pub(super) name: OsString,
    pub(super) time: Timestamp,
    pub(super) is_compressed: bool,
    /// Identity of the file when it was looked at; `None` if the copy is yet to be made.
    pub(super) identity: Option<Identity>,
}

impl LogCopy {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

/// The stamp of a copy made at `time`.
pub(super) fn stamp_of(time: Timestamp) -> String {
    stamp::compact(time, Zone::Local)
}
