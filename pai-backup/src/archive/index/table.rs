//! An index as it is read: whole in memory, its groups decoded when they are asked for.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use flate2::read::DeflateDecoder;

use crate::archive::index::encoding::{Cursor, Fields, decode_fields, decode_record};
use crate::archive::index::inflate::{DEFLATE_RATIO, inflate, inflate_piece};
use crate::archive::index::{About, BadIndex, Deflated, Group, MAGIC, Totals};
use crate::archive::member::{MemberInfo, Opener};

/// An inflated index in memory. It has been read through once, so that later readings cannot fail.
#[derive(Debug)]
pub struct Index {
    about: About,
    bytes: Vec<u8>,
    /// Where the first group starts.
    groups: usize,
    /// Where each piece starts, and where the last one ends.
    borders: Vec<usize>,
    /// The pieces as they were read, if they are kept.
    pieces: Deflated,
    totals: Totals,
    data_size: u64,
    member_count: u64,
}

impl Index {
    /// Inflates and checks an index; `inflated` is the length the footer promises.
    pub fn read(deflated: &Deflated, inflated: u64) -> Result<Self, BadIndex> {
        let (bytes, borders) = inflate(deflated, inflated)?;
        let mut cursor = Cursor { bytes: &bytes };
        let about = header(&mut cursor)?;
        let groups = bytes.len() - cursor.bytes.len();
        let mut this = Self {
            about,
            bytes,
            groups,
            borders,
            pieces: Deflated::default(),
            totals: Totals::default(),
            data_size: 0,
            member_count: 0,
        };
        let mut walk = this.raw_groups();
        let (mut data_size, mut member_count, mut entries) = (0, 0, 0_u64);
        while let Some(raw) = walk.next_raw()? {
            for member in raw.each_member() {
                data_size += u64::from(member?.size);
            }
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

    /// Keeps the pieces it was read from, for an index that takes some of them over.
    pub(crate) fn keep(&mut self, pieces: Deflated) {
        self.pieces = pieces;
    }

    /// The piece that begins at index position `at`, deflated, and its length once inflated.
    pub(super) fn piece_at(&self, at: usize) -> Option<(&[u8], usize)> {
        let number = self.borders.binary_search(&at).ok()?;
        Some((self.pieces.piece(number)?, self.borders.get(number + 1)? - at))
    }

    /// Reads the first piece of an index alone.
    pub(crate) fn read_header(first: &Deflated) -> Result<About, BadIndex> {
        let mut bytes = Vec::new();
        let room = first.joined().len() as u64 * DEFLATE_RATIO;
        DeflateDecoder::new(first.joined()).take(room).read_to_end(&mut bytes).map_err(|_| BadIndex)?;
        header(&mut Cursor { bytes: &bytes })
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The header of the index.
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

    /// The first group that has an entry of this path, and its place in the archive file. Of the others nothing is made.
    pub(crate) fn group_with(&self, wanted: &Path) -> Result<Option<(u64, Group)>, BadIndex> {
        let wanted = wanted.as_os_str().as_bytes();
        let mut walk = self.raw_groups();
        let mut offset = 0;
        while let Some(raw) = walk.next_raw()? {
            if !raw.all(|path, _| path != wanted)? {
                return Ok(Some((offset, raw.decode()?)));
            }
            for member in raw.each_member() {
                offset += u64::from(member?.size);
            }
        }
        Ok(None)
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
        self.raw_at(at)?.decode()
    }

    /// The group at index position `at`, undecoded.
    pub(crate) fn raw_at(&self, at: usize) -> Result<RawGroup<'_>, BadIndex> {
        let mut walk = Groups { cursor: Cursor { bytes: self.bytes.get(at..).ok_or(BadIndex)? } };
        walk.next_raw()?.ok_or(BadIndex)
    }

    /// The path of the first entry of the group at index position `at`; the end member's group has none.
    pub fn first_path(&self, at: usize) -> Result<Option<OsString>, BadIndex> {
        let path = self.raw_at(at)?.first_path()?;
        Ok(path.map(|path| OsString::from_vec(path.to_vec())))
    }

    fn raw_groups(&self) -> Groups<'_> {
        Groups { cursor: Cursor { bytes: &self.bytes[self.groups..] } }
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
    let mut walk = Groups { cursor: Cursor { bytes: inflate_piece(piece, most, opener, room)? } };
    let mut groups = Vec::new();
    while !walk.cursor.bytes.is_empty() {
        groups.push(walk.next_raw()?.ok_or(BadIndex)?.decode()?);
    }
    Ok(groups)
}

fn header(cursor: &mut Cursor<'_>) -> Result<About, BadIndex> {
    if cursor.take(4)? != MAGIC {
        return Err(BadIndex);
    }
    let length = u32::from_le_bytes(cursor.array()?);
    serde_json::from_slice(cursor.take(u64::from(length))?).map_err(|_| BadIndex)
}

/// The place of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlace {
    /// Position in the inflated index.
    pub at: usize,
    /// Offset of its first member in the archive.
    pub offset: u64,
    /// Its members.
    pub members: Vec<MemberInfo>,
}

#[derive(Debug)]
struct Groups<'a> {
    cursor: Cursor<'a>,
}

/// A group as it stands in the index.
#[derive(Debug)]
pub(crate) struct RawGroup<'a> {
    bytes: &'a [u8],
    member_count: u64,
    entries: u64,
    members: Cursor<'a>,
    records: Cursor<'a>,
}

impl<'a> Groups<'a> {
    /// The next group, or `None` at the zero that ends them (then the totals come next).
    fn next_raw(&mut self) -> Result<Option<RawGroup<'a>>, BadIndex> {
        let bytes = self.cursor.bytes;
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
        let bytes = &bytes[..bytes.len() - self.cursor.bytes.len()];
        Ok(Some(RawGroup { bytes, member_count, entries, members: start, records }))
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
    fn members(&self) -> Result<Vec<MemberInfo>, BadIndex> {
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
