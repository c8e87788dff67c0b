//! Writing an index: groups are encoded as they come, and pieces deflated as they fill.

use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::archive::index::encoding::{encode_record, varint};
use crate::archive::index::pieces::{Deflated, border_before};
use crate::archive::index::{About, BadIndex, Group, Index, MAGIC, Totals};
use crate::archive::member::Sealer;
use crate::chunk;

/// Half of an index is digests, which no level compresses.
const LEVEL: u8 = 6;

/// Writes an index.
#[derive(Debug)]
pub struct IndexWriter {
    about: About,
    sealer: Sealer,
    /// Pieces of groups that are full.
    pieces: Vec<Vec<u8>>,
    /// The piece that is not.
    open: Vec<u8>,
    /// The deflated piece of another index that this piece equals so far.
    known: Option<KnownPiece>,
    inflated: u64,
    members: u64,
    totals: Totals,
}

/// A piece of another index, all of whose groups came in their order so far.
#[derive(Debug)]
struct KnownPiece {
    deflated: Vec<u8>,
    inflated: usize,
    /// Position in that index of the group that must come next.
    next: usize,
}

/// A finished index.
#[derive(Debug)]
pub struct FinishedIndex {
    /// The deflated bytes.
    pub deflated: Deflated,
    /// Their length once inflated.
    pub inflated: u64,
    /// Number of data members it lists.
    pub members: u64,
    /// The header of the index.
    pub about: About,
    /// Sums over the archive.
    pub totals: Totals,
}

impl IndexWriter {
    /// Starts an index.
    pub fn new(about: About) -> Self {
        Self {
            about,
            sealer: Sealer::new(LEVEL),
            pieces: Vec::new(),
            open: Vec::new(),
            known: None,
            inflated: 0,
            members: 0,
            totals: Totals::default(),
        }
    }

    /// The header that will be written.
    pub fn about_mut(&mut self) -> &mut About {
        &mut self.about
    }

    /// Adds the next group; one without members is nothing.
    pub fn group(&mut self, group: &Group) {
        if group.members.is_empty() {
            return;
        }
        let encoded = self.encode(group);
        self.make_room(
            encoded.len(),
            group.records.first().map(|record| record.entry.path.as_os_str().as_bytes()),
        );
        self.known = None;
        self.open.extend_from_slice(&encoded);
        self.members += group.members.len() as u64;
    }

    /// Adds the group at position `at` of another index as it stands there; `totals` are the sums over it. A piece that
    /// comes out the same need not be deflated again.
    pub(crate) fn take_over(&mut self, index: &Index, at: usize, totals: Totals) -> Result<(), BadIndex> {
        let group = index.raw_at(at)?;
        let bytes = group.bytes();
        self.make_room(bytes.len(), group.first_path()?);
        if self.open.is_empty() {
            let known = index.piece_at(at);
            self.known =
                known.map(|(piece, inflated)| KnownPiece { deflated: piece.to_vec(), inflated, next: at });
        }
        self.known = self.known.take().filter(|known| known.next == at);
        if let Some(known) = &mut self.known {
            known.next += bytes.len();
        }
        self.open.extend_from_slice(bytes);
        self.members += group.member_count();
        self.totals.add(totals);
        Ok(())
    }

    /// Ends the open piece if one ends before a group of `size` bytes whose first entry has this path.
    fn make_room(&mut self, size: usize, first: Option<&[u8]>) {
        // The end of the tar stream, which has no entry, is a piece of its own.
        let ends =
            first.is_none_or(|path| border_before(self.open.len() as u64, size as u64, chunk::hash(path)));
        if ends {
            self.end_piece();
        }
    }

    fn encode(&mut self, group: &Group) -> Vec<u8> {
        let mut entries = Vec::with_capacity(group.records.len() * 128);
        let mut last: &[u8] = b"";
        for record in &group.records {
            encode_record(&mut entries, record, last);
            last = record.entry.path.as_os_str().as_bytes();
            self.totals.count(&record.entry);
        }
        let mut encoded = Vec::with_capacity(16 + 48 * group.members.len() + entries.len());
        varint(&mut encoded, group.members.len() as u64);
        varint(&mut encoded, group.records.len() as u64);
        varint(&mut encoded, entries.len() as u64);
        for member in &group.members {
            varint(&mut encoded, u64::from(member.size));
            varint(&mut encoded, u64::from(member.payload));
            encoded.extend_from_slice(&member.digest);
            encoded.extend_from_slice(&member.crc.to_le_bytes());
        }
        encoded.extend_from_slice(&entries);
        encoded
    }

    fn end_piece(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let known = self.known.take().filter(|known| known.inflated == self.open.len());
        let piece = if let Some(known) = known {
            self.inflated += known.inflated as u64;
            known.deflated
        } else {
            let open = std::mem::take(&mut self.open);
            let piece = self.piece(&open);
            self.open = open;
            piece
        };
        self.open.clear();
        self.pieces.push(piece);
    }

    fn piece(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.inflated += bytes.len() as u64;
        self.sealer.deflate(bytes)
    }

    /// Ends the index: the header goes before all groups, the totals behind them.
    pub fn finish(mut self) -> io::Result<FinishedIndex> {
        self.end_piece();
        self.about.totals = Some(self.totals);
        let json = serde_json::to_vec(&self.about)?;
        let header = [MAGIC, &(json.len() as u32).to_le_bytes()[..], &json].concat();
        let mut tail = vec![0];
        for number in [self.totals.entries, self.totals.files, self.totals.bytes] {
            varint(&mut tail, number);
        }
        let (header, tail) = (self.piece(&header), self.piece(&tail));
        let mut deflated = Deflated::with_capacity(
            self.pieces.iter().map(Vec::len).sum::<usize>() + header.len() + tail.len(),
        );
        for piece in std::iter::once(&header).chain(&self.pieces).chain([&tail]) {
            deflated.push_piece(piece);
        }
        Ok(FinishedIndex {
            deflated,
            inflated: self.inflated,
            members: self.members,
            about: self.about,
            totals: self.totals,
        })
    }
}
