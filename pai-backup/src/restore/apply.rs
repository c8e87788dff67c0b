//! Carrying out a restore: what the plan wants of an archive, group by group on all cores or front to back.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pai_common::progress::Progress;

use crate::Context;
use crate::archive::index::{Group, GroupPlace, Index, Record};
use crate::archive::member::Opener;
use crate::archive::open::Archive;
use crate::archive::reader::{TarEntry, TarError, TarReader};
use crate::archive::stream::TarBytes;
use crate::contents;
use crate::pipeline;
use crate::restore::place::{Applier, LastFolder};
use crate::restore::plan::{Plan, Verdict};
use crate::restore::safe::{safe_path, safe_place};
use crate::restore::select::Selector;

/// Restores what the plan says from an archive file.
pub(super) fn apply(
    archive: &Archive,
    plan: &Plan,
    applier: &Applier<'_>,
    run: &Context<'_>,
) -> anyhow::Result<()> {
    applier.may_link_to(plan.left_links());
    if archive.index().is_ok() {
        apply_indexed(archive, plan, applier, run)?;
    } else {
        let mut reader = contents::scan(archive, run.threads())?;
        let wants = |path: &Path| target_of(plan, path);
        match apply_scanned(&mut reader, wants, applier) {
            Err(error) if plan.broken().is_none() => {
                return Err(error).with_context(|| {
                    format!("could not read {} to its end", super::name_of(archive).display())
                });
            }
            // It ends where the plan has found it to end, and that has been said; but not inside which file.
            Err(error) => {
                pai_common::signal::check()?;
                if !error.is::<TarError>() {
                    applier.console.complain(format_args!("{error:#}"));
                }
            }
            Ok(()) => {}
        }
    }
    applier.finish();
    Ok(())
}

/// Restores what is selected from a tar stream that is seen only once.
pub(super) fn apply_stream(
    reader: &mut TarReader<TarBytes>,
    selector: &Selector,
    applier: &Applier<'_>,
    run: &Context<'_>,
) -> anyhow::Result<()> {
    let mut hits = std::collections::HashSet::new();
    let mut seen = std::collections::HashSet::new();
    let outcome = apply_scanned(
        reader,
        |path| {
            if !selector.wants(path, &mut hits) {
                return None;
            }
            if !seen.insert(path.to_owned()) {
                run.console
                    .complain(format_args!("refused {}: the archive has this name twice", path.display()));
                return None;
            }
            Some(path.to_owned())
        },
        applier,
    );
    applier.finish();
    outcome?;
    for pattern in selector.missing(&hits) {
        run.console.complain(format_args!("could not find {pattern} in the archive from stdin"));
    }
    Ok(())
}

/// The path that an entry is written to: its own, that of a hard link it stands in for, or none.
fn target_of(plan: &Plan, path: &Path) -> Option<PathBuf> {
    match plan.verdict(path) {
        Some(Verdict::Write | Verdict::Replace) => Some(path.to_owned()),
        Some(_) => None,
        None => plan.stand_in(path).cloned(),
    }
}

fn apply_scanned(
    reader: &mut TarReader<TarBytes>,
    mut wants: impl FnMut(&Path) -> Option<PathBuf>,
    applier: &Applier<'_>,
) -> anyhow::Result<()> {
    let mut last = LastFolder::default();
    while let Some(found) = reader.next_entry()? {
        pai_common::signal::check()?;
        let path = match safe_place(&found.entry) {
            Ok(None) => continue,
            Ok(Some(path)) => path,
            Err(why) => {
                applier.refuse(&found.entry.path, why);
                continue;
            }
        };
        let Some(target) = wants(&path) else { continue };
        applier.place(&found, &path, &target, &mut reader.data(), &mut last)?;
    }
    Ok(())
}

/// Bytes of an archive that one thread restores at a time. Files that follow each other mostly go to one folder, where two threads
/// would wait for each other.
const BATCH: u64 = 128 << 10;

/// Chunks that follow each other, some [`BATCH`] of them.
fn batches(places: Vec<GroupPlace>) -> impl Iterator<Item = Vec<GroupPlace>> {
    let mut places = places.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut batch = Vec::new();
        let end = places.peek()?.offset + BATCH;
        while let Some(place) = places.next_if(|place| batch.is_empty() || place.offset < end) {
            batch.push(place);
        }
        Some(batch)
    })
}

/// The chunk at `place` with those of its entries that the plan wants.
fn wanted_of(index: &Index, place: &GroupPlace, plan: &Plan) -> anyhow::Result<Group> {
    let mut group = index.group_at(place.at)?;
    group
        .records
        .retain(|record| safe_path(&record.entry.path).is_ok_and(|path| target_of(plan, &path).is_some()));
    Ok(group)
}

fn apply_indexed(
    archive: &Archive,
    plan: &Plan,
    applier: &Applier<'_>,
    run: &Context<'_>,
) -> anyhow::Result<()> {
    let index = archive.index().map_err(Clone::clone)?;
    let progress = Progress::bytes(run.console, "restoring", Some(index.totals().bytes));
    pipeline::ordered(
        run.threads(),
        |submit| {
            let places = index.members_of(|number| plan.needs_group(number))?;
            // After a signal nobody takes batches any more, and the run fails at the other end of the pipeline.
            let _ = batches(places).try_for_each(|batch| submit.submit(batch));
            Ok(())
        },
        || (Opener::default(), LastFolder::default()),
        |(opener, last), batch: Vec<GroupPlace>| {
            let restore = |place: &GroupPlace| {
                let group = wanted_of(index, place, plan)?;
                if group.records.is_empty() {
                    return Ok(());
                }
                let sizes = group.records.iter().map(|record| record.entry.size);
                let outcome = apply_group(archive, plan, applier, (place.offset, &group), opener, last);
                progress.add(sizes.fold(0, u64::saturating_add));
                outcome
            };
            batch.iter().map(restore).filter_map(Result::err).collect::<Vec<_>>()
        },
        |errors| {
            pai_common::signal::check()?;
            // One damaged member costs its own entries; the others are still worth having.
            for error in errors {
                run.console.complain(format_args!("{error:#}"));
            }
            Ok(())
        },
    )
}

fn apply_group(
    archive: &Archive,
    plan: &Plan,
    applier: &Applier<'_>,
    (offset, group): (u64, &Group),
    opener: &mut Opener,
    last: &mut LastFolder,
) -> anyhow::Result<()> {
    if let [info] = group.members[..] {
        let payload = contents::open_member(archive.file(), offset, &info, opener)
            .with_context(|| lost(&group.records))?;
        for record in &group.records {
            let mut reader = TarReader::new(payload.get(record.offset as usize..).unwrap_or_default());
            let found = match reader.next_entry() {
                Ok(found) => found.context("the index names an entry that is not there")?,
                Err(error) => {
                    applier.refuse(&record.entry.path, &error.to_string());
                    continue;
                }
            };
            place_record(&found, record, plan, applier, &mut reader.data(), last)?;
        }
        return Ok(());
    }
    for record in &group.records {
        let (found, mut reader) = contents::open_entry(archive.file(), offset, group, record)
            .with_context(|| lost(std::slice::from_ref(record)))?;
        place_record(&found, record, plan, applier, &mut reader.data(), last)?;
    }
    Ok(())
}

fn lost(records: &[Record]) -> String {
    let first = records.first().map(|record| record.entry.path.display().to_string()).unwrap_or_default();
    match records.len() {
        1 => format!("could not restore {first}"),
        count => format!("could not restore {first} and {} more", count - 1),
    }
}

fn place_record(
    found: &TarEntry,
    record: &Record,
    plan: &Plan,
    applier: &Applier<'_>,
    data: &mut impl Read,
    last: &mut LastFolder,
) -> anyhow::Result<()> {
    if found.entry != record.entry {
        applier.refuse(&record.entry.path, "the index disagrees with the tar header");
        return Ok(());
    }
    let Ok(path) = safe_path(&found.entry.path) else { return Ok(()) };
    match target_of(plan, &path) {
        Some(target) => applier.place(found, &path, &target, data, last),
        None => Ok(()),
    }
}
