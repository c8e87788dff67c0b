//! `prune --repack`: packs of which archives use less than half are written anew without the rest.

use std::collections::BTreeMap;

use pai_common::sha256::Digest;

use super::Store;
use super::backend::Object;
use super::layout::{self, Form};
use super::list::List;
use super::ranges::Ranges;
use super::rewrite::{self, Mover};
use super::stored::fetch_whole;

/// What is to be written anew.
#[derive(Debug, Default)]
pub(super) struct Plan {
    lists: Vec<List>,
    /// Packs with their sizes in the store, and the ranges that archives use.
    pub(super) packs: BTreeMap<Digest, (Object, Ranges)>,
}

impl Plan {
    /// Lists what is in the store and plans what to rewrite.
    pub(super) fn make(store: &Store) -> anyhow::Result<Self> {
        let objects = store.backend().list(layout::PACKS)?;
        let lists = rewrite::all_lists(store)?;
        let (mut used, fixed) = (rewrite::used(&lists), rewrite::fixed(&lists));
        let mut packs = BTreeMap::new();
        for object in objects {
            if let Some((pack, _)) = layout::pack_of(&object.name)
                && let Some(ranges) = used.remove(&pack)
                && ranges.total() < object.size.div_ceil(2)
                && !fixed.contains(&pack)
            {
                packs.insert(pack, (object, ranges));
            }
        }
        Ok(Self { lists, packs })
    }

    /// Carries the plan out. The old packs are then marked and deleted like all packs that no archive needs.
    pub(super) fn apply(&self, store: &Store) -> anyhow::Result<Vec<String>> {
        if self.packs.is_empty() {
            return Ok(Vec::new());
        }
        let mut mover = Mover::begin(store, &self.lists)?;
        for (pack, (object, ranges)) in &self.packs {
            pai_common::signal::check()?;
            let form = Form::of(&object.name).0;
            let bytes = fetch_whole(&**store.backend(), pack, form, store.keys())?;
            for range in ranges.iter() {
                let part = bytes.get(range.start as usize..range.end as usize);
                let part = part.ok_or_else(|| anyhow::anyhow!("{} is cut short", object.name))?;
                mover.add(*pack, range.start, part)?;
            }
        }
        mover.finish(store, &self.lists)
    }
}
