//! The deflated index: pieces, each a deflate stream of its own, and where one ends and the next begins.

use std::ops::Range;

use crate::archive::member::IndexPart;

/// Expected length of a piece before deflate. A file that changed costs its piece; a piece costs 26 bytes and what
/// deflate could have known from the one before (docs/archive-format.md has the figures).
const TARGET: u64 = 2 << 10;
/// Before a group a piece longer than this ends whatever the group is.
const FORCED: u64 = 64 << 10;

/// Whether a piece of `filled` bytes ends before a group of `size` bytes whose first entry's path has this hash. As with
/// the borders of chunks, the chance is the group's share of the target, so nothing hangs on what came before.
pub(super) fn border_before(filled: u64, size: u64, path_hash: u64) -> bool {
    // The path's hash decided that a chunk begins here: most of its high bits are zero, and must not decide again.
    let mixed =
        path_hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let chosen = u128::from(mixed) * u128::from(TARGET) < u128::from(size) << 64;
    filled > 0 && (chosen || filled + size > FORCED)
}

/// A deflated index in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deflated {
    joined: Vec<u8>,
    /// Where each piece ends.
    ends: Vec<usize>,
}

impl Deflated {
    /// An empty one with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { joined: Vec::with_capacity(bytes), ends: Vec::new() }
    }

    /// Appends what one index member carries.
    pub fn push(&mut self, part: &IndexPart) {
        self.joined.extend_from_slice(&part.bytes);
        if part.ends_piece {
            self.ends.push(self.joined.len());
        }
    }

    /// Appends a piece.
    pub fn push_piece(&mut self, bytes: &[u8]) {
        self.joined.extend_from_slice(bytes);
        self.ends.push(self.joined.len());
    }

    /// Makes one piece of all, which is what version 1 has.
    pub fn unite(&mut self) {
        self.ends = vec![self.joined.len()];
    }

    /// All its bytes.
    pub fn joined(&self) -> &[u8] {
        &self.joined
    }

    /// Its pieces, in order. Bytes behind the last end are no piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.joined[Range { start, end }])
    }

    /// The piece of this number.
    pub(super) fn piece(&self, number: usize) -> Option<&[u8]> {
        let start = number.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.joined.get(start..*self.ends.get(number)?)
    }

    /// Whether the last part ended a piece.
    pub fn is_complete(&self) -> bool {
        self.ends.last() == Some(&self.joined.len())
    }
}
