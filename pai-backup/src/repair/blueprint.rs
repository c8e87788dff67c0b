//! What a damaged archive was.

use std::collections::HashMap;

use super::donors::Donors;
use super::rebuild;
use super::survey::Survey;
use crate::Context;
use crate::archive::index::{About, Deflated, Group, Index};
use crate::archive::open::{Archive, parse_index};
use pai_common::sha256::Digest;

/// What it was made of.
#[derive(Debug)]
pub(super) struct Blueprint {
    /// What it said of itself.
    pub(super) about: About,
    /// Its groups, in order, each with the place of its first member; the last, which has no entries, is the end of the
    /// tar stream, if that is known.
    pub(super) groups: Vec<(u64, Group)>,
    /// Index and footer as they were made, if they are known.
    pub(super) tail: Option<Vec<u8>>,
    /// Where whole members are, should they not be in their place.
    pub(super) elsewhere: HashMap<Digest, u64>,
    /// What is known to be lost and has no name: said in words.
    pub(super) unknown: Vec<String>,
}

impl Blueprint {
    /// By its index, by that of the same archive in the store, by the parts of its index, or by what else is left.
    pub(super) fn of(archive: &Archive, donors: &Donors, run: &Context<'_>) -> anyhow::Result<Self> {
        let file = archive.file();
        if let Ok(index) = archive.index() {
            return Self::of_index(index, file.tail(index.data_size()).ok(), HashMap::new());
        }
        let survey = Survey::of(file)?;
        let elsewhere = survey.members.iter().rev().map(|whole| (whole.info.digest, whole.offset)).collect();
        if let Some(twin) = donors.twin()
            && let Ok(index) = twin.index()
            && is_twin(index, &survey)?
        {
            run.console.note("its index is taken from the store, where it is whole");
            return Self::of_index(index, twin.file().tail(index.data_size()).ok(), elsewhere);
        }
        if let Some((index, start)) = joined(&survey) {
            return Self::of_index(&index, file.tail(start).ok(), elsewhere);
        }
        rebuild::rebuild(file, &survey, donors, run)
    }

    /// Whether it has no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.iter().all(|(_, group)| group.records.is_empty())
    }

    fn of_index(
        index: &Index,
        tail: Option<Vec<u8>>,
        elsewhere: HashMap<Digest, u64>,
    ) -> anyhow::Result<Self> {
        let groups = index.groups().collect::<Result<Vec<_>, _>>()?;
        Ok(Self { about: index.about().clone(), groups, tail, elsewhere, unknown: Vec::new() })
    }
}

/// Whether an archive of the same name is the same: every member that is whole has its place there, too.
fn is_twin(index: &Index, survey: &Survey) -> anyhow::Result<bool> {
    let mut places = HashMap::new();
    for place in index.members()? {
        let mut offset = place.offset;
        for info in place.members {
            places.insert(offset, info);
            offset += u64::from(info.size);
        }
    }
    let same = survey.members.iter().filter(|whole| places.get(&whole.offset) == Some(&whole.info)).count();
    Ok(same > 0 && same == survey.members.len())
}

/// The index that all its parts make, if the footer's digest says that they do; and where it begins.
fn joined(survey: &Survey) -> Option<(Index, u64)> {
    let footer = survey.footer?;
    let mut deflated = Deflated::default();
    let mut end = None;
    for part in &survey.parts {
        if end.is_some_and(|end| end != part.offset) {
            return None;
        }
        end = Some(part.offset + part.size);
        deflated.push(&part.carries);
    }
    Some((parse_index(deflated, &footer).ok()?, survey.parts.first()?.offset))
}
