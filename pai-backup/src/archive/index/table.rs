//! An index as it is read: whole in memory, its groups decoded when they are asked for.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use flate2::read::DeflateDecoder;

use crate::archive::index::encoding::Cursor;
use crate::archive::index::groups::{Groups, RawGroup};
use crate::archive::index::inflate::{DEFLATE_RATIO, inflate};
use crate::archive::index::{About, BadIndex, Deflated, Group, MAGIC, Record, Totals};
use crate::archive::member::MemberInfo;

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
            data_size += raw.size();
            member_count += raw.member_count();
            entries = entries.checked_add(raw.entries()).ok_or(BadIndex)?;
        }
        let mut rest = Cursor { bytes: walk.rest() };
        let totals = Totals { entries: rest.varint()?, files: rest.varint()?, bytes: rest.varint()? };
        if entries != totals.entries || !rest.bytes.is_empty() {
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

    /// The entries in order, each with the number of its group. Members are not decoded. An entry that does not decode ends
    /// the iteration with an error.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<(usize, Record), BadIndex>> + '_ {
        let mut walk = self.raw_groups();
        let groups = std::iter::from_fn(move || walk.next_raw().transpose()).enumerate();
        groups.flat_map(|(number, raw)| {
            let (raw, error) = match raw {
                Ok(raw) => (Some(raw), None),
                Err(error) => (None, Some(Err(error))),
            };
            let records = raw.into_iter().flat_map(RawGroup::records);
            records.map(move |record| Ok((number, record?))).chain(error)
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
            offset += raw.size();
        }
        Ok(None)
    }

    /// The members alone, without decoding entries: each group's offset in the archive, position in the
    /// index, and members.
    pub fn members(&self) -> Result<Vec<GroupPlace>, BadIndex> {
        self.members_of(|_| true)
    }

    /// The members of the groups whose numbers `wanted` accepts, as [`Index::members`] gives them.
    pub(crate) fn members_of(&self, wanted: impl Fn(usize) -> bool) -> Result<Vec<GroupPlace>, BadIndex> {
        let mut walk = self.raw_groups();
        let mut offset = 0;
        let mut places = Vec::new();
        for number in 0.. {
            let at = self.bytes.len() - walk.rest().len();
            let Some(raw) = walk.next_raw()? else { break };
            if wanted(number) {
                places.push(GroupPlace { at, offset, members: raw.members()? });
            }
            offset += raw.size();
        }
        Ok(places)
    }

    /// The group that [`Index::members`] found at index position `at`.
    pub fn group_at(&self, at: usize) -> Result<Group, BadIndex> {
        self.raw_at(at)?.decode()
    }

    /// The group at index position `at`, undecoded.
    pub(crate) fn raw_at(&self, at: usize) -> Result<RawGroup<'_>, BadIndex> {
        Groups::new(self.bytes.get(at..).ok_or(BadIndex)?).next_raw()?.ok_or(BadIndex)
    }

    /// The path of the first entry of the group at index position `at`; the end member's group has none.
    pub fn first_path(&self, at: usize) -> Result<Option<OsString>, BadIndex> {
        let path = self.raw_at(at)?.first_path()?;
        Ok(path.map(|path| OsString::from_vec(path.to_vec())))
    }

    fn raw_groups(&self) -> Groups<'_> {
        Groups::new(&self.bytes[self.groups..])
    }
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
