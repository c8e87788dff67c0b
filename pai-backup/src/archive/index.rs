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

mod encoding;
mod table;

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use pai_common::sha256::Digest;
use serde::{Deserialize, Serialize};

use crate::archive::index::encoding::{encode_record, varint};
use crate::archive::member::MemberInfo;
use crate::entry::{Entry, Identity, Kind};

pub use self::table::{GroupPlace, Index};

const MAGIC: &[u8; 4] = b"PAIX";

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Version of the index format.
    pub format: u16,
    /// Program and version that made the archive.
    pub by: String,
    /// When, RFC 3339.
    pub made: String,
    /// The folder the paths are relative to.
    pub root: String,
    /// What of the root was archived.
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
    /// What its tar header says.
    pub entry: Entry,
    /// What the file system said.
    pub identity: Identity,
    /// SHA-256 of a file's content.
    pub digest: Option<Digest>,
    /// In which member of its group the entry's first header block is.
    pub member: u64,
    /// Where in that member's payload.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Entries of every kind.
    pub entries: u64,
    /// Regular files.
    pub files: u64,
    /// Bytes of content of the regular files.
    pub bytes: u64,
}

impl Totals {
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

/// Writes an index, deflating as it goes.
#[derive(Debug)]
pub struct IndexWriter {
    deflate: DeflateEncoder<Vec<u8>>,
    inflated: u64,
    members: u64,
    totals: Totals,
    scratch: Vec<u8>,
}

/// A finished index.
#[derive(Debug)]
pub struct FinishedIndex {
    /// The deflated bytes.
    pub deflated: Vec<u8>,
    /// Their length once inflated.
    pub inflated: u64,
    /// Number of data members it lists.
    pub members: u64,
    /// Sums over the archive.
    pub totals: Totals,
}

impl IndexWriter {
    /// Starts an index. Errors of a writer into memory do not happen, but are passed on.
    pub fn new(about: &About) -> io::Result<Self> {
        let header = serde_json::to_vec(about)?;
        let mut this = Self {
            deflate: DeflateEncoder::new(Vec::new(), Compression::new(5)),
            inflated: 0,
            members: 0,
            totals: Totals::default(),
            scratch: Vec::new(),
        };
        this.put(MAGIC)?;
        this.put(&(header.len() as u32).to_le_bytes())?;
        this.put(&header)?;
        Ok(this)
    }

    /// Adds the next group; one without members is nothing.
    pub fn group(&mut self, group: &Group) -> io::Result<()> {
        if group.members.is_empty() {
            return Ok(());
        }
        let mut entries = std::mem::take(&mut self.scratch);
        entries.clear();
        let mut last: &[u8] = b"";
        for record in &group.records {
            encode_record(&mut entries, record, last);
            last = record.entry.path.as_os_str().as_bytes();
            self.totals.count(&record.entry);
        }
        let mut head = Vec::with_capacity(16 + 48 * group.members.len());
        varint(&mut head, group.members.len() as u64);
        varint(&mut head, group.records.len() as u64);
        varint(&mut head, entries.len() as u64);
        for member in &group.members {
            varint(&mut head, u64::from(member.size));
            varint(&mut head, u64::from(member.payload));
            head.extend_from_slice(&member.digest);
            head.extend_from_slice(&member.crc.to_le_bytes());
        }
        self.members += group.members.len() as u64;
        self.put(&head)?;
        self.put(&entries)?;
        self.scratch = entries;
        Ok(())
    }

    /// Ends the index.
    pub fn finish(mut self) -> io::Result<FinishedIndex> {
        let mut tail = vec![0];
        for number in [self.totals.entries, self.totals.files, self.totals.bytes] {
            varint(&mut tail, number);
        }
        self.put(&tail)?;
        let deflated = self.deflate.finish()?;
        Ok(FinishedIndex { deflated, inflated: self.inflated, members: self.members, totals: self.totals })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inflated += bytes.len() as u64;
        self.deflate.write_all(bytes)
    }
}

#[cfg(test)]
mod tests;
