//! Which members of the damaged archive are still whole, by the CRC-32 that the index has of each member's bytes.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use pai_common::progress::Progress;
use pai_common::sha256::Digest;

use super::blueprint::Blueprint;
use crate::Context;
use crate::archive::index::Index;
use crate::archive::member::{MemberError, MemberInfo, Opener};
use crate::archive::open::{Archive, ArchiveFile};
use crate::pipeline::{self, Stopped};
use crate::verify::ours;

/// Bytes of members that one thread looks at in one go.
const STRETCH: u64 = 4 << 20;

/// A member, and its offset in the archive.
pub(super) type Place = (u64, MemberInfo);

/// An archive whose index is whole, and some of whose members are not.
#[derive(Debug)]
pub(super) struct Glance {
    pub(super) archive: Archive,
    /// For each member of the index, in order, whether it is whole.
    pub(super) whole: Vec<bool>,
    /// What is wrong with the first damaged member.
    pub(super) why: anyhow::Error,
}

impl Glance {
    /// Checks the CRC-32 of every member, and inflates none. `None` if the index cannot be read or no member is found damaged: then
    /// only a whole `verify` can tell.
    pub(super) fn at(archive: Archive, run: &Context<'_>) -> anyhow::Result<Option<Self>> {
        let Some(places) = archive.index().ok().and_then(|index| places(index).ok()) else { return Ok(None) };
        let whole = are_whole(archive.file(), &places, run)?;
        let Some(first) = whole.iter().position(|whole| !whole) else { return Ok(None) };
        let why = why_not_whole(archive.file(), places[first]).context(format!("member {first}"));
        Ok(Some(Self { archive, whole, why }))
    }
}

/// The members of an index, in order.
pub(super) fn places(index: &Index) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::with_capacity(index.member_count() as usize);
    for group in index.members()? {
        let mut offset = group.offset;
        for info in group.members {
            places.push((offset, info));
            offset += u64::from(info.size);
        }
    }
    Ok(places)
}

/// What is wrong with each of these members by its CRC-32; `None` for one that is whole. All cores check.
pub(super) fn damage(
    file: &ArchiveFile,
    places: &[Place],
    run: &Context<'_>,
) -> anyhow::Result<Vec<Option<anyhow::Error>>> {
    let progress = Progress::bytes(run.console, "checking", Some(file.size()));
    let mut all = Vec::with_capacity(places.len());
    pipeline::ordered(
        run.threads(),
        |submit| {
            let mut rest = places;
            while let Some((first, _)) = rest.first() {
                let count = rest.partition_point(|(offset, _)| *offset < first + STRETCH);
                let (stretch, behind) = rest.split_at(count);
                if submit.submit(stretch) == Err(Stopped) {
                    break;
                }
                rest = behind;
            }
            Ok::<(), anyhow::Error>(())
        },
        Vec::new,
        |bytes: &mut Vec<u8>, stretch: &[Place]| -> Vec<Option<anyhow::Error>> {
            stretch.iter().map(|place| damage_of(file, place, bytes)).collect()
        },
        |found| {
            pai_common::signal::check()?;
            progress.add(STRETCH);
            all.extend(found);
            Ok(())
        },
    )?;
    Ok(all)
}

/// Which of these members are whole.
fn are_whole(file: &ArchiveFile, places: &[Place], run: &Context<'_>) -> anyhow::Result<Vec<bool>> {
    Ok(damage(file, places, run)?.iter().map(Option::is_none).collect())
}

/// Why the bytes of a member are not those that the index knows. `bytes` is a buffer for them that may have been used before.
fn damage_of(file: &ArchiveFile, (offset, info): &Place, bytes: &mut Vec<u8>) -> Option<anyhow::Error> {
    let read = file.members(*offset, std::iter::once(info), std::mem::take(bytes));
    read.map(|read| *bytes = read).err()
}

/// The error that `verify` gives for a damaged member.
fn why_not_whole(file: &ArchiveFile, (offset, info): Place) -> anyhow::Error {
    let read = file.bytes_at(offset, info.size as usize).context("could not read it");
    match read.map(|bytes| ours::open(&mut Opener::default(), &bytes)) {
        Err(error) => error,
        Ok(Err(error)) => error.into(),
        Ok(Ok(_)) => MemberError::Crc.into(),
    }
}

/// Where the damaged archive itself still has the members it needs.
#[derive(Debug)]
pub(super) struct Own {
    /// For each member of the blueprint, where its bytes are, if they are whole.
    pub(super) places: Vec<Option<u64>>,
    /// SHA-256 of the payloads of members that must come from elsewhere.
    pub(super) damaged: HashSet<Digest>,
}

impl Own {
    /// `whole` tells for each member whether it is whole, if that is known already.
    pub(super) fn of(
        file: &ArchiveFile,
        blueprint: &Blueprint,
        whole: Option<Vec<bool>>,
        run: &Context<'_>,
    ) -> anyhow::Result<Self> {
        let mut places = Vec::new();
        for (start, group) in &blueprint.groups {
            let mut offset = *start;
            for info in &group.members {
                places.push((offset, *info));
                offset += u64::from(info.size);
            }
        }
        let whole = match whole.filter(|whole| whole.len() == places.len()) {
            Some(whole) => whole,
            None => are_whole(file, &places, run)?,
        };
        // Equal members lie in several places: one that is whole stands for all.
        let mut seen: HashMap<Digest, u64> = blueprint.elsewhere.clone();
        let good = places.iter().zip(&whole).filter(|(_, whole)| **whole);
        seen.extend(good.map(|((offset, info), _)| (info.digest, *offset)));
        let mut own = Self { places: Vec::with_capacity(places.len()), damaged: HashSet::new() };
        for ((offset, info), whole) in places.iter().zip(whole) {
            let other = || seen.get(&info.digest).copied().filter(|&at| file.member(at, info).is_ok());
            let place = if whole { Some(*offset) } else { other() };
            if place.is_none() {
                own.damaged.insert(info.digest);
            }
            own.places.push(place);
        }
        Ok(own)
    }
}
