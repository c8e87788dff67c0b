//! The archive that the next one takes members over from: the newest of the series that can be read, and relied on.

use std::collections::HashMap;

use pai_common::console::Console;
use pai_common::sha256::{self, Digest};

use super::Sender;
use crate::archive::open::pieces_of_tail;
use crate::crypt::Recipients;
use crate::store::backend::Kind;
use crate::store::cache::Remembered;
use crate::store::layout::Form;
use crate::store::{kind_of, layout, readme};

const NOTHING_KNOWN: &str =
    "this machine remembers nothing of the store, and may not read it: everything is sent";
const NO_IDENTITY: &str = "this machine remembers nothing of the store, and has no identity to read it: everything is sent once more";

/// The archive that members are taken over from.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) known: Remembered,
    /// Where each piece of its index is, by the SHA-256 of the piece.
    pub(super) pieces: HashMap<Digest, (u64, u64)>,
}

impl Parent {
    /// If its index cannot be read, nothing can be taken over from it.
    pub(super) fn new(known: Remembered) -> Self {
        let mut offset = known.tail_start();
        let mut pieces = HashMap::new();
        for piece in pieces_of_tail(&known.tail.read().unwrap_or_default()) {
            pieces.insert(sha256::digest(piece), (offset, piece.len() as u64));
            offset += piece.len() as u64;
        }
        Self { known, pieces }
    }
}

impl Sender<'_> {
    /// Whether the packs of an archive can be part of the next one: all who are to read that can read them.
    fn can_take_over(&self, known: &Remembered) -> bool {
        let readers = &known.list.recipients;
        let to = self.recipients.iter().flat_map(Recipients::texts);
        known.list.form == self.form() && to.into_iter().all(|recipient| readers.contains(recipient))
    }

    /// Uses an archive as the parent, if all packs of it may be taken over.
    fn adopt(&self, known: Remembered, console: &Console) -> Option<Parent> {
        if self.can_take_over(&known) {
            return Some(Parent::new(known));
        }
        console.warn("the last archive is encrypted for others: everything is sent once more");
        None
    }

    /// Complains if the store seems to have been set back to an earlier state.
    pub(super) fn tell_if_set_back(&self, lists: &[(String, u64)], console: &Console) {
        let there = lists.iter().map(|(archive, _)| archive);
        if let Some(why) = self.store.set_back(self.series, there) {
            console.complain(why);
        }
    }

    /// The credentials may only write: what is remembered is all there is to go by.
    pub(super) fn begin_blind(&mut self, console: &Console) -> anyhow::Result<()> {
        let newest = self.series.newest(self.store.cache().archives().iter().map(String::as_str));
        let known = newest.and_then(|archive| self.store.cache().recall(&archive));
        let known = known.filter(|known| known.list.form == self.form());
        if known.is_none() {
            self.store.backend().put(layout::README, readme::text(self.form()).as_bytes())?;
            console.warn(NOTHING_KNOWN);
        }
        self.parent = known.and_then(|known| self.adopt(known, console));
        Ok(())
    }

    /// The newest archive of the series that can be read.
    pub(super) fn find_parent(
        &self,
        lists: &[(String, u64)],
        console: &Console,
    ) -> anyhow::Result<Option<Parent>> {
        let mut names: Vec<&str> = lists.iter().map(|(archive, _)| archive.as_str()).collect();
        while let Some(newest) = self.series.newest(names.iter().copied()) {
            names.retain(|name| *name != newest);
            let size = lists.iter().find(|(archive, _)| *archive == newest).map_or(0, |(_, size)| *size);
            match self.store.cache().recall(&newest) {
                Some(known)
                    if known.list_size == size
                        && known.list.form == self.form()
                        && self.is_current(&newest, &known) =>
                {
                    return Ok(self.adopt(known, console));
                }
                // What disagrees with the store is of no use.
                Some(_) => self.store.cache().forget(&newest),
                None => {}
            }
            if self.form() == Form::Sealed && !self.store.keys().are_named() {
                console.warn(NO_IDENTITY);
                return Ok(None);
            }
            match self.fetch_known(&newest) {
                Ok(Some(known)) => return Ok(self.adopt(known, console)),
                Ok(None) => {}
                Err(error) => match kind_of(&error) {
                    Some(Kind::Denied) => {
                        console.warn(NOTHING_KNOWN);
                        return Ok(None);
                    }
                    Some(Kind::Passing) => return Err(error),
                    _ => console.warn(format_args!("passing over {newest}: {error:#}")),
                },
            }
        }
        Ok(None)
    }

    /// Whether the list that is remembered is the one that is there, as far as marks tell.
    fn is_current(&self, archive: &str, known: &Remembered) -> bool {
        let digest = sha256::to_hex(&known.list_digest);
        let mut marks = self.rewritten.iter().filter(|(other, _)| other == archive);
        marks.all(|(_, start)| digest.starts_with(start))
    }

    /// `None` for one that was found suspiciously small: what comes back must not be sent anew because it was away once.
    fn fetch_known(&self, archive: &str) -> anyhow::Result<Option<Remembered>> {
        let (list, bytes) = self.store.list_of(archive)?;
        if list.sizes.shrunk {
            return Ok(None);
        }
        let opened = self.store.open_list(&list)?;
        let start = opened.index().map_err(Clone::clone)?.data_size();
        let mut tail = self.store.cache().new_tail(archive);
        tail.append(&opened.file().tail(start)?);
        self.store.cache().remember(list, &bytes, tail, &[]).map(Some)
    }
}
