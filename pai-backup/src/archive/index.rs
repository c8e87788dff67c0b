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

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use pai_common::sha256::Digest;
use serde::{Deserialize, Serialize};

use crate::archive::index::encoding::{Cursor, decode_record, encode_record, varint};
use crate::archive::member::MemberInfo;
use crate::entry::{Entry, Identity, Kind};

const MAGIC: &[u8; 4] = b"PAIX";
/// Deflate makes at most so many bytes of one (258 of two bits): what promises more is not even inflated.
const DEFLATE_RATIO: u64 = 1032;

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

/// An inflated index in memory. It has been read through once, so that later readings cannot fail.
#[derive(Debug)]
pub struct Index {
    about: About,
    bytes: Vec<u8>,
    /// Where the first group starts.
    groups: usize,
    totals: Totals,
    data_size: u64,
    member_count: u64,
}

impl Index {
    /// Inflates and checks an index; `inflated` is the length the footer promises.
    pub fn read(deflated: &[u8], inflated: u64) -> Result<Self, BadIndex> {
        if inflated > deflated.len() as u64 * DEFLATE_RATIO {
            return Err(BadIndex);
        }
        let mut bytes = Vec::with_capacity(inflated as usize);
        DeflateDecoder::new(deflated).take(inflated + 1).read_to_end(&mut bytes).map_err(|_| BadIndex)?;
        if bytes.len() as u64 != inflated || bytes.get(..4) != Some(MAGIC) {
            return Err(BadIndex);
        }
        let mut cursor = Cursor { bytes: &bytes[4..] };
        let length = u32::from_le_bytes(cursor.array()?);
        let about = serde_json::from_slice(cursor.take(u64::from(length))?).map_err(|_| BadIndex)?;
        let groups = bytes.len() - cursor.bytes.len();
        let mut this =
            Self { about, bytes, groups, totals: Totals::default(), data_size: 0, member_count: 0 };
        let mut walk = this.raw_groups();
        let (mut data_size, mut member_count, mut entries) = (0, 0, 0_u64);
        while let Some(raw) = walk.next_raw()? {
            data_size += raw.members()?.iter().map(|member| u64::from(member.size)).sum::<u64>();
            member_count += raw.member_count;
            entries = entries.checked_add(raw.entries).ok_or(BadIndex)?;
        }
        let totals = Totals {
            entries: walk.cursor.varint()?,
            files: walk.cursor.varint()?,
            bytes: walk.cursor.varint()?,
        };
        if entries != totals.entries || !walk.cursor.bytes.is_empty() {
            return Err(BadIndex);
        }
        this.totals = totals;
        this.data_size = data_size;
        this.member_count = member_count;
        Ok(this)
    }

    /// What the archive says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Sums over the archive.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Bytes of all data members together: where the first index member must be.
    pub fn data_size(&self) -> u64 {
        self.data_size
    }

    /// Number of data members.
    pub fn member_count(&self) -> u64 {
        self.member_count
    }

    /// The groups in order, each with the offset of its first member in the archive file. A group that does
    /// not decode ends the iteration with an error.
    pub fn groups(&self) -> impl Iterator<Item = Result<(u64, Group), BadIndex>> + '_ {
        let mut walk = self.raw_groups();
        let mut offset = 0;
        std::iter::from_fn(move || {
            let group = match walk.next_raw() {
                Ok(Some(raw)) => raw.decode(),
                Ok(None) => return None,
                Err(error) => Err(error),
            };
            Some(group.map(|group| {
                let start = offset;
                offset += group.members.iter().map(|member| u64::from(member.size)).sum::<u64>();
                (start, group)
            }))
        })
    }

    /// The members alone, without decoding entries: each group's offset in the archive, position in the
    /// index, and members.
    pub fn members(&self) -> Result<Vec<GroupPlace>, BadIndex> {
        let mut walk = self.raw_groups();
        let mut offset = 0;
        let mut places = Vec::new();
        loop {
            let at = self.bytes.len() - walk.cursor.bytes.len();
            let Some(raw) = walk.next_raw()? else { return Ok(places) };
            let members = raw.members()?;
            let size = members.iter().map(|member| u64::from(member.size)).sum::<u64>();
            places.push(GroupPlace { at, offset, members });
            offset += size;
        }
    }

    /// The group that [`Index::members`] found at index position `at`.
    pub fn group_at(&self, at: usize) -> Result<Group, BadIndex> {
        let mut walk = Groups { cursor: Cursor { bytes: self.bytes.get(at..).ok_or(BadIndex)? } };
        walk.next_raw()?.ok_or(BadIndex)?.decode()
    }

    /// The path of the first entry of the group at index position `at`; the end member's group has none.
    pub fn first_path(&self, at: usize) -> Result<Option<OsString>, BadIndex> {
        let mut walk = Groups { cursor: Cursor { bytes: self.bytes.get(at..).ok_or(BadIndex)? } };
        let raw = walk.next_raw()?.ok_or(BadIndex)?;
        if raw.entries == 0 {
            return Ok(None);
        }
        let mut cursor = Cursor { bytes: raw.records.bytes };
        let _kind: [u8; 1] = cursor.array()?;
        let _shared = cursor.varint()?;
        let length = cursor.varint()?;
        Ok(Some(OsString::from_vec(cursor.take(length)?.to_vec())))
    }

    fn raw_groups(&self) -> Groups<'_> {
        Groups { cursor: Cursor { bytes: &self.bytes[self.groups..] } }
    }
}

/// Where a group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlace {
    /// Position in the inflated index.
    pub at: usize,
    /// Offset of its first member in the archive.
    pub offset: u64,
    /// Its members.
    pub members: Vec<MemberInfo>,
}

struct Groups<'a> {
    cursor: Cursor<'a>,
}

struct RawGroup<'a> {
    member_count: u64,
    entries: u64,
    members: Cursor<'a>,
    records: Cursor<'a>,
}

impl<'a> Groups<'a> {
    /// The next group, or `None` at the zero that ends them (then the totals come next).
    fn next_raw(&mut self) -> Result<Option<RawGroup<'a>>, BadIndex> {
        let member_count = self.cursor.varint()?;
        if member_count == 0 {
            return Ok(None);
        }
        let entries = self.cursor.varint()?;
        let length = self.cursor.varint()?;
        let start = Cursor { bytes: self.cursor.bytes };
        for _ in 0..member_count {
            self.cursor.varint()?;
            self.cursor.varint()?;
            self.cursor.take(36)?;
        }
        let records = Cursor { bytes: self.cursor.take(length)? };
        Ok(Some(RawGroup { member_count, entries, members: start, records }))
    }
}

impl RawGroup<'_> {
    fn members(&self) -> Result<Vec<MemberInfo>, BadIndex> {
        let mut cursor = Cursor { bytes: self.members.bytes };
        (0..self.member_count)
            .map(|_| {
                Ok(MemberInfo {
                    size: u32::try_from(cursor.varint()?).map_err(|_| BadIndex)?,
                    payload: u32::try_from(cursor.varint()?).map_err(|_| BadIndex)?,
                    digest: cursor.array()?,
                    crc: u32::from_le_bytes(cursor.array()?),
                })
            })
            .collect()
    }

    fn decode(&self) -> Result<Group, BadIndex> {
        let mut cursor = Cursor { bytes: self.records.bytes };
        let mut last: Vec<u8> = Vec::new();
        let records = (0..self.entries)
            .map(|_| decode_record(&mut cursor, &mut last))
            .collect::<Result<Vec<_>, _>>()?;
        if !cursor.bytes.is_empty() {
            return Err(BadIndex);
        }
        Ok(Group { members: self.members()?, records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::index::encoding::KINDS;
    use crate::entry::Kind;
    use pai_common::clock::Timestamp;
    use std::path::PathBuf;

    fn about() -> About {
        About {
            format: 1,
            by: "pai-backup 0.1.0".into(),
            made: "2025-09-16T09:00:03+03:00".into(),
            root: "/home/user/pai".into(),
            selection: Selection { excludes: vec!["*.tmp".into()], ..Selection::default() },
            level: 6,
            encoder: "libdeflate".into(),
            xattrs: true,
            walk: (1_758_002_403, 5),
        }
    }

    fn record(path: &str, kind: Kind) -> Record {
        Record {
            entry: Entry {
                path: path.into(),
                kind,
                mode: 0o644,
                uid: 1000,
                gid: u64::MAX,
                size: if kind == Kind::File { 1 << 33 } else { 0 },
                mtime: Timestamp::new(-1, 999_999_999),
                link: if matches!(kind, Kind::Symlink | Kind::HardLink) {
                    "target".into()
                } else {
                    PathBuf::new()
                },
                device: if kind.is_device() { (8, 1) } else { (0, 0) },
            },
            identity: Identity { ctime: Timestamp::new(5, 0), inode: u64::MAX, device: 3 },
            digest: (kind == Kind::File).then_some([9; 32]),
            member: 0,
            offset: 512,
        }
    }

    fn groups() -> Vec<Group> {
        let member =
            |n: u8| MemberInfo { size: 1000 + u32::from(n), payload: 1 << 20, digest: [n; 32], crc: 7 };
        vec![
            Group {
                members: vec![member(1)],
                records: KINDS.iter().map(|&kind| record(&format!("a/{}", kind.word()), kind)).collect(),
            },
            Group { members: vec![member(2), member(3)], records: vec![record("b", Kind::File)] },
            Group { members: vec![member(4)], records: vec![] },
        ]
    }

    fn written() -> FinishedIndex {
        let mut writer = IndexWriter::new(&about()).unwrap();
        for group in groups() {
            writer.group(&group).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let finished = written();
        let index = Index::read(&finished.deflated, finished.inflated).unwrap();
        assert_eq!(index.about(), &about());
        let read: Vec<(u64, Group)> = index.groups().collect::<Result<_, _>>().unwrap();
        assert_eq!(read.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 1001, 3006]);
        assert_eq!(read.into_iter().map(|(_, group)| group).collect::<Vec<_>>(), groups());
        assert_eq!(index.totals(), Totals { entries: 8, files: 2, bytes: 2 << 33 });
        assert_eq!(index.data_size(), 4010);
        assert_eq!(finished.members, 4);
        let places = index.members().unwrap();
        assert_eq!(index.group_at(places[1].at).unwrap(), groups()[1]);
    }

    #[test]
    fn a_wrong_length_and_a_cut_are_damage() {
        let finished = written();
        assert!(Index::read(&finished.deflated, finished.inflated + 1).is_err());
        assert!(Index::read(&finished.deflated, finished.inflated - 1).is_err());
        assert!(Index::read(&finished.deflated[..finished.deflated.len() / 2], finished.inflated).is_err());
        assert!(Index::read(b"", 0).is_err());
        assert!(Index::read(&finished.deflated, u64::MAX).is_err());
    }
}
