//! `prune`: packs that no archive needs, marked first and deleted a day later.
//!
//! No lock is taken, so none can go stale. What makes that safe: a writer takes over nothing that is marked, and ends
//! within half a day; a pack is deleted no sooner than a day after it was marked, if no archive needs it then.

mod plan;

use std::collections::BTreeMap;

use pai_common::clock::Timestamp;
use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::sha256;
use pai_common::units::human_size;

use self::plan::{Claim, Plan, Seen};
use super::backend::{Kind, Object};
use super::needs::Needs;
use super::{LONGEST, Store, layout, repack};
use crate::Context;
use crate::cli::Prune;

/// The name of an object that is written only to read the store's clock from it.
const CLOCK: &str = "doomed/clock";

/// Runs `prune`.
pub(crate) fn run(args: &Prune, run: &Context<'_>) -> anyhow::Result<Exit> {
    let store = run.store()?;
    let given = run.now_given.then(|| run.clock.now());
    let now = if args.dry_run { Some(given.unwrap_or_else(|| run.clock.now())) } else { given };
    let mut out = Output::stdout(false);
    if args.repack {
        repack(&store, args.dry_run, &mut out)?;
    }
    let (plan, there) = make(&store, now)?;
    for problem in &plan.problems {
        run.console.complain(problem);
    }
    if !plan.problems.is_empty() {
        run.console.warn("nothing is marked or deleted while it is not certain what is needed: pai-backup verify --store writes it anew");
    }
    let size = |pack| there.get(pack).map_or(0, |object| object.size);
    for (verb, packs) in [("delete", &plan.delete), ("mark", &plan.mark), ("wait", &plan.wait)] {
        for pack in packs {
            let line = format!("{verb:<6} {:>10}  {}", human_size(size(pack)), name(&there, pack));
            out.line(line.as_bytes())?;
        }
    }
    out.finish()?;
    if !args.dry_run {
        apply(&store, &plan, &there)?;
    }
    let freed: u64 = plan.delete.iter().map(size).sum();
    let later: u64 = plan.mark.iter().chain(&plan.wait).map(size).sum();
    run.console.note(format_args!(
        "{} {} in {} packs; {} in {} packs may go a day after they were marked",
        if args.dry_run { "would free" } else { "freed" },
        human_size(freed),
        plan.delete.len(),
        human_size(later),
        plan.mark.len() + plan.wait.len()
    ));
    store.report(run.console);
    Ok(Exit::partial_if(run.console.complaints() > 0))
}

/// Runs `prune --repack`: rewrites packs that are mostly unused.
fn repack(store: &Store, dry_run: bool, out: &mut Output) -> anyhow::Result<()> {
    let plan = repack::Plan::make(store)?;
    for (object, used) in plan.packs.values() {
        let (size, used) = (human_size(object.size), human_size(used.total()));
        out.line(format!("repack {size:>10}  {}  {used} used", object.name).as_bytes())?;
    }
    if !dry_run {
        plan.apply(store)?;
    }
    Ok(())
}

/// The packs that are there.
pub(super) type There = BTreeMap<sha256::Digest, Object>;

fn name<'a>(there: &'a There, pack: &sha256::Digest) -> &'a str {
    there.get(pack).map_or("", |object| &object.name)
}

/// Lists what is in the store and plans what to do. `now` is the time on the store's clock unless given.
pub(super) fn make(store: &Store, now: Option<Timestamp>) -> anyhow::Result<(Plan, There)> {
    let backend = store.backend();
    if now.is_none() {
        backend.put(CLOCK, b"what time is it?\n")?;
    }
    let marks = backend.list(layout::DOOMED)?;
    // Packs before archives: a pack that comes later than this listing is not looked at.
    let packs = backend.list(layout::PACKS)?;
    let archives = backend.list(layout::ARCHIVES)?;
    let clock = marks.iter().find(|mark| mark.name == CLOCK).map(|mark| mark.modified);
    let mut seen = Seen { now: now.or(clock).unwrap_or_else(Timestamp::now), ..Seen::default() };
    let mut there = There::new();
    for object in packs {
        let Some((pack, _)) = layout::pack_of(&object.name) else { continue };
        seen.packs.insert(pack, object.modified);
        there.insert(pack, object);
    }
    let known = |mark: &Object| Some((layout::doomed_of(&mark.name)?, mark.modified));
    seen.marks = marks.iter().filter_map(known).collect();
    for object in &archives {
        if let Some((archive, _)) = layout::archive_of_list(&object.name) {
            // One that was forgotten a moment ago is no archive any more.
            if let Some(bytes) = get(store, &object.name)? {
                seen.lists.insert(archive.to_owned(), sha256::digest(&bytes));
            }
        }
    }
    for object in &archives {
        if let Some((archive, start)) = layout::rewritten_of(&object.name) {
            let current = seen.lists.get(archive).is_some_and(|list| sha256::to_hex(list).starts_with(start));
            if !current {
                seen.stale.push((object.name.clone(), object.modified));
            }
        }
        if let Some(archive) = layout::archive_of_needs(&object.name)
            && let Some(bytes) = get(store, &object.name)?
        {
            let claim = Claim { needs: Needs::parse(&bytes), since: object.modified };
            seen.claims.insert(archive.to_owned(), claim);
        }
    }
    Ok((Plan::make(&seen), there))
}

fn get(store: &Store, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    match store.backend().get(name, 0, LONGEST) {
        Err(error) if error.kind == Kind::Missing => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Carries the plan out.
pub(super) fn apply(store: &Store, plan: &Plan, there: &There) -> anyhow::Result<()> {
    let backend = store.backend();
    backend.sweep();
    for archive in &plan.abandoned {
        backend.delete(&layout::needs_name(archive))?;
    }
    for name in &plan.stale {
        backend.delete(name)?;
    }
    for pack in &plan.unmark {
        backend.delete(&layout::doomed_name(pack))?;
    }
    for pack in &plan.mark {
        pai_common::signal::check()?;
        let why = format!("{} is needed by no archive\n", name(there, pack));
        backend.put(&layout::doomed_name(pack), why.as_bytes())?;
    }
    for pack in &plan.delete {
        pai_common::signal::check()?;
        // The mark goes last: as long as it is there, nobody relies on the pack.
        backend.delete(name(there, pack))?;
        backend.delete(&layout::doomed_name(pack))?;
    }
    Ok(())
}
