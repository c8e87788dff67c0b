//! Inflates the pieces of an index: many small deflate streams, of which each needs tables of its own, on all cores.

use crate::archive::index::{BadIndex, Deflated};
use crate::archive::member::Opener;
use crate::pipeline::{default_threads, ordered};

/// Deflate makes at most so many bytes of one (258 of two bits): what promises more is not even inflated.
pub(super) const DEFLATE_RATIO: u64 = 1032;
/// Deflated bytes that one thread takes at a time. An index no longer than two of these is inflated on one thread.
const BATCH: usize = 64 << 10;

/// Room for a piece, at first.
const ROOM: usize = 128 << 10;

/// A stretch of the inflated index, and the lengths of the pieces in it.
type Stretch = Result<(Vec<u8>, Vec<usize>), BadIndex>;

/// Inflates all pieces, which must come to `length` bytes. Where each starts, and where the last one ends.
pub(super) fn inflate(deflated: &Deflated, length: u64) -> Result<(Vec<u8>, Vec<usize>), BadIndex> {
    if length > deflated.joined().len() as u64 * DEFLATE_RATIO || !deflated.is_complete() {
        return Err(BadIndex);
    }
    let mut all = Inflated { bytes: Vec::new(), borders: vec![0], length };
    let length = usize::try_from(length).map_err(|_| BadIndex)?;
    all.bytes.try_reserve_exact(length).map_err(|_| BadIndex)?;
    let mut pieces = deflated.pieces();
    if let (Some(piece), None) = (pieces.next(), pieces.next()) {
        // Version 1 has one piece, which may be long.
        all.bytes.resize(length, 0);
        let length = Opener::default().inflate(piece, &mut all.bytes).map_err(|_| BadIndex)?;
        all.bytes.truncate(length);
        all.borders.push(length);
    } else if deflated.joined().len() <= 2 * BATCH {
        let pieces: Vec<&[u8]> = deflated.pieces().collect();
        all.append(&inflate_batch(&pieces, all.length, &mut Worker::default())?)?;
    } else {
        ordered(
            default_threads(),
            |submit| {
                // Nobody wants more once a piece was damaged.
                let _ = batches(deflated).try_for_each(|batch| submit.submit(batch));
                Ok(())
            },
            Worker::default,
            |worker, batch| inflate_batch(&batch, length as u64, worker),
            |stretch| all.append(&stretch?),
        )?;
    }
    if all.bytes.len() == length { Ok((all.bytes, all.borders)) } else { Err(BadIndex) }
}

/// Inflates one piece into `room`, which may be used again; `most` is the length of the whole index once inflated.
pub(super) fn inflate_piece<'a>(
    piece: &[u8],
    most: u64,
    opener: &mut Opener,
    room: &'a mut Vec<u8>,
) -> Result<&'a [u8], BadIndex> {
    let bound = usize::try_from(most.min(piece.len() as u64 * DEFLATE_RATIO)).map_err(|_| BadIndex)?;
    // Pieces of ours are some KiB. Memory for the longest that there could be is taken only for one that needs it.
    let mut length = bound.min(room.len().max(ROOM));
    loop {
        if room.len() < length {
            *room = zeros(length)?;
        }
        match opener.inflate(piece, &mut room[..length]) {
            Ok(inflated) => return Ok(&room[..inflated]),
            Err(_) if length < bound => length = bound.min(length.saturating_mul(8)),
            Err(_) => return Err(BadIndex),
        }
    }
}

/// Makes room for the longest piece that is usual, or for one that a damaged index claims: that is an error where there is
/// not so much memory, not the end of the process.
fn zeros(length: usize) -> Result<Vec<u8>, BadIndex> {
    if length <= ROOM {
        return Ok(vec![0; length]);
    }
    let mut room = Vec::new();
    room.try_reserve_exact(length).map_err(|_| BadIndex)?;
    room.resize(length, 0);
    Ok(room)
}

/// The inflated bytes so far.
struct Inflated {
    bytes: Vec<u8>,
    /// Where each piece starts, and where the last one ends.
    borders: Vec<usize>,
    /// The largest length it may reach.
    length: u64,
}

impl Inflated {
    fn append(&mut self, (bytes, lengths): &(Vec<u8>, Vec<usize>)) -> Result<(), BadIndex> {
        let mut end = self.bytes.len();
        if (end + bytes.len()) as u64 > self.length {
            return Err(BadIndex);
        }
        self.bytes.extend_from_slice(bytes);
        self.borders.extend(lengths.iter().map(|length| {
            end += length;
            end
        }));
        Ok(())
    }
}

/// Decompressor and buffer that a thread uses for every piece.
#[derive(Default)]
struct Worker {
    opener: Opener,
    room: Vec<u8>,
}

/// Pieces that follow each other, about [`BATCH`] bytes at a time.
fn batches(deflated: &Deflated) -> impl Iterator<Item = Vec<&[u8]>> {
    let mut pieces = deflated.pieces().peekable();
    std::iter::from_fn(move || {
        pieces.peek()?;
        let mut size = 0;
        let mut batch = Vec::new();
        while size < BATCH
            && let Some(piece) = pieces.next()
        {
            size += piece.len();
            batch.push(piece);
        }
        Some(batch)
    })
}

fn inflate_batch(pieces: &[&[u8]], most: u64, Worker { opener, room }: &mut Worker) -> Stretch {
    // What an index deflates to, about.
    let expected = pieces.iter().map(|piece| piece.len()).sum::<usize>() * 3;
    let mut bytes = Vec::with_capacity(expected.min(most as usize));
    let mut lengths = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let inflated = inflate_piece(piece, most, opener, room)?;
        if (bytes.len() + inflated.len()) as u64 > most {
            return Err(BadIndex);
        }
        bytes.extend_from_slice(inflated);
        lengths.push(inflated.len());
    }
    Ok((bytes, lengths))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::Compression;
    use flate2::read::DeflateEncoder;

    use super::*;

    /// `count` pieces that deflate badly, and what they hold.
    fn pieces(count: u32) -> (Deflated, Vec<Vec<u8>>) {
        let mut deflated = Deflated::default();
        let contents: Vec<Vec<u8>> = (0..count)
            .map(|piece| (0..1000u32).map(|at| (at.wrapping_mul(at ^ piece) >> 3) as u8).collect())
            .collect();
        for content in &contents {
            let mut piece = Vec::new();
            DeflateEncoder::new(&content[..], Compression::fast()).read_to_end(&mut piece).unwrap();
            deflated.push_piece(&piece);
        }
        (deflated, contents)
    }

    #[test]
    fn few_and_many_pieces_come_in_order() {
        for count in [1, 2, 100, 1000] {
            let (deflated, contents) = pieces(count);
            let (bytes, borders) = inflate(&deflated, u64::from(count) * 1000).unwrap();
            assert!(bytes == contents.concat(), "{count}");
            assert_eq!(borders, (0..=count as usize).map(|piece| piece * 1000).collect::<Vec<_>>());
        }
        assert!(pieces(1000).0.joined().len() > 4 * BATCH, "several batches");
    }

    #[test]
    fn another_length_and_a_damaged_piece_are_refused() {
        for count in [1, 2, 1000] {
            let (deflated, contents) = pieces(count);
            let length = u64::from(count) * 1000;
            for wrong in [0, length - 1, length + 1, u64::MAX] {
                assert_eq!(inflate(&deflated, wrong), Err(BadIndex), "{count}, {wrong}");
            }
            let mut damaged = Deflated::default();
            let last = contents.len() - 1;
            for (number, piece) in deflated.pieces().enumerate() {
                damaged.push_piece(if number == last { b"\xff" } else { piece });
            }
            assert_eq!(inflate(&damaged, length), Err(BadIndex), "{count}");
        }
    }
}
