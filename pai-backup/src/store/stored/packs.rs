//! The packs of an archive that are at hand, and those that are about to be needed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use pai_common::sha256::Digest;

use super::fetch_whole;
use crate::crypt::Keys;
use crate::store::backend::Backend;
use crate::store::layout::Form;

/// Bytes of whole packs that are kept.
const KEPT: usize = 64 << 20;
/// Number of packs that are fetched before they are asked for.
const AHEAD: usize = 2;

/// The store that packs come from, and the packs that are here.
#[derive(Debug)]
pub(super) struct Packs {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) form: Form,
    pub(super) keys: Arc<Keys>,
    /// All packs of the archive, in the order in which it needs them first.
    order: Vec<Digest>,
    here: Mutex<Here>,
}

#[derive(Debug, Default)]
struct Here {
    slots: HashMap<Digest, Arc<Mutex<Slot>>>,
    /// The packs that are here whole, the first fetched first.
    kept: VecDeque<(Digest, usize)>,
    /// Packs of which all was fetched, at some time.
    whole: HashSet<Digest>,
}

/// One pack. It is locked while it is fetched, so that two readers do not fetch it twice.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Number of times that a part of it was asked for.
    pub(super) ranges: usize,
    /// The whole pack, if it was fetched.
    pub(super) bytes: Option<Arc<Vec<u8>>>,
    /// Whether a reader has used `bytes`.
    pub(super) is_used: bool,
    /// The pack is not what its name says: only ranges of it are read, and their readers check what they get.
    pub(super) damaged: bool,
    /// The head of an encrypted pack.
    pub(super) head: Option<Arc<Vec<u8>>>,
}

impl Packs {
    pub(super) fn new(backend: Arc<dyn Backend>, form: Form, keys: Arc<Keys>, order: Vec<Digest>) -> Self {
        Self { backend, form, keys, order, here: Mutex::default() }
    }

    pub(super) fn slot(&self, pack: Digest) -> Arc<Mutex<Slot>> {
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(here.slots.entry(pack).or_default())
    }

    /// Fetches all of a pack.
    pub(super) fn fetch(&self, pack: Digest, slot: &mut Slot) -> io::Result<()> {
        let bytes = fetch_whole(&*self.backend, &pack, self.form, &self.keys)?;
        self.keep(pack, bytes.len());
        slot.bytes = Some(Arc::new(bytes));
        Ok(())
    }

    /// A pack was fetched: the first ones go, if there are too many.
    fn keep(&self, pack: Digest, size: usize) {
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        here.whole.insert(pack);
        here.kept.push_back((pack, size));
        let mut total: usize = here.kept.iter().map(|(_, size)| size).sum();
        while total > KEPT && here.kept.len() > 1 {
            let Some((oldest, size)) = here.kept.pop_front() else { break };
            total -= size;
            here.slots.remove(&oldest);
        }
    }

    /// All of a pack is read for the first time. If the one before it was fetched whole, too, the next ones are likely to
    /// be wanted; `sure` says that they will be. What goes wrong there the reader meets again, if it comes so far.
    pub(super) fn used(self: &Arc<Self>, pack: Digest, sure: bool) {
        let Some(at) = self.order.iter().position(|other| *other == pack) else { return };
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let is_next = at > 0 && here.whole.contains(&self.order[at - 1]);
        if !sure && !is_next {
            return;
        }
        for &next in self.order[at + 1..].iter().take(AHEAD) {
            if !here.whole.insert(next) {
                continue;
            }
            let slot = Arc::clone(here.slots.entry(next).or_default());
            let packs = Arc::clone(self);
            // Where no thread is to be had, the reader fetches the pack when it comes to it.
            let _ = thread::Builder::new().spawn(move || {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                if slot.bytes.is_none() && !slot.damaged {
                    let _ = packs.fetch(next, &mut slot);
                }
            });
        }
    }
}
