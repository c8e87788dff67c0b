//! `restore`: an archive, or parts of it, back on the disk.
//!
//! First the plan (`plan`): what of the wanted (`select`) would be written, replaced, left or refused (`safe`), from
//! the archive's list and the disk. Then the deed: `apply` takes from the archive what the plan wants, `place` writes
//! it, through `beneath`, which lets nothing leave the target. An archive is hostile until shown otherwise, our own
//! included.

mod apply;
mod beneath;
mod place;
mod plan;
pub(crate) mod safe;
mod select;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pai_common::atomic::AtomicFile;
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::home::{Home, ensure_private_folder};
use pai_common::lock::DirLock;
use pai_common::output::Output;
use serde::Serialize;

use crate::Context;
use crate::archive::open::Archive;
use crate::cli::Restore;
use crate::contents;
use crate::create;
use crate::past;
use crate::restore::place::Applier;
use crate::restore::plan::{Plan, Verdict};
use crate::restore::select::Selector;
use crate::shelf::{self, Shelf};

/// Runs `restore`.
pub fn run(args: &Restore, run: &Context<'_>) -> anyhow::Result<Exit> {
    if args.privileged && !rustix::process::geteuid().is_root() {
        bail!("--privileged needs root");
    }
    let selector = Selector::new(&args.paths)?;
    if args.archive.as_os_str() == "-" {
        return from_pipe(args, &selector, run);
    }
    let archive = run.open(&args.archive)?;
    let (target, workspace) = target(args, run)?;
    let _lock = if args.dry_run { None } else { Some(DirLock::acquire(&target, None)?) };
    let plan = Plan::make(&archive, &target, &selector, args.privileged, run)?;
    if let Some(error) = plan.broken() {
        run.console.complain(format_args!("{error:#}"));
    }
    if args.dry_run {
        complain_of_missing(&plan, &archive, run);
        return show(&plan, args, run);
    }
    for (path, why) in plan.refused() {
        run.console.complain(format_args!("refused {}: {why}", path.display()));
    }
    let replaced = plan.replaced();
    if !replaced.is_empty() && !args.force {
        return Err(would_replace(&replaced, &target));
    }
    if let Some(home) = &workspace
        && !replaced.is_empty()
    {
        keep_replaced(home, replaced, run)?;
    }
    let applier = Applier::new(&target, args.privileged, args.force, run)?;
    applier.make_way(plan.folders_to_be());
    apply::apply(&archive, &plan, &applier, run)?;
    applier.report(&target);
    complain_of_missing(&plan, &archive, run);
    Ok(Exit::partial_if(run.console.complaints() > 0))
}

fn complain_of_missing(plan: &Plan, archive: &Archive, run: &Context<'_>) {
    for pattern in plan.missing() {
        run.console.complain(format_args!("could not find {pattern} in {}", name_of(archive).display()));
    }
    if let Some(pattern) = plan.missing().first() {
        run.console.warn(format_args!("hint: {}", past::hint(pattern)));
    }
}

fn would_replace(replaced: &[PathBuf], target: &Path) -> anyhow::Error {
    let first: Vec<String> = replaced.iter().take(3).map(|path| path.display().to_string()).collect();
    let first = first.join(", ");
    let (what, differ) = match replaced.len() {
        1 => ("1 file".to_owned(), "differs"),
        count => (format!("{count} files"), "differ"),
    };
    let error = anyhow::anyhow!("{what} in {} {differ} from the archive ({first})", target.display());
    Hinted::new(error, "look with -n, then replace them with --force").into()
}

/// The folder to restore into, and the workspace if it is that.
fn target(args: &Restore, run: &Context<'_>) -> anyhow::Result<(PathBuf, Option<Home>)> {
    match &args.target {
        None => {
            let home = run.place.workspace.resolve()?;
            Ok((home.root().to_owned(), Some(home)))
        }
        Some(target) => {
            if !args.dry_run {
                std::fs::create_dir_all(target)
                    .with_context(|| format!("could not create folder {}", target.display()))?;
            }
            Ok((target.clone(), None))
        }
    }
}

/// Restores an archive from a pipe. It can be read only once, so no plan is made: existing files are touched only with
/// `--force`, and the workspace is no target.
fn from_pipe(args: &Restore, selector: &Selector, run: &Context<'_>) -> anyhow::Result<Exit> {
    let Some(target) = &args.target else { bail!("restoring from stdin needs --target DIR") };
    if args.dry_run {
        bail!("restoring from stdin cannot be tried without doing it: save the archive to a file first");
    }
    std::fs::create_dir_all(target)
        .with_context(|| format!("could not create folder {}", target.display()))?;
    let _lock = DirLock::acquire(target, None)?;
    let applier = Applier::new(target, args.privileged, args.force, run)?;
    let mut reader = contents::scan_stdin(run)?;
    if let Err(error) = apply::apply_stream(&mut reader, selector, &applier, run) {
        pai_common::signal::check()?;
        run.console.complain(format_args!("could not read the archive from stdin to its end: {error:#}"));
    }
    applier.report(target);
    Ok(Exit::partial_if(run.console.complaints() > 0))
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    r#type: &'static str,
    action: &'static str,
    path: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

fn show(plan: &Plan, args: &Restore, run: &Context<'_>) -> anyhow::Result<Exit> {
    let mut out = Output::stdout(args.json);
    let mut any_refused = false;
    for (path, verdict) in plan.all() {
        let (action, why) = match verdict {
            Verdict::Write => ("write", None),
            Verdict::Replace => ("replace", None),
            Verdict::Leave => ("leave", None),
            Verdict::Refuse(why) => ("refuse", Some(why.as_str())),
        };
        any_refused |= why.is_some();
        let row = Row { r#type: "restore", action, path: path.to_string_lossy(), why };
        out.record(&row, |text| {
            write!(text, "{action:<8}")?;
            text.write_all(path.as_os_str().as_encoded_bytes())?;
            match why {
                Some(why) => writeln!(text, " ({why})"),
                None => writeln!(text),
            }
        })?;
    }
    out.finish()?;
    Ok(Exit::partial_if(any_refused || run.console.complaints() > 0))
}

/// Archives what is about to be replaced, before anything is.
fn keep_replaced(home: &Home, replaced: Vec<PathBuf>, run: &Context<'_>) -> anyhow::Result<()> {
    let folder = run.shelf(Some(home))?.folder().to_owned();
    ensure_private_folder(&folder)?;
    let _lock = DirLock::acquire(&folder, None)?;
    let shelf = Shelf::new(folder, shelf::REPLACED);
    shelf.remove_abandoned(run.console)?;
    let path = shelf.free_name(run.clock.now())?;
    let file = AtomicFile::create(&path, 0o600)?;
    create::archive_paths(home.root(), replaced, file, run)
        .with_context(|| format!("could not keep what would be replaced in {}", path.display()))?;
    run.console.note(format_args!("what is replaced is kept in {}", path.display()));
    Ok(())
}

/// The archive's path as messages show it.
fn name_of(archive: &Archive) -> &Path {
    archive.file().path()
}
