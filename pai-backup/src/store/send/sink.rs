//! An archive that is written into a store.

use std::io;

use pai_common::sha256::{self, Digest};

use super::Sender;
use super::packer::Packer;
use super::upload::Rules;
use crate::archive::index::{About, Totals};
use crate::archive::writer::{Origin, Sink};
use crate::create::shrink::Shrunk;
use crate::reuse::InStore;
use crate::store::list::List;
use crate::store::runs::Runs;
use crate::store::tail::NewTail;

/// Receives an archive front to back, and puts the bytes that the store does not have into packs.
#[derive(Debug)]
pub(crate) struct StoreSink {
    archive: String,
    runs: Runs,
    parent: Option<Runs>,
    pieces: std::collections::HashMap<Digest, (u64, u64)>,
    packer: Packer,
    /// Index members and footer.
    tail: NewTail,
    in_tail: bool,
}

impl StoreSink {
    /// A new archive of this name.
    pub(crate) fn new(sender: &Sender<'_>, archive: &str) -> Self {
        let rules = Rules {
            present: sender.present.difference(&sender.doomed).copied().collect(),
            doomed: sender.doomed.clone(),
            always_new: sender.there.is_none(),
            recipients: sender.recipients.clone(),
        };
        let pieces = sender.parent.iter().flat_map(|parent| &parent.pieces);
        let kept = pieces.filter(|(_, (offset, length))| sender.keeps(*offset, *length));
        Self {
            archive: archive.to_owned(),
            runs: Runs::default(),
            parent: sender.parent.as_ref().map(|parent| parent.known.list.runs.clone()),
            pieces: kept.map(|(&digest, &place)| (digest, place)).collect(),
            packer: Packer::new(sender.store.backend(), rules),
            tail: sender.store.cache().new_tail(archive),
            in_tail: false,
        }
    }

    /// Sends what is left, and makes it an archive. `digest` is that of all its bytes, if known; `about` is what it says of
    /// itself, and `totals` what it holds.
    pub(crate) fn finish(
        mut self,
        sender: &mut Sender<'_>,
        digest: Option<Digest>,
        about: &About,
        totals: Totals,
    ) -> anyhow::Result<Summary> {
        let sent = self.packer.finish()?;
        let size = self.runs.size();
        let (archive, runs) = (std::mem::take(&mut self.archive), std::mem::take(&mut self.runs));
        let (sizes, shrunk) = sender.judge(&archive, about, totals);
        let (added, heads, blind) = (sent.bytes, sent.heads, sender.there.is_none());
        let list = List { archive, runs, added, digest, blind, sizes, heads, ..List::default() };
        sender.conclude(list, &sent.names, self.tail)?;
        Ok(Summary { size, added: sent.bytes, shrunk })
    }
}

/// The figures of an archive that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Bytes of the archive.
    pub(crate) size: u64,
    /// Bytes of packs that were sent for it.
    pub(crate) added: u64,
    /// Whether it is suspiciously small.
    pub(crate) shrunk: Option<Shrunk>,
}

impl Sink for StoreSink {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (pack, offset) = self.packer.append(bytes)?;
        self.runs.push(pack, offset, bytes.len() as u64);
        if self.in_tail {
            self.tail.append(bytes);
        }
        Ok(())
    }

    fn append_piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.in_tail = true;
        match self.pieces.get(&sha256::digest(bytes)).copied() {
            None => self.append(bytes),
            Some((offset, length)) => {
                self.tail.append(bytes);
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
