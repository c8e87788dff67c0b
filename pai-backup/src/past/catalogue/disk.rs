//! The catalogue on disk, so that only archives that are new are read. It can be lost: then all of them are read again.
//!
//! ```text
//! line "pai-backup past 1", then numbers of seven bits a byte, as in an index:
//! paths, things, pieces, nights, each as its count and then its items; SHA-256 of all of that
//! ```

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use pai_common::atomic;
use pai_common::clock::Timestamp;
use pai_common::sha256;

use super::{Catalogue, Night, Piece, Thing};
use crate::Context;
use crate::archive::index::{BadIndex, Cursor, KINDS, Totals, varint, zigzag};
use crate::past::nights::Named;

const FIRST_LINE: &[u8] = b"pai-backup past 1\n";

impl Catalogue {
    /// What was remembered, if it is whole and of this version.
    pub(super) fn recall(cache: &Path) -> Option<Self> {
        let bytes = std::fs::read(cache).ok()?;
        let (bytes, digest) = bytes.split_last_chunk::<32>()?;
        if sha256::digest(bytes) != *digest {
            return None;
        }
        Self::decode(bytes.strip_prefix(FIRST_LINE)?).ok()
    }

    /// Remembers the archives that could be read. One that is damaged is read anew, so that it is complained of each time.
    pub(super) fn remember(&self, cache: &Path, run: &Context<'_>) {
        let mut bytes = self.encode();
        let digest = sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        if let Err(error) = atomic::write(cache, 0o600, &bytes) {
            run.console.detail(format_args!("{error:#}: all archives are read again the next time"));
        }
    }

    fn encode(&self) -> Vec<u8> {
        let kept: Vec<&Night> = self.nights.iter().filter(|night| !night.damaged).collect();
        let used = self.used(&kept);
        let mut out = FIRST_LINE.to_vec();
        varint(&mut out, used.paths.count as u64);
        for number in used.paths.old() {
            text(&mut out, &self.paths[number]);
        }
        varint(&mut out, used.things.count as u64);
        for number in used.things.old() {
            encode_thing(&mut out, &self.things[number]);
        }
        varint(&mut out, used.pieces.count as u64);
        for number in used.pieces.old() {
            let piece = &self.pieces[number];
            out.extend_from_slice(&piece.digest);
            varint(&mut out, piece.records.len() as u64);
            for &(path, thing) in &piece.records {
                varint(&mut out, u64::from(used.paths.new[path as usize]));
                varint(&mut out, u64::from(used.things.new[thing as usize]));
            }
        }
        varint(&mut out, kept.len() as u64);
        for night in kept {
            encode_night(&mut out, night, &used.pieces);
        }
        out
    }

    /// What the nights need of all that was ever read.
    fn used(&self, nights: &[&Night]) -> Used {
        let mut used = Used {
            paths: Renumbered::none(self.paths.len()),
            things: Renumbered::none(self.things.len()),
            pieces: Renumbered::none(self.pieces.len()),
        };
        for &piece in nights.iter().flat_map(|night| &night.pieces) {
            if used.pieces.take(piece) {
                for &(path, thing) in &self.pieces[piece as usize].records {
                    used.paths.take(path);
                    used.things.take(thing);
                }
            }
        }
        used.paths.number();
        used.things.number();
        used.pieces.number();
        used
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadIndex> {
        let cursor = &mut Cursor { bytes };
        let paths = items(cursor, |cursor| Ok(take_text(cursor)?.into()))?;
        let things = items(cursor, decode_thing)?;
        let (most_paths, most_things) = (paths.len() as u64, things.len() as u64);
        let pieces = items(cursor, |cursor| {
            let digest = cursor.array()?;
            let records =
                items(cursor, |cursor| Ok((below(cursor, most_paths)?, below(cursor, most_things)?)))?;
            Ok(Piece { digest, records })
        })?;
        let most_pieces = pieces.len() as u64;
        let nights = items(cursor, |cursor| decode_night(cursor, most_pieces))?;
        if cursor.bytes.is_empty() { Ok(Self { nights, pieces, paths, things }) } else { Err(BadIndex) }
    }
}

struct Used {
    paths: Renumbered,
    things: Renumbered,
    pieces: Renumbered,
}

/// Which numbers are in use, and their new ones without gaps.
struct Renumbered {
    new: Vec<u32>,
    count: usize,
}

const UNUSED: u32 = u32::MAX;

impl Renumbered {
    fn none(count: usize) -> Self {
        Self { new: vec![UNUSED; count], count: 0 }
    }

    /// Marks a number; says whether it is the first time.
    fn take(&mut self, number: u32) -> bool {
        std::mem::replace(&mut self.new[number as usize], 0) == UNUSED
    }

    fn number(&mut self) {
        for new in self.new.iter_mut().filter(|new| **new != UNUSED) {
            *new = self.count as u32;
            self.count += 1;
        }
    }

    fn old(&self) -> impl Iterator<Item = usize> {
        self.new.iter().enumerate().filter(|(_, new)| **new != UNUSED).map(|(old, _)| old)
    }
}

fn items<T>(
    cursor: &mut Cursor<'_>,
    mut item: impl FnMut(&mut Cursor<'_>) -> Result<T, BadIndex>,
) -> Result<Vec<T>, BadIndex> {
    let count = cursor.varint()?;
    // Each takes a byte at least: no number makes us take more memory than the file is long.
    if count > cursor.bytes.len() as u64 {
        return Err(BadIndex);
    }
    (0..count).map(|_| item(cursor)).collect()
}

fn below(cursor: &mut Cursor<'_>, limit: u64) -> Result<u32, BadIndex> {
    let number = cursor.varint()?;
    if number < limit { u32::try_from(number).map_err(|_| BadIndex) } else { Err(BadIndex) }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take_text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], BadIndex> {
    let length = cursor.varint()?;
    cursor.take(length)
}

fn take_path(cursor: &mut Cursor<'_>) -> Result<PathBuf, BadIndex> {
    Ok(PathBuf::from(OsString::from_vec(take_text(cursor)?.to_vec())))
}

fn take_string(cursor: &mut Cursor<'_>) -> Result<String, BadIndex> {
    String::from_utf8(take_text(cursor)?.to_vec()).map_err(|_| BadIndex)
}

fn time(out: &mut Vec<u8>, time: Timestamp) {
    varint(out, zigzag(time.secs()));
    varint(out, u64::from(time.nanos()));
}

fn encode_thing(out: &mut Vec<u8>, thing: &Thing) {
    let kind = KINDS.iter().position(|&kind| kind == thing.kind).unwrap_or_default();
    out.extend_from_slice(&[kind as u8, u8::from(thing.digest.is_some())]);
    varint(out, u64::from(thing.mode));
    varint(out, thing.size);
    time(out, thing.mtime);
    text(out, thing.link.as_os_str().as_bytes());
    varint(out, u64::from(thing.device.0));
    varint(out, u64::from(thing.device.1));
    out.extend_from_slice(thing.digest.as_ref().map(<[u8; 32]>::as_slice).unwrap_or_default());
}

fn decode_thing(cursor: &mut Cursor<'_>) -> Result<Thing, BadIndex> {
    let [kind, has_digest] = cursor.array()?;
    let narrow = |number: u64| u32::try_from(number).map_err(|_| BadIndex);
    Ok(Thing {
        kind: *KINDS.get(usize::from(kind)).ok_or(BadIndex)?,
        mode: narrow(cursor.varint()?)?,
        size: cursor.varint()?,
        mtime: cursor.time()?,
        link: take_path(cursor)?,
        device: (narrow(cursor.varint()?)?, narrow(cursor.varint()?)?),
        digest: if has_digest == 1 { Some(cursor.array()?) } else { None },
    })
}

fn encode_night(out: &mut Vec<u8>, night: &Night, pieces: &Renumbered) {
    text(out, night.named.name.as_bytes());
    text(out, night.named.stamp.as_bytes());
    time(out, night.named.time);
    let Totals { entries, files, bytes } = night.totals;
    for number in [night.size, entries, files, bytes, night.incomplete, night.selection.len() as u64] {
        varint(out, number);
    }
    for path in &night.selection {
        text(out, path.as_os_str().as_bytes());
    }
    varint(out, night.pieces.len() as u64);
    for &piece in &night.pieces {
        varint(out, u64::from(pieces.new[piece as usize]));
    }
}

fn decode_night(cursor: &mut Cursor<'_>, most_pieces: u64) -> Result<Night, BadIndex> {
    let named = Named { name: take_string(cursor)?, stamp: take_string(cursor)?, time: cursor.time()? };
    let size = cursor.varint()?;
    let totals = Totals { entries: cursor.varint()?, files: cursor.varint()?, bytes: cursor.varint()? };
    Ok(Night {
        named,
        size,
        totals,
        incomplete: cursor.varint()?,
        damaged: false,
        selection: items(cursor, take_path)?,
        pieces: items(cursor, |cursor| below(cursor, most_pieces))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Kind;

    fn catalogue() -> Catalogue {
        let thing = |kind, digest: Option<[u8; 32]>| Thing {
            kind,
            mode: 0o644,
            size: 3,
            mtime: Timestamp::new(-5, 7),
            link: if kind == Kind::Symlink { "away".into() } else { PathBuf::new() },
            device: (0, 0),
            digest,
        };
        let night = |name: &str, pieces: Vec<u32>| Night {
            named: Named { name: name.to_owned(), time: Timestamp::new(9, 0), stamp: "1 2".to_owned() },
            size: 5,
            totals: Totals { entries: 2, files: 1, bytes: 3 },
            incomplete: 1,
            damaged: false,
            selection: vec!["projects".into()],
            pieces,
        };
        Catalogue {
            nights: vec![night("a", vec![0]), night("b", vec![0, 1])],
            pieces: vec![
                Piece { digest: [1; 32], records: vec![(0, 1)] },
                Piece { digest: [2; 32], records: vec![(1, 0), (2, 1)] },
            ],
            paths: vec![b"x".as_slice().into(), b"\xff\n".as_slice().into(), b"y".as_slice().into()],
            things: vec![thing(Kind::File, Some([7; 32])), thing(Kind::Symlink, None)],
        }
    }

    #[test]
    fn what_is_remembered_is_what_was_known() {
        let mut before = catalogue();
        let bytes = before.encode();
        let after = Catalogue::decode(bytes.strip_prefix(FIRST_LINE).unwrap()).unwrap();
        assert_eq!((&after.nights, &after.pieces), (&before.nights, &before.pieces));
        assert_eq!((&after.paths, &after.things), (&before.paths, &before.things));
        // A night that is gone takes with it what only it had.
        before.nights.pop();
        let bytes = before.encode();
        let after = Catalogue::decode(bytes.strip_prefix(FIRST_LINE).unwrap()).unwrap();
        assert_eq!((after.paths.len(), after.things.len(), after.pieces.len()), (1, 1, 1));
    }

    #[test]
    fn no_bytes_make_the_reader_fail_badly() {
        let bytes = catalogue().encode();
        let bytes = bytes.strip_prefix(FIRST_LINE).unwrap();
        for at in 0..bytes.len() {
            let _ = Catalogue::decode(&bytes[..at]);
            let mut damaged = bytes.to_vec();
            damaged[at] = 0xff;
            let _ = Catalogue::decode(&damaged);
        }
    }
}
