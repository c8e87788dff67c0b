//! Packs on their way, several at a time.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use pai_common::sha256::{self, Digest};

use crate::crypt::{Recipients, seal};
use crate::store::backend::{Answer, Backend, Kind, StoreError};
use crate::store::layout::{self, Form};

/// Uploads at a time: each holds a pack.
const AT_ONCE: usize = 3;

/// What decides whether a pack is sent, and under which name.
#[derive(Debug, Default)]
pub(in crate::store) struct Rules {
    /// Packs that are there and stay: they are not sent again.
    pub(in crate::store) present: std::collections::HashSet<Digest>,
    /// Names that must not be used.
    pub(in crate::store) doomed: std::collections::HashSet<Digest>,
    /// Whether every pack must get a new name. A machine that cannot see which packs are marked must not rely on any of them.
    pub(in crate::store) always_new: bool,
    /// The recipients that packs are encrypted for. No two encrypted packs have the same bytes or the same name.
    pub(in crate::store) recipients: Option<Recipients>,
}

/// Threads that send packs.
#[derive(Debug)]
pub(super) struct Uploads {
    jobs: Option<SyncSender<(Digest, Vec<u8>)>>,
    threads: Vec<JoinHandle<Answer<Sent>>>,
}

/// What was sent: the names that packs got, by those they had before; the heads of those that were sealed; and how many
/// bytes.
#[derive(Debug, Default)]
pub(in crate::store) struct Sent {
    pub(in crate::store) names: HashMap<Digest, Digest>,
    pub(in crate::store) heads: BTreeMap<Digest, Digest>,
    pub(in crate::store) bytes: u64,
}

impl Uploads {
    pub(super) fn start(backend: &Arc<dyn Backend>, rules: Rules) -> Self {
        let (sender, receiver) = sync_channel(0);
        let receiver = Arc::new(Mutex::new(receiver));
        let rules = Arc::new(rules);
        let threads = (0..AT_ONCE)
            .map(|_| {
                let (backend, receiver, rules) =
                    (Arc::clone(backend), Arc::clone(&receiver), Arc::clone(&rules));
                thread::spawn(move || send_all(&*backend, &receiver, &rules))
            })
            .collect();
        Self { jobs: Some(sender), threads }
    }

    /// Hands a pack on; waits while all threads are busy. False: they have ended, and [`Uploads::finish`] says why.
    pub(super) fn send(&self, name: Digest, pack: Vec<u8>) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send((name, pack)).is_ok())
    }

    /// Waits until all packs are there.
    pub(super) fn finish(&mut self) -> Answer<Sent> {
        self.jobs = None;
        let mut all = Ok(Sent::default());
        for thread in self.threads.drain(..) {
            let sent = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all = match (all, sent) {
                (Ok(mut all), Ok(sent)) => {
                    all.names.extend(sent.names);
                    all.heads.extend(sent.heads);
                    all.bytes += sent.bytes;
                    Ok(all)
                }
                (Err(error), _) | (_, Err(error)) => Err(error),
            };
        }
        all
    }
}

fn send_all(backend: &dyn Backend, jobs: &Mutex<Receiver<(Digest, Vec<u8>)>>, rules: &Rules) -> Answer<Sent> {
    let mut sent = Sent::default();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((name, mut pack)) = next else { return Ok(sent) };
        if let Some(recipients) = &rules.recipients {
            let sealed = seal(&pack, recipients).map_err(|error| {
                StoreError::new(Kind::Lasting, format_args!("could not encrypt a pack: {error}"))
            })?;
            let digest = sha256::digest(&sealed.bytes);
            backend.put(&layout::pack_name(&digest, Form::Sealed), &sealed.bytes)?;
            sent.bytes += sealed.bytes.len() as u64;
            sent.heads.insert(digest, sealed.head);
            sent.names.insert(name, digest);
            continue;
        }
        if rules.always_new {
            pack.extend(nothing_in_particular()?);
        }
        let mut digest = sha256::digest(&pack);
        if rules.doomed.contains(&digest) {
            // Prune may be about to delete what has this name.
            pack.extend(nothing_in_particular()?);
            digest = sha256::digest(&pack);
        }
        if !rules.present.contains(&digest) {
            backend.put(&layout::pack_name(&digest, Form::Plain), &pack)?;
            sent.bytes += pack.len() as u64;
        }
        sent.names.insert(name, digest);
    }
}

/// A gzip member that inflates to nothing and is never the same: it gives a pack another name. Its extra field `PN` has
/// sixteen random bytes.
fn nothing_in_particular() -> Answer<Vec<u8>> {
    let mut member = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 20, 0, b'P', b'N', 16, 0];
    let mut random = [0; 16];
    File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random)).map_err(|error| {
        StoreError::new(Kind::Lasting, format_args!("could not read /dev/urandom: {error}"))
    })?;
    member.extend(random);
    member.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    Ok(member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;
    use flate2::read::MultiGzDecoder;

    fn sent_as(rules: Rules) -> (Memory, Digest, Digest) {
        let memory = Memory::default();
        let backend: Arc<dyn Backend> = Arc::new(memory.clone());
        let mut uploads = Uploads::start(&backend, rules);
        let pack = nothing_in_particular().unwrap();
        let usual = sha256::digest(&pack);
        assert!(uploads.send([9; 32], pack));
        let sent = uploads.finish().unwrap();
        (memory, usual, sent.names[&[9; 32]])
    }

    #[test]
    fn a_pack_has_the_name_of_its_bytes() {
        let (memory, usual, name) = sent_as(Rules::default());
        assert_eq!(name, usual);
        assert_eq!(memory.names(), [layout::pack_name(&usual, Form::Plain)]);
    }

    #[test]
    fn a_name_that_nobody_can_vouch_for_is_not_used() {
        let (memory, usual, name) = sent_as(Rules { always_new: true, ..Rules::default() });
        assert_ne!(name, usual);
        let bytes = memory.get(&layout::pack_name(&name, Form::Plain), 0, 1000).unwrap();
        assert_eq!(sha256::digest(&bytes), name);
        let mut text = Vec::new();
        MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
        assert!(text.is_empty());
    }

    #[test]
    fn the_first_failure_ends_it() {
        let memory = Memory::default();
        memory.plan(0, crate::store::memory::Trouble::Dies);
        let backend: Arc<dyn Backend> = Arc::new(memory);
        let mut uploads = Uploads::start(&backend, Rules::default());
        let mut tries = 0;
        while uploads.send([tries; 32], vec![tries]) {
            tries += 1;
            assert!(usize::from(tries) <= AT_ONCE, "no thread is left");
        }
        assert_eq!(uploads.finish().unwrap_err().kind, Kind::Passing);
    }
}
