//! The bytes of an archive in a store, fetched as they are asked for.
//!
//! One file of an archive is a few ranges of packs; all of it is packs as a whole. Which of the two a reader wants shows in
//! what it asks for: after some ranges of a pack the whole pack is fetched, checked against its name, and kept a while.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pai_common::sha256::{self, Digest};

use super::backend::{Answer, Backend, Kind};
use super::layout::{self, Form};
use super::list::{LARGEST_PACK, List};
use super::runs::Runs;
use super::tail::Tail;
use crate::archive::open::Bytes;
use crate::crypt::open::{LONGEST_HEAD, OpenError, head_length, kind_of, open, open_part, place_of};
use crate::crypt::{Identities, Keys};

/// So many ranges of a pack are fetched before all of it is.
const RANGES: usize = 4;
/// A head is no longer, as a rule.
const USUAL_HEAD: u64 = 1024;
/// Bytes of whole packs that are kept.
const KEPT: usize = 80 << 20;

/// An archive in a store.
#[derive(Debug)]
pub(crate) struct Stored {
    backend: Arc<dyn Backend>,
    runs: Runs,
    form: Form,
    /// SHA-256 of the heads of encrypted packs. One without is only read whole.
    heads: BTreeMap<Digest, Digest>,
    keys: Arc<Keys>,
    /// The last bytes of the archive, from this offset on, where they are known without asking.
    tail: Option<(u64, Tail)>,
    /// Fetch no ranges: every byte is wanted, and every pack checked.
    whole: bool,
    packs: Mutex<Packs>,
}

#[derive(Debug, Default)]
struct Packs {
    slots: HashMap<Digest, Arc<Mutex<Slot>>>,
    /// The packs that are here whole, the first fetched first.
    kept: VecDeque<(Digest, usize)>,
}

/// One pack. It is locked while it is fetched, so that two readers do not fetch it twice.
#[derive(Debug, Default)]
struct Slot {
    ranges: usize,
    bytes: Option<Arc<Vec<u8>>>,
    /// The pack is not what its name says: only ranges of it are read, and their readers check what they get.
    damaged: bool,
    /// The head of an encrypted pack.
    head: Option<Arc<Vec<u8>>>,
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
            backend,
            runs: list.runs.clone(),
            form: list.form,
            heads: list.heads.clone(),
            keys,
            tail: None,
            whole: false,
            packs: Mutex::default(),
        }
    }

    /// Knows the last bytes already.
    pub(crate) fn with_tail(mut self, start: u64, tail: Tail) -> Self {
        self.tail = Some((start, tail));
        self
    }

    /// Fetches packs whole, and fails on one that is not what its name says.
    pub(crate) fn checked(mut self) -> Self {
        self.whole = true;
        self
    }

    fn slot(&self, pack: Digest) -> Arc<Mutex<Slot>> {
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(packs.slots.entry(pack).or_default())
    }

    /// A pack was fetched: the first ones go, if there are too many.
    fn keep(&self, pack: Digest, size: usize) {
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        packs.kept.push_back((pack, size));
        let mut total: usize = packs.kept.iter().map(|(_, size)| size).sum();
        while total > KEPT && packs.kept.len() > 1 {
            let Some((oldest, size)) = packs.kept.pop_front() else { break };
            total -= size;
            packs.slots.remove(&oldest);
        }
    }

    fn fetch(&self, pack: Digest, parts: &[Part], buf: &mut [u8]) -> io::Result<()> {
        let slot = self.slot(pack);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.ranges += 1;
        let bound = self.form == Form::Plain || self.heads.contains_key(&pack);
        let must_be_whole = self.whole || !bound;
        if slot.bytes.is_none() && (must_be_whole || (slot.ranges > RANGES && !slot.damaged)) {
            match fetch_whole(&*self.backend, &pack, self.form, &self.keys) {
                Ok(bytes) => {
                    self.keep(pack, bytes.len());
                    slot.bytes = Some(Arc::new(bytes));
                }
                // The damage costs the members it is in, and no others.
                Err(error) if !must_be_whole && BadPack::within(&error).is_some() => slot.damaged = true,
                Err(error) => return Err(error),
            }
        }
        if let Some(bytes) = slot.bytes.clone() {
            drop(slot);
            return copy(parts, 0, &bytes, buf, (pack, self.form));
        }
        let first = parts.iter().map(|part| part.offset).min().unwrap_or(0);
        let end = parts.iter().map(|part| part.offset + part.length as u64).max().unwrap_or(0);
        let bytes = if self.form == Form::Plain {
            drop(slot);
            let name = layout::pack_name(&pack, self.form);
            got(pack, self.form, self.backend.get(&name, first, end - first))?
        } else {
            let head = match &slot.head {
                Some(head) => Arc::clone(head),
                None => Arc::clone(slot.head.insert(Arc::new(self.fetch_head(pack)?))),
            };
            drop(slot);
            self.fetch_sealed(pack, &head, first, end - first)?
        };
        copy(parts, first, &bytes, buf, (pack, self.form))
    }

    /// The head of an encrypted pack, if it is the one that the list means. Chunks that open under it are that pack's:
    /// nobody else knows the file key in it.
    fn fetch_head(&self, pack: Digest) -> io::Result<Vec<u8>> {
        let name = layout::pack_name(&pack, self.form);
        let get = |limit| got(pack, self.form, self.backend.get(&name, 0, limit));
        let mut bytes = get(USUAL_HEAD)?;
        if head_length(&bytes).is_none() && bytes.len() as u64 == USUAL_HEAD {
            bytes = get(LONGEST_HEAD as u64)?;
        }
        let head = head_length(&bytes).map(|length| bytes[..length].to_vec());
        let expected = self.heads.get(&pack);
        let bad = || BadPack::error(pack, self.form, "is damaged: it does not begin as the list says");
        head.filter(|head| expected == Some(&sha256::digest(head))).ok_or_else(bad)
    }

    /// So much content of an encrypted pack from `offset` on: nothing but its chunks are fetched.
    fn fetch_sealed(&self, pack: Digest, head: &[u8], offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let name = layout::pack_name(&pack, self.form);
        let (start, size) = place_of(head.len(), offset, length);
        let chunks = got(pack, self.form, self.backend.get(&name, start, size))?;
        let identities = identities_for(&self.keys, &name)?;
        let mut bytes = vec![0; length as usize];
        open_part(head, &chunks, offset, &mut bytes, &identities).map_err(|error| told(pack, &error))?;
        Ok(bytes)
    }
}

/// A pack that is not there, or not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadPack {
    pub(crate) pack: Digest,
    form: Form,
    what: String,
}

impl BadPack {
    fn error(pack: Digest, form: Form, what: impl Into<String>) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, Self { pack, form, what: what.into() })
    }

    /// The one that an error is about, if it is about one.
    pub(crate) fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let carried = || error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref();
        error.downcast_ref().or_else(carried)
    }
}

impl std::fmt::Display for BadPack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", layout::pack_name(&self.pack, self.form), self.what)
    }
}

impl std::error::Error for BadPack {}

fn got(pack: Digest, form: Form, answer: Answer<Vec<u8>>) -> io::Result<Vec<u8>> {
    answer.map_err(|error| match error.kind {
        Kind::Missing => BadPack::error(pack, form, "is missing"),
        _ => io::Error::other(error),
    })
}

fn identities_for(keys: &Keys, name: &str) -> io::Result<Arc<Identities>> {
    keys.get(&name).map_err(|error| io::Error::other(format!("{error:#}")))
}

/// A pack as it lies there, all of it, if it is what its name says.
pub(crate) fn fetch_object(backend: &dyn Backend, pack: &Digest, form: Form) -> io::Result<Vec<u8>> {
    let bytes = got(*pack, form, backend.get(&layout::pack_name(pack, form), 0, LARGEST_PACK))?;
    if sha256::digest(&bytes) != *pack {
        return Err(BadPack::error(*pack, form, "is damaged: its SHA-256 is not its name"));
    }
    Ok(bytes)
}

/// The same, opened if it is encrypted.
pub(crate) fn fetch_whole(
    backend: &dyn Backend,
    pack: &Digest,
    form: Form,
    keys: &Keys,
) -> io::Result<Vec<u8>> {
    let bytes = fetch_object(backend, pack, form)?;
    if form == Form::Plain {
        return Ok(bytes);
    }
    let identities = identities_for(keys, &layout::pack_name(pack, form))?;
    open(&bytes, &identities).map_err(|error| told(*pack, &error))
}

/// Why a pack could not be opened.
fn told(pack: Digest, error: &io::Error) -> io::Error {
    match kind_of(error) {
        Some(OpenError::NotForUs) => {
            let name = layout::pack_name(&pack, Form::Sealed);
            io::Error::new(io::ErrorKind::PermissionDenied, format!("{name}: {error}"))
        }
        _ => BadPack::error(pack, Form::Sealed, format!("is damaged: {error}")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;

    /// Two packs of 100 bytes and an archive that takes them by turns, ten bytes at a time.
    fn archive(memory: &Memory) -> (Runs, Vec<u8>) {
        let packs: Vec<Vec<u8>> = (0..2).map(|pack| (0..100).map(|at| pack * 100 + at).collect()).collect();
        let mut runs = Runs::default();
        let mut whole = Vec::new();
        for pack in &packs {
            memory.put(&layout::pack_name(&sha256::digest(pack), Form::Plain), pack).unwrap();
        }
        for at in (0..100).step_by(10) {
            for pack in &packs {
                runs.push(sha256::digest(pack), at, 10);
                whole.extend(&pack[at as usize..at as usize + 10]);
            }
        }
        memory.log();
        (runs, whole)
    }

    fn stored_in(memory: &Memory, runs: Runs) -> Stored {
        let list = List { runs, ..List::default() };
        Stored::new(Arc::new(memory.clone()), &list, Arc::default())
    }

    fn read(stored: &Stored, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        stored.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }

    #[test]
    fn a_part_is_fetched_by_ranges_and_much_of_a_pack_as_a_whole() {
        let memory = Memory::default();
        let (runs, whole) = archive(&memory);
        let stored = stored_in(&memory, runs);
        assert_eq!(read(&stored, 25, 50), whole[25..75]);
        assert_eq!(memory.log().len(), 2, "one request a pack, however many runs");
        for offset in 0..20 {
            assert_eq!(read(&stored, offset * 10, 10), whole[offset as usize * 10..][..10]);
        }
        assert_eq!(memory.log().len(), 2 * RANGES, "then the packs are here");
        assert!(stored.read_exact_at(&mut [0; 2], 199).is_err());
    }

    #[test]
    fn the_known_tail_is_not_asked_for() {
        let memory = Memory::default();
        let (runs, whole) = archive(&memory);
        let stored = stored_in(&memory, runs).with_tail(150, Tail::of(&whole[150..]));
        assert_eq!(read(&stored, 150, 50), whole[150..]);
        assert_eq!(memory.log().len(), 0);
        assert_eq!(read(&stored, 141, 20), whole[141..161]);
        assert_eq!(memory.log().len(), 1);
    }

    #[test]
    fn a_flipped_byte_and_a_missing_pack_are_named() {
        let memory = Memory::default();
        let (runs, _) = archive(&memory);
        let name = layout::pack_name(runs.packs().first().unwrap(), Form::Plain);
        memory.tamper(&name, |bytes| bytes[99] ^= 1);
        let stored = stored_in(&memory, runs.clone()).checked();
        let error = stored.read_exact_at(&mut [0; 30], 0).unwrap_err().to_string();
        assert_eq!(error, format!("{name} is damaged: its SHA-256 is not its name"));
        let lenient = stored_in(&memory, runs.clone());
        for _ in 0..2 * RANGES {
            assert_eq!(read(&lenient, 0, 10), (0..10).collect::<Vec<_>>(), "what is whole is read");
        }
        memory.delete(&name).unwrap();
        let error = stored_in(&memory, runs).read_exact_at(&mut [0; 30], 0).unwrap_err();
        assert!(error.to_string().contains(&name), "{error}");
    }
}
