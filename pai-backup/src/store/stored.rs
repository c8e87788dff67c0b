//! The bytes of an archive in a store, fetched as they are asked for.
//!
//! One file of an archive is a few ranges of packs; all of it is packs as a whole. Which of the two a reader wants shows in
//! what it asks for: after some ranges of a pack the whole pack is fetched, checked against its name, and kept a while. For a
//! reader that goes from one pack to the next, the next two are fetched before it asks for them.

mod fetch;
mod packs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError};

use pai_common::sha256::{self, Digest};

use self::fetch::{got, identities_for, told};
use self::packs::Packs;
use super::backend::Backend;
use super::layout::{self, Form};
use super::list::List;
use super::runs::Runs;
use super::tail::Tail;
use crate::archive::open::Bytes;
use crate::crypt::Keys;
use crate::crypt::open::{LONGEST_HEAD, head_length, open_part, place_of};

pub(crate) use self::fetch::{BadPack, fetch_object, fetch_whole};

/// After this number of ranges of a pack, the whole pack is fetched.
const RANGES: usize = 4;
/// Most heads are no longer than this.
const USUAL_HEAD: u64 = 1024;

/// An archive in a store.
#[derive(Debug)]
pub(crate) struct Stored {
    runs: Runs,
    /// SHA-256 of the heads of encrypted packs. A pack whose head is not in here is only read whole.
    heads: BTreeMap<Digest, Digest>,
    /// The last bytes of the archive, from this offset on, where they are known without asking.
    tail: Option<(u64, Tail)>,
    /// Whether to fetch whole packs only, each checked against its name, because every byte is wanted.
    whole: bool,
    packs: Arc<Packs>,
}

/// A part of what is asked for: where in the pack it is, and where in the answer it belongs.
struct Part {
    offset: u64,
    length: usize,
    at: usize,
}

impl Stored {
    /// The archive of a list. If it is encrypted, it is opened with what is in `keys`.
    pub(crate) fn new(backend: Arc<dyn Backend>, list: &List, keys: Arc<Keys>) -> Self {
        Self {
            packs: Arc::new(Packs::new(backend, list.form, keys, list.runs.in_order())),
            runs: list.runs.clone(),
            heads: list.heads.clone(),
            tail: None,
            whole: false,
        }
    }

    /// Uses these last bytes of the archive, from `start` on, instead of fetching them.
    pub(crate) fn with_tail(mut self, start: u64, tail: Tail) -> Self {
        self.tail = Some((start, tail));
        self
    }

    /// Fetches packs whole, and fails on one that is not what its name says.
    pub(crate) fn checked(mut self) -> Self {
        self.whole = true;
        self
    }

    fn fetch(&self, pack: Digest, parts: &[Part], buf: &mut [u8]) -> io::Result<()> {
        let form = self.packs.form;
        let slot = self.packs.slot(pack);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.ranges += 1;
        let bound = form == Form::Plain || self.heads.contains_key(&pack);
        let must_be_whole = self.whole || !bound;
        if slot.bytes.is_none() && (must_be_whole || (slot.ranges > RANGES && !slot.damaged)) {
            match self.packs.fetch(pack, &mut slot) {
                Ok(()) => {}
                // The damage costs the members it is in, and no others.
                Err(error) if !must_be_whole && BadPack::within(&error).is_some() => slot.damaged = true,
                Err(error) => return Err(error),
            }
        }
        if let Some(bytes) = slot.bytes.clone() {
            let is_new = !std::mem::replace(&mut slot.is_used, true);
            drop(slot);
            if is_new {
                self.packs.used(pack, self.whole);
            }
            return copy(parts, 0, &bytes, buf, (pack, form));
        }
        let first = parts.iter().map(|part| part.offset).min().unwrap_or(0);
        let end = parts.iter().map(|part| part.offset + part.length as u64).max().unwrap_or(0);
        let bytes = if form == Form::Plain {
            drop(slot);
            let name = layout::pack_name(&pack, form);
            got(pack, form, self.packs.backend.get(&name, first, end - first))?
        } else {
            let head = match &slot.head {
                Some(head) => Arc::clone(head),
                None => Arc::clone(slot.head.insert(Arc::new(self.fetch_head(pack)?))),
            };
            drop(slot);
            self.fetch_sealed(pack, &head, first, end - first)?
        };
        copy(parts, first, &bytes, buf, (pack, form))
    }

    /// The head of an encrypted pack, if it is the one that the list means. Chunks that open under it are that pack's:
    /// nobody else knows the file key in it.
    fn fetch_head(&self, pack: Digest) -> io::Result<Vec<u8>> {
        let form = self.packs.form;
        let name = layout::pack_name(&pack, form);
        let get = |limit| got(pack, form, self.packs.backend.get(&name, 0, limit));
        let mut bytes = get(USUAL_HEAD)?;
        if head_length(&bytes).is_none() && bytes.len() as u64 == USUAL_HEAD {
            bytes = get(LONGEST_HEAD as u64)?;
        }
        let head = head_length(&bytes).map(|length| bytes[..length].to_vec());
        let expected = self.heads.get(&pack);
        let bad = || BadPack::error(pack, form, "is damaged: it does not begin as the list says");
        head.filter(|head| expected == Some(&sha256::digest(head))).ok_or_else(bad)
    }

    /// Reads `length` bytes of an encrypted pack's content from `offset` on. Only the chunks that hold them are fetched.
    fn fetch_sealed(&self, pack: Digest, head: &[u8], offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let name = layout::pack_name(&pack, self.packs.form);
        let (start, size) = place_of(head.len(), offset, length);
        let chunks = got(pack, self.packs.form, self.packs.backend.get(&name, start, size))?;
        let identities = identities_for(&self.packs.keys, &name)?;
        let mut bytes = vec![0; length as usize];
        open_part(head, &chunks, offset, &mut bytes, &identities).map_err(|error| told(pack, &error))?;
        Ok(bytes)
    }
}

fn copy(
    parts: &[Part],
    start: u64,
    bytes: &[u8],
    buf: &mut [u8],
    (pack, form): (Digest, Form),
) -> io::Result<()> {
    for Part { offset, length, at } in parts {
        let from = (offset - start) as usize;
        let Some(found) = bytes.get(from..from + length) else {
            return Err(BadPack::error(pack, form, "is cut short"));
        };
        buf[*at..at + length].copy_from_slice(found);
    }
    Ok(())
}

impl Bytes for Stored {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|&end| end <= self.runs.size());
        let Some(end) = end else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let known = self.tail.as_ref().map_or(end, |(start, _)| end.min(*start).max(offset));
        if let Some((start, tail)) = self.tail.as_ref().filter(|_| known < end) {
            tail.read_exact_at(&mut buf[(known - offset) as usize..], known - start)?;
        }
        let mut parts: BTreeMap<Digest, Vec<Part>> = BTreeMap::new();
        let mut at = 0;
        for (pack, offset, length) in self.runs.slices(offset..known) {
            let length = length as usize;
            parts.entry(pack).or_default().push(Part { offset, length, at });
            at += length;
        }
        parts.into_iter().try_for_each(|(pack, parts)| self.fetch(pack, &parts, buf))
    }

    fn size(&self) -> u64 {
        self.runs.size()
    }
}
