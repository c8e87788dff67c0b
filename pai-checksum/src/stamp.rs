//! Size and times of a file: what tells whether it was written to.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clocks of file systems tick: a second write within this time may leave the same mtime.
const TICK: Duration = Duration::from_millis(20);

/// Size, times and inode of a regular file. Equal stamps mean that the file was not written to in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last write: seconds and nanoseconds since the epoch.
    pub mtime: (i64, i64),
    /// Last change of the file or what is known of it.
    pub ctime: (i64, i64),
}

impl Stamp {
    /// The stamp of a regular file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the last write is old enough that another write would change the stamp.
    pub fn settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let limit = now.saturating_sub(TICK);
        self.mtime < (limit.as_secs() as i64, i64::from(limit.subsec_nanos()))
    }

    /// Whether nobody wrote to the content between the two stamps, as far as the file system tells.
    pub fn same_content(&self, other: &Self) -> bool {
        self.size == other.size && self.mtime == other.mtime
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_settled_once_its_last_write_is_a_tick_ago() {
        let at = |mtime| Stamp { size: 0, mtime, ctime: (0, 0) };
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!(at((seconds - 2, 0)).settled() && at((-5, 0)).settled());
        assert!(!at((seconds + 2, 0)).settled() && !at((i64::MAX, 999_999_999)).settled());
    }
}
