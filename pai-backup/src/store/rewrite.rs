//! Moving bytes to other packs, and rewriting the lists so that they name the new packs.
//!
//! The archives stay what they are, byte for byte. New packs are there before a list names them; `.packs` is written before
//! its list, so that a run that dies between the two leaves a pair that do not belong together, and `prune` stands still
//! until `verify` has mended it. Packs that no list names any more go as all others do: marked first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Instant;

use anyhow::{Context as _, bail};
use pai_common::sha256::{self, Digest};

use super::Store;
use super::backend::Kind;
use super::layout::{self, Form};
use super::list::List;
use super::needs::Needs;
use super::ranges::Ranges;
use super::runs::Runs;
use super::send::{self, Packer, Rules};
use crate::crypt::Recipients;

/// Bytes on their way into new packs.
#[derive(Debug)]
pub(super) struct Mover {
    packer: Packer,
    moved: Moved,
    began: Instant,
}

/// Where bytes of packs are now.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// By old pack and old offset: the number of bytes, the new pack, and the offset in it.
    places: HashMap<Digest, BTreeMap<u64, (u64, Digest, u64)>>,
}

/// The archives of a store, whatever their series, each with its list.
pub(super) fn all_lists(store: &Store) -> anyhow::Result<Vec<List>> {
    let objects = store.backend().list(layout::ARCHIVES)?;
    let mut lists = Vec::new();
    for (name, _) in objects.iter().filter_map(|object| layout::archive_of_list(&object.name)) {
        pai_common::signal::check()?;
        match store.list_of(name) {
            Ok((list, _)) => lists.push(list),
            // Forgotten a moment ago.
            Err(error) if super::kind_of(&error) == Some(Kind::Missing) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(lists)
}

/// What lists use of each pack.
pub(super) fn used(lists: &[List]) -> BTreeMap<Digest, Ranges> {
    let mut used: BTreeMap<Digest, Ranges> = BTreeMap::new();
    for (pack, run) in lists.iter().flat_map(|list| list.runs.iter()) {
        used.entry(*pack).or_default().add(run.offset..run.offset + run.length);
    }
    used
}

impl Mover {
    /// Lists the names that new packs must not have. The bytes to move belong to some of these lists.
    pub(super) fn begin(store: &Store, lists: &[List]) -> anyhow::Result<Self> {
        let began = Instant::now();
        let recipients = recipients_of(lists)?;
        let marks = store.backend().list(layout::DOOMED)?;
        let doomed = marks.iter().filter_map(|mark| layout::doomed_of(&mark.name)).collect();
        let packer = Packer::new(store.backend(), Rules { doomed, recipients, ..Rules::default() });
        Ok(Self { packer, moved: Moved::default(), began })
    }

    /// Moves bytes that were in `pack`, from `offset` on.
    pub(super) fn add(&mut self, pack: Digest, offset: u64, bytes: &[u8]) -> anyhow::Result<()> {
        let (new, at) = self.packer.append(bytes)?;
        self.moved.places.entry(pack).or_default().insert(offset, (bytes.len() as u64, new, at));
        Ok(())
    }

    /// Waits until the new packs are there, and names them in the lists. Says which archives have a new list.
    pub(super) fn finish<'a>(
        mut self,
        store: &Store,
        lists: impl IntoIterator<Item = &'a List>,
    ) -> anyhow::Result<Vec<String>> {
        let sent = self.packer.finish()?;
        for (_, pack, _) in self.moved.places.values_mut().flat_map(BTreeMap::values_mut) {
            *pack = sent.names.get(pack).copied().unwrap_or(*pack);
        }
        if self.began.elapsed() > send::LONGEST {
            bail!("it took longer than 12 hours, and the new packs may be gone: run it again");
        }
        let mut rewritten = Vec::new();
        for list in lists {
            pai_common::signal::check()?;
            if let Some(runs) = self.moved.runs(&list.runs, list.form)? {
                let packs = runs.packs();
                let heads = list.heads.iter().chain(&sent.heads).filter(|(pack, _)| packs.contains(*pack));
                let heads = heads.map(|(pack, head)| (*pack, *head)).collect();
                let anew = List { runs, heads, ..list.clone() };
                replace(store, &anew).with_context(|| format!("could not rewrite {}", list.archive))?;
                rewritten.push(list.archive.clone());
            }
        }
        Ok(rewritten)
    }
}

impl Moved {
    /// The list of an archive after the move; `None` if none of its bytes moved.
    fn runs(&self, old: &Runs, form: Form) -> anyhow::Result<Option<Runs>> {
        if old.packs().iter().all(|pack| !self.places.contains_key(pack)) {
            return Ok(None);
        }
        let mut runs = Runs::default();
        for (pack, run) in old.iter() {
            match self.places.get(pack) {
                None => runs.push(*pack, run.offset, run.length),
                Some(places) => relocate(places, run.offset..run.offset + run.length, &mut runs)
                    .with_context(|| {
                        format!("{} is used where it was not known to be", layout::pack_name(pack, form))
                    })?,
            }
        }
        Ok(Some(runs))
    }
}

fn relocate(
    places: &BTreeMap<u64, (u64, Digest, u64)>,
    range: Range<u64>,
    runs: &mut Runs,
) -> anyhow::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let place = places.range(..=at).next_back().filter(|(start, (length, ..))| at < *start + length);
        let (start, (length, pack, offset)) = place.context("bytes are missing")?;
        let end = range.end.min(start + length);
        runs.push(*pack, offset + (at - start), end - at);
        at = end;
    }
    Ok(())
}

/// Puts a list in the place of the one that was there.
fn replace(store: &Store, list: &List) -> anyhow::Result<()> {
    let backend = store.backend();
    let name = layout::list_name(&list.archive, list.form);
    let objects = backend.list(layout::ARCHIVES)?;
    if !objects.iter().any(|object| object.name == name) {
        // Somebody forgot it meanwhile.
        return Ok(());
    }
    let object = send::object_of(list, recipients_of(std::slice::from_ref(list))?.as_ref())?;
    let digest = sha256::digest(&object);
    // First: whoever remembers the old list must see that it is another one now.
    let mark = layout::rewritten_name(&list.archive, &digest);
    backend.put(&mark, b"")?;
    backend.put(&layout::needs_name(&list.archive), &Needs::of(list, &object).text())?;
    backend.put(&name, &object)?;
    for object in &objects {
        let of_this = layout::rewritten_of(&object.name).is_some_and(|(archive, _)| archive == list.archive);
        if of_this && object.name != mark {
            backend.delete(&object.name)?;
        }
    }
    Ok(())
}

/// Whom the packs of these archives are encrypted for, if they are. Archives for different people share packs only as far as
/// they may; what is put together anew must not show one of them what is for another.
fn recipients_of(lists: &[List]) -> anyhow::Result<Option<Recipients>> {
    let mut sealed = lists.iter().filter(|list| list.form == Form::Sealed);
    let Some(first) = sealed.next() else { return Ok(None) };
    if sealed.any(|list| list.recipients != first.recipients)
        || lists.iter().any(|list| list.form == Form::Plain)
    {
        bail!(
            "could not move anything: the archives of the store are not all encrypted for the same recipients"
        );
    }
    let texts: Vec<String> = first.recipients.iter().cloned().collect();
    Recipients::named(&texts, &[])
}

/// Packs that must stay as they are: of the newest archives that were sent by machines which may only write, and so cannot
/// see that anything has changed.
pub(super) fn fixed(lists: &[List]) -> BTreeSet<Digest> {
    let mut newest: BTreeMap<&str, &List> = BTreeMap::new();
    for list in lists {
        let entry = newest.entry(series_of(&list.archive)).or_insert(list);
        if entry.archive < list.archive {
            *entry = list;
        }
    }
    newest.values().filter(|list| list.blind).flat_map(|list| list.runs.packs()).collect()
}

/// An archive's name without the time in it: its series.
fn series_of(archive: &str) -> &str {
    archive.get(..archive.len().saturating_sub("-YYYYMMDD-HHMMSS".len())).unwrap_or(archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(archive: &str, blind: bool, pack: u8) -> List {
        let mut runs = Runs::default();
        runs.push([pack; 32], 0, 10);
        List { archive: archive.to_owned(), blind, runs, ..List::default() }
    }

    #[test]
    fn what_a_writer_that_sees_nothing_relies_on_is_fixed() {
        let lists = [
            list("a-20261101-020000", true, 1),
            list("a-20261102-020000", true, 2),
            list("b-20261102-020000", true, 3),
            list("b-20261103-020000", false, 4),
            list("x", true, 5),
        ];
        assert_eq!(fixed(&lists), [[2; 32], [5; 32]].into());
    }

    proptest! {
        #[test]
        fn an_archive_is_the_same_wherever_its_bytes_are(
            parts in proptest::collection::vec((0..2_u8, 0..60_u64, 1..30_u64), 1..12),
            cuts in proptest::collection::btree_set(1..90_u64, 0..6),
        ) {
            let mut runs = Runs::default();
            for (pack, offset, length) in parts {
                runs.push([pack; 32], offset, length);
            }
            // Pack 0 moves in pieces, the last one first, to pack 9.
            let mut starts: Vec<u64> = cuts.into_iter().collect();
            starts.insert(0, 0);
            let mut moved = Moved::default();
            let mut bytes = Vec::new();
            let mut end = 90;
            for &start in starts.iter().rev() {
                let place = (end - start, [9; 32], bytes.len() as u64);
                moved.places.entry([0; 32]).or_default().insert(start, place);
                bytes.extend(start..end);
                end = start;
            }
            let read = |runs: &Runs| -> Vec<(u8, u64)> {
                runs.iter().flat_map(|(pack, run)| (run.offset..run.offset + run.length).map(|at| match pack[0] {
                    9 => (0, bytes[at as usize]),
                    other => (other, at),
                })).collect()
            };
            let anew = moved.runs(&runs, Form::Plain).unwrap();
            prop_assert_eq!(anew.is_some(), runs.packs().contains(&[0; 32]));
            if let Some(anew) = anew {
                prop_assert!(!anew.packs().contains(&[0; 32]));
                prop_assert_eq!(read(&anew), read(&runs));
            }
        }
    }
}
