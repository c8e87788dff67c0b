//! Retention, from the command line to the last deleted file: find, plan, guard, then show or apply.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use pai_common::clock::Timestamp;
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::output::Output;

use crate::cli::{MaxDelete, PolicyArgs, Prune};
use crate::plan::{self, Plan, Verdict};
use crate::reading::Reading;
use crate::report::{Summary, View, shown};
use crate::{apply, candidates, listing, paths, policy};

/// Runs `pai-rotate` without a subcommand.
pub(crate) fn run(
    args: &Prune,
    stays: &PolicyArgs,
    now: Timestamp,
    console: &Console,
) -> anyhow::Result<Exit> {
    let policy = policy::of(stays, args, std::env::var_os("RETENTION_DAYS").as_deref())?;
    let reading = Reading::of(&args.names, policy.zone);
    if args.stdin {
        let text = listing::read()?;
        let entries = listing::entries(&text, args.null, &reading, console);
        let plan = plan::plan(&entries, &policy, now);
        let view = View::new(&entries, &plan, Vec::new(), policy.zone, args.json);
        return filter(args, &view, now, console);
    }
    refuse_bare_logs(&args.paths)?;
    let named = paths::resolve(&args.paths, args.missing_ok, console);
    let found = candidates::find(&named, args, &reading, console);
    let entries = found.entries(&reading);
    let plan = plan::plan(&entries, &policy, now);
    let view = View::new(&entries, &plan, found.prefixes(), policy.zone, args.json);
    if args.dry_run || args.calendar {
        return show(args, &view, &found.skipped, now, console);
    }
    guard(&plan, args.max_delete)?;
    report_future(&view, console);
    report_scattered(&view, console);
    apply::run(args, &view, &found, console)
}

/// `pai-rotate --days 30 logs` may mean the subcommand or the folder; deleting is no way to find out.
fn refuse_bare_logs(paths: &[PathBuf]) -> anyhow::Result<()> {
    if paths.iter().any(|path| path.as_os_str() == "logs") {
        return Err(Hinted::new(
            anyhow!("could not tell whether logs is the subcommand or a path"),
            "the subcommand comes first: pai-rotate logs ...; the folder is ./logs",
        )
        .into());
    }
    Ok(())
}

fn guard(plan: &Plan, max_delete: Option<MaxDelete>) -> anyhow::Result<()> {
    let Some(max_delete) = max_delete else { return Ok(()) };
    let (items, deleted) = plan.tally();
    match max_delete {
        MaxDelete::Count(most) if deleted > most => {
            bail!(
                "refused to delete {deleted} of {items} items: --max-delete allows {most}; nothing was touched"
            )
        }
        MaxDelete::Percent(most) if deleted * 100 > items * usize::from(most) => {
            bail!(
                "refused to delete {deleted} of {items} items: --max-delete allows {most}%; nothing was touched"
            )
        }
        MaxDelete::Count(_) | MaxDelete::Percent(_) => Ok(()),
    }
}

fn report_future(view: &View<'_>, console: &Console) {
    let mut future = (0..view.entries.len()).filter(|&i| view.plan.is_future(i));
    if let Some(first) = future.next() {
        let time = view.entries[first].time.unwrap_or_default().rfc3339(view.zone);
        let more = match future.count() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        console.warn(format_args!("kept {}: from the future ({time}){more}", shown(&view.path(first))));
    }
}

/// A rule that never lets anything go looks like one that works, until the disk is full.
fn report_scattered(view: &View<'_>, console: &Console) {
    let (items, deleted) = view.plan.tally();
    let apart = view.plan.verdicts.iter().filter(|verdict| **verdict == Verdict::Apart).count();
    if items == 0 && apart > 0 {
        console.note(format_args!("none of {apart} names matches --series, so none may go"));
    } else if deleted == 0 && view.plan.is_scattered() {
        console.note(format_args!(
            "each of these {items} items is a series of its own, so none may go: if they belong together, \
             --series PATTERN or --one-series says so, and --stamp FORMAT what their stamps look like"
        ));
    }
}

fn filter(args: &Prune, view: &View<'_>, now: Timestamp, console: &Console) -> anyhow::Result<Exit> {
    if args.dry_run || args.calendar {
        return show(args, view, &[], now, console);
    }
    // Whoever reads the names deletes: of a plan that is refused there must be none.
    guard(view.plan, args.max_delete)?;
    if args.json {
        return show(args, view, &[], now, console);
    }
    report_future(view, console);
    report_scattered(view, console);
    let mut out = Output::stdout(false);
    for i in (0..view.entries.len()).filter(|&i| !view.plan.keeps(i)) {
        out.bytes(view.entries[i].name)?;
        out.bytes(args.end_of_name())?;
    }
    out.finish()?;
    Ok(Exit::partial_if(console.complaints() > 0))
}

/// The plan, item by item; nothing is touched. A plan that would be refused is shown first.
fn show(
    args: &Prune,
    view: &View<'_>,
    skipped: &[(PathBuf, &'static str)],
    now: Timestamp,
    console: &Console,
) -> anyhow::Result<Exit> {
    report_future(view, console);
    report_scattered(view, console);
    let mut out = Output::stdout(args.json);
    let (items, to_delete) = view.plan.tally();
    if args.calendar {
        view.calendar(&mut out, now)?;
    } else {
        for i in view.plan.listing() {
            view.item(&mut out, i, if view.plan.keeps(i) { "kept" } else { "would delete" }, None)?;
        }
        for (path, why) in skipped {
            View::skipped(&mut out, path, why)?;
        }
        Summary { r#type: "summary", items, to_delete, dry_run: true, ..Summary::default() }
            .print(&mut out)?;
    }
    out.finish()?;
    console.note(format_args!("{to_delete} of {items} items would be deleted"));
    guard(view.plan, args.max_delete)?;
    Ok(Exit::partial_if(console.complaints() > 0))
}
