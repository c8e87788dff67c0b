//! An archive that is written into a store.

use std::io;

use pai_common::sha256::{self, Digest};

use super::Sender;
use super::upload::{Rules, Uploads};
use crate::archive::writer::{Origin, Sink};
use crate::reuse::InStore;
use crate::store::list::List;
use crate::store::runs::Runs;

/// A pack is closed before it grows beyond this.
const PACK: usize = 16 << 20;

/// Takes an archive front to back; what is new of it goes into packs.
#[derive(Debug)]
pub(crate) struct StoreSink {
    archive: String,
    runs: Runs,
    parent: Option<Runs>,
    pieces: std::collections::HashMap<Digest, (u64, u64)>,
    /// The pack that is being filled. Until its name is known it goes by a number.
    pack: Vec<u8>,
    number: u64,
    uploads: Uploads,
    /// Index members and footer.
    tail: Vec<u8>,
    in_tail: bool,
}

impl StoreSink {
    /// A new archive of this name.
    pub(crate) fn new(sender: &Sender<'_>, archive: &str) -> Self {
        let rules = Rules {
            present: sender.present.difference(&sender.doomed).copied().collect(),
            doomed: sender.doomed.clone(),
            always_new: sender.there.is_none(),
        };
        let pieces = sender.parent.iter().flat_map(|parent| &parent.pieces);
        let kept = pieces.filter(|(_, (offset, length))| sender.keeps(*offset, *length));
        Self {
            archive: archive.to_owned(),
            runs: Runs::default(),
            parent: sender.parent.as_ref().map(|parent| parent.known.list.runs.clone()),
            pieces: kept.map(|(&digest, &place)| (digest, place)).collect(),
            pack: Vec::new(),
            number: 0,
            uploads: Uploads::start(sender.store.backend(), rules),
            tail: Vec::new(),
            in_tail: false,
        }
    }

    /// Sends what is left, and makes it an archive. `digest` is that of all its bytes, if known.
    pub(crate) fn finish(
        mut self,
        sender: &mut Sender<'_>,
        digest: Option<Digest>,
    ) -> anyhow::Result<Summary> {
        // If that fails, the threads know better why.
        let _ = self.close_pack();
        let sent = self.uploads.finish()?;
        let size = self.runs.size();
        let (archive, runs) = (std::mem::take(&mut self.archive), std::mem::take(&mut self.runs));
        let list = List { archive, runs, added: sent.bytes, digest };
        sender.conclude(list, &sent.names, std::mem::take(&mut self.tail))?;
        Ok(Summary { size, added: sent.bytes })
    }

    /// A name for the pack being filled that no pack has.
    fn placeholder(&self) -> Digest {
        let mut name = [0xff; 32];
        name[..8].copy_from_slice(&self.number.to_be_bytes());
        name
    }

    fn close_pack(&mut self) -> io::Result<()> {
        if self.pack.is_empty() {
            return Ok(());
        }
        let name = self.placeholder();
        self.number += 1;
        let pack = std::mem::take(&mut self.pack);
        if self.uploads.send(name, pack) { Ok(()) } else { Err(self.failure()) }
    }

    fn failure(&mut self) -> io::Error {
        match self.uploads.finish() {
            Err(error) => io::Error::other(error),
            Ok(_) => io::Error::other("the store takes no more packs"),
        }
    }
}

/// What an archive came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Bytes of the archive.
    pub(crate) size: u64,
    /// Bytes of packs that were sent for it.
    pub(crate) added: u64,
}

impl Sink for StoreSink {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.pack.len() + bytes.len() > PACK {
            self.close_pack()?;
        }
        self.runs.push(self.placeholder(), self.pack.len() as u64, bytes.len() as u64);
        self.pack.extend_from_slice(bytes);
        if self.in_tail {
            self.tail.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn append_piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.in_tail = true;
        match self.pieces.get(&sha256::digest(bytes)).copied() {
            None => self.append(bytes),
            Some((offset, length)) => {
                self.tail.extend_from_slice(bytes);
                self.take_over(Origin::Parent, offset, length)
            }
        }
    }

    fn take_over(&mut self, origin: Origin, offset: u64, length: u64) -> io::Result<()> {
        let source = match origin {
            Origin::Parent => self.parent.as_ref().ok_or(io::ErrorKind::Unsupported)?,
            Origin::Own => &self.runs,
        };
        let slices: Vec<_> = source.slices(offset..offset + length).collect();
        if slices.iter().map(|(_, _, length)| length).sum::<u64>() != length {
            return Err(io::Error::other("a member that is to be taken over is not there"));
        }
        for (pack, offset, length) in slices {
            self.runs.push(pack, offset, length);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for StoreSink {
    fn drop(&mut self) {
        // Threads that wait for more are told that no more comes.
        let _ = self.uploads.finish();
    }
}
