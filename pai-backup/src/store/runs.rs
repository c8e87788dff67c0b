//! What an archive in a store is made of: runs of bytes in packs, in order.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use pai_common::sha256::Digest;

/// Bytes of one pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Number of the pack in [`Runs::packs`].
    pub(crate) pack: usize,
    /// Where in the pack they begin.
    pub(crate) offset: u64,
    /// Number of bytes.
    pub(crate) length: u64,
}

/// The runs that are an archive, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    packs: Vec<Digest>,
    numbers: HashMap<Digest, usize>,
    parts: Vec<Run>,
    /// Where in the archive each run begins.
    starts: Vec<u64>,
    size: u64,
}

impl Runs {
    /// Appends bytes of a pack. Neighbours become one run.
    pub(crate) fn push(&mut self, pack: Digest, offset: u64, length: u64) {
        if length == 0 {
            return;
        }
        let number = *self.numbers.entry(pack).or_insert_with(|| {
            self.packs.push(pack);
            self.packs.len() - 1
        });
        match self.parts.last_mut() {
            Some(last) if last.pack == number && last.offset + last.length == offset => last.length += length,
            _ => {
                self.parts.push(Run { pack: number, offset, length });
                self.starts.push(self.size);
            }
        }
        self.size += length;
    }

    /// Length of the archive.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// All runs, with the pack of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Digest, Run)> {
        self.parts.iter().map(|&run| (&self.packs[run.pack], run))
    }

    /// The packs, each once, in the order of their digests.
    pub(crate) fn packs(&self) -> BTreeSet<Digest> {
        self.packs.iter().copied().collect()
    }

    /// The packs, each once, in the order in which the archive needs them first.
    pub(crate) fn in_order(&self) -> Vec<Digest> {
        self.packs.clone()
    }

    /// The bytes of the archive from `range.start` to `range.end`, which must lie inside it, as they lie in packs.
    pub(crate) fn slices(&self, range: Range<u64>) -> impl Iterator<Item = (Digest, u64, u64)> + '_ {
        let first = self.starts.partition_point(|&start| start <= range.start).saturating_sub(1);
        self.parts[first..].iter().zip(&self.starts[first..]).map_while(move |(run, &start)| {
            let from = range.start.max(start);
            let to = range.end.min(start + run.length);
            (from < to).then(|| (self.packs[run.pack], run.offset + (from - start), to - from))
        })
    }

    /// Gives packs their names: those that were used under another until now.
    pub(crate) fn rename(&self, names: &HashMap<Digest, Digest>) -> Self {
        let mut renamed = Self::default();
        for (pack, run) in self.iter() {
            renamed.push(names.get(pack).copied().unwrap_or(*pack), run.offset, run.length);
        }
        renamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_are_one_run() {
        let mut runs = Runs::default();
        for (pack, offset, length) in [(1, 0, 10), (1, 10, 5), (2, 0, 7), (1, 15, 1), (1, 17, 1), (1, 18, 0)]
        {
            runs.push([pack; 32], offset, length);
        }
        let found: Vec<_> = runs.iter().map(|(pack, run)| (pack[0], run.offset, run.length)).collect();
        assert_eq!(found, [(1, 0, 15), (2, 0, 7), (1, 15, 1), (1, 17, 1)]);
        assert_eq!((runs.size(), runs.packs().len()), (24, 2));
    }

    proptest! {
        #[test]
        fn any_part_of_an_archive_is_found_in_its_packs(
            pieces in proptest::collection::vec((0..4_u8, 0..50_u64, 1..20_u64), 1..30),
            cut in (0.0..1.0_f64, 0.0..1.0_f64),
        ) {
            let packs: Vec<Vec<u8>> = (0..4_u8).map(|pack| (0..80).map(|at| pack * 60 + at % 60).collect()).collect();
            let bytes_of = |pack: u8, offset: u64, length: u64| {
                packs[usize::from(pack)][offset as usize..(offset + length) as usize].to_vec()
            };
            let mut runs = Runs::default();
            let mut whole = Vec::new();
            for (pack, offset, length) in pieces {
                runs.push([pack; 32], offset, length);
                whole.extend(bytes_of(pack, offset, length));
            }
            prop_assert_eq!(runs.size(), whole.len() as u64);
            let at = |share: f64| (share * whole.len() as f64) as u64;
            let range = at(cut.0.min(cut.1))..at(cut.0.max(cut.1));
            let found: Vec<u8> = runs
                .slices(range.clone())
                .flat_map(|(pack, offset, length)| bytes_of(pack[0], offset, length))
                .collect();
            prop_assert_eq!(found, &whole[range.start as usize..range.end as usize]);
        }
    }
}
