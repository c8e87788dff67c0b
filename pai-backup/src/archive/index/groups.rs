//! The groups of an index as they stand there: decoded only as far as somebody asks.

use crate::archive::index::encoding::{Cursor, Fields, decode_fields, decode_record};
use crate::archive::index::inflate::inflate_piece;
use crate::archive::index::{BadIndex, Group, Record};
use crate::archive::member::{MemberInfo, Opener};

/// The groups that follow each other in an index.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    cursor: Cursor<'a>,
}

/// A group as it stands in the index.
#[derive(Debug)]
pub(crate) struct RawGroup<'a> {
    bytes: &'a [u8],
    member_count: u64,
    /// Bytes of its members in the archive.
    size: u64,
    entries: u64,
    members: Cursor<'a>,
    records: Cursor<'a>,
}

impl<'a> Groups<'a> {
    /// The groups at the start of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor { bytes } }
    }

    /// The bytes behind the last group that was taken.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.cursor.bytes
    }

    /// The next group, or `None` at the zero that ends them (then the totals come next).
    pub(super) fn next_raw(&mut self) -> Result<Option<RawGroup<'a>>, BadIndex> {
        let bytes = self.cursor.bytes;
        let member_count = self.cursor.varint()?;
        if member_count == 0 {
            return Ok(None);
        }
        let entries = self.cursor.varint()?;
        let length = self.cursor.varint()?;
        let start = Cursor { bytes: self.cursor.bytes };
        let mut size = 0;
        for _ in 0..member_count {
            size += u64::from(u32::try_from(self.cursor.varint()?).map_err(|_| BadIndex)?);
            u32::try_from(self.cursor.varint()?).map_err(|_| BadIndex)?;
            self.cursor.take(36)?;
        }
        let records = Cursor { bytes: self.cursor.take(length)? };
        let bytes = &bytes[..bytes.len() - self.cursor.bytes.len()];
        Ok(Some(RawGroup { bytes, member_count, size, entries, members: start, records }))
    }
}

impl<'a> RawGroup<'a> {
    /// All its bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many members it has.
    pub(super) fn member_count(&self) -> u64 {
        self.member_count
    }

    /// Bytes of its members in the archive.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How many entries it has.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The path of its first entry; the end of the tar stream has none.
    pub(crate) fn first_path(&self) -> Result<Option<&'a [u8]>, BadIndex> {
        if self.entries == 0 {
            return Ok(None);
        }
        let mut cursor = Cursor { bytes: self.records.bytes };
        let _kind: [u8; 1] = cursor.array()?;
        let _shared = cursor.varint()?;
        let length = cursor.varint()?;
        cursor.take(length).map(Some)
    }

    /// Whether `holds` is true for every record and its path.
    pub(crate) fn all(&self, mut holds: impl FnMut(&[u8], &Fields<'_>) -> bool) -> Result<bool, BadIndex> {
        let mut cursor = Cursor { bytes: self.records.bytes };
        let mut path = Vec::new();
        for _ in 0..self.entries {
            let fields = decode_fields(&mut cursor, &mut path)?;
            if !holds(&path, &fields) {
                return Ok(false);
            }
        }
        Ok(cursor.bytes.is_empty())
    }

    /// Its members.
    pub(super) fn members(&self) -> Result<Vec<MemberInfo>, BadIndex> {
        self.each_member().collect()
    }

    /// Whether its members are these.
    pub(crate) fn has_members(&self, members: &[MemberInfo]) -> Result<bool, BadIndex> {
        if self.member_count != members.len() as u64 {
            return Ok(false);
        }
        for (is, expected) in self.each_member().zip(members) {
            if is? != *expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn each_member(&self) -> impl Iterator<Item = Result<MemberInfo, BadIndex>> {
        let mut cursor = Cursor { bytes: self.members.bytes };
        (0..self.member_count).map(move |_| {
            Ok(MemberInfo {
                size: u32::try_from(cursor.varint()?).map_err(|_| BadIndex)?,
                payload: u32::try_from(cursor.varint()?).map_err(|_| BadIndex)?,
                digest: cursor.array()?,
                crc: u32::from_le_bytes(cursor.array()?),
            })
        })
    }

    /// Its entries, in order.
    pub(super) fn records(self) -> impl Iterator<Item = Result<Record, BadIndex>> + 'a {
        let mut cursor = self.records;
        let mut last = Vec::new();
        let mut left = self.entries;
        std::iter::from_fn(move || {
            if left > 0 {
                left -= 1;
                let record = decode_record(&mut cursor, &mut last);
                left = if record.is_ok() { left } else { 0 };
                cursor.bytes = if record.is_ok() { cursor.bytes } else { b"" };
                return Some(record);
            }
            // What follows the last entry is none.
            (!std::mem::take(&mut cursor.bytes).is_empty()).then_some(Err(BadIndex))
        })
    }

    /// Decodes members and entries.
    pub(super) fn decode(self) -> Result<Group, BadIndex> {
        let members = self.members()?;
        Ok(Group { members, records: self.records().collect::<Result<_, _>>()? })
    }
}

/// The groups of one piece of a deflated index that is neither the first nor the last; `most` is the length of the whole
/// index once inflated, and `room` a buffer that may be used again.
pub(crate) fn groups_of_piece(
    piece: &[u8],
    most: u64,
    opener: &mut Opener,
    room: &mut Vec<u8>,
) -> Result<Vec<Group>, BadIndex> {
    let mut walk = Groups::new(inflate_piece(piece, most, opener, room)?);
    let mut groups = Vec::new();
    while !walk.rest().is_empty() {
        groups.push(walk.next_raw()?.ok_or(BadIndex)?.decode()?);
    }
    Ok(groups)
}
