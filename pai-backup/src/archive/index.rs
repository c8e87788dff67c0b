//! The index: one table of members and entries, enough to list, find, restore one file, compare with the
//! disk and reuse chunks without inflating anything.
//!
//! It is written in the order of the tar stream and read front to back, so neither side needs a tree of it:
//!
//! ```text
//! index  = magic "PAIX", length u32 LE of the header, header (JSON), group*, 0, totals
//! group  = members (varint, not 0), entries (varint), length of the entries (varint), member*, entry*
//! member = size, payload (varints), SHA-256 (32), CRC-32 of the member's bytes (u32 LE)
//! entry  = kind (1), shared, rest (varints), bytes     path: so many bytes of the last one, then these
//!          mode, uid, gid, size (varints), mtime, ctime (zigzag seconds, nanoseconds)
//!          inode, device (varints), member, offset (varints)   place of its first header in the group
//!          link (length, bytes)        symbolic and hard links
//!          major, minor (varints)      devices
//!          SHA-256 (32)                files
//! totals = entries, files, bytes of content (varints)
//! ```
//! A group is what one chunk holds: small entries share one member; a large file has a member for its
//! header and one for each piece of its content. Paths share nothing across groups.

//!
//! It is deflated in pieces, cut where a group begins, so that a stretch of the workspace that did not change gives the
//! same piece, byte for byte, in the next archive. The header is a piece of its own, and so are the totals.

mod encoding;
mod groups;
mod inflate;
mod pieces;
mod table;
mod write;

use pai_common::sha256::Digest;
use serde::{Deserialize, Serialize};

use crate::archive::member::MemberInfo;
use crate::entry::{Entry, Identity, Kind};

pub(crate) use self::encoding::{Cursor, KINDS, varint, zigzag};
pub(crate) use self::groups::{RawGroup, groups_of_piece};
pub use self::pieces::Deflated;
pub use self::table::{GroupPlace, Index};
pub use self::write::{FinishedIndex, IndexWriter};

const MAGIC: &[u8; 4] = b"PAIX";

/// The header of an index: how and from what the archive was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Version of the index format.
    pub format: u16,
    /// Program and version that made the archive.
    pub by: String,
    /// When, RFC 3339.
    pub made: String,
    /// The folder the paths are relative to.
    pub root: String,
    /// The part of the root that was archived.
    pub selection: Selection,
    /// Compression level.
    pub level: u8,
    /// Compressor: the same one with the same level gives the same bytes.
    pub encoder: String,
    /// Whether extended attributes were kept.
    pub xattrs: bool,
    /// When the walk began: seconds and nanoseconds since 1970. A file not older than this may have changed
    /// after it was read.
    pub walk: (i64, u32),
    /// Sums over the archive; version 1 has them at the end of the index only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
    /// Files that could not be archived whole: left out, cut or padded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub incomplete: u64,
    /// Whether `--allow-shrink` was given: this archive may be much smaller than those before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shrink_allowed: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde passes")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Which part of the root an archive holds: what a comparison with the disk must leave out too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The paths that were named; none means all.
    pub paths: Vec<String>,
    /// Exclude patterns, in order.
    pub excludes: Vec<String>,
    /// Whether the content of tagged caches was left out.
    pub no_caches: bool,
    /// Whether other file systems were left out.
    pub one_file_system: bool,
}

/// One entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The entry as its tar header describes it.
    pub entry: Entry,
    /// Inode, device and ctime that the file system gave.
    pub identity: Identity,
    /// SHA-256 of a file's content.
    pub digest: Option<Digest>,
    /// In which member of its group the entry's first header block is.
    pub member: u64,
    /// Offset of that block in the member's payload.
    pub offset: u64,
}

/// One chunk's members and entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its members, in order.
    pub members: Vec<MemberInfo>,
    /// Its entries, in order.
    pub records: Vec<Record>,
}

/// Sums over the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Entries of every kind.
    pub entries: u64,
    /// Regular files.
    pub files: u64,
    /// Bytes of content of the regular files.
    pub bytes: u64,
}

impl Totals {
    /// Counts what `other` counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.files += other.files;
        self.bytes += other.bytes;
    }

    /// Counts one more entry.
    pub fn count(&mut self, entry: &Entry) {
        self.entries += 1;
        self.files += u64::from(entry.kind == Kind::File);
        self.bytes += entry.size;
    }
}

/// The index is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadIndex;

impl std::fmt::Display for BadIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the index is damaged")
    }
}

impl std::error::Error for BadIndex {}

#[cfg(test)]
mod tests;
