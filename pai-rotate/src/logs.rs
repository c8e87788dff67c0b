//! Log rotation: plan, delete what expired, exchange the logs, tell their writers, compress the copies.
//!
//! Free of state: what a run must know of earlier ones is in the names of the copies. Expired copies go first
//! and compressed copies may go to another disk, so that a full disk is no reason to fail.

mod compress;
mod exchange;
mod find;
mod log;
mod plan;
mod record;
mod writers;

use std::path::{Path, PathBuf};
use std::process::Command;

use pai_common::clock::Clock;
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::home::ensure_private_folder;
use pai_common::lock::DirLock;
use pai_common::output::Output;
use pai_common::signal;

use crate::cli::Logs;
use crate::paths;
use crate::remove::{Outcome, Remover};
use compress::Compressed;
use log::{Log, LogCopy};
use plan::{LogPlan, Rotation};
use record::Record;
use writers::Writer;

/// Runs `pai-rotate logs`.
pub(crate) fn run(args: &Logs, clock: Clock, console: &Console) -> anyhow::Result<Exit> {
    let logs = find::logs(&args.paths, args.missing_ok, console);
    find::refuse_clashes(&logs, args.archive_dir.as_deref())?;
    if let Some(folder) = args.archive_dir.as_deref().filter(|_| !args.dry_run) {
        ensure_private_folder(folder)?;
    }
    let _locks = if args.dry_run { Vec::new() } else { lock(&logs, args)? };
    if !args.dry_run {
        find::remove_abandoned(&logs, args.archive_dir.as_deref(), console);
    }
    let copies = find::copies(&logs, args.archive_dir.as_deref(), console);
    let now = clock.now();
    let plans: Vec<LogPlan> =
        logs.into_iter().zip(copies).map(|(log, copies)| plan::plan(log, copies, args, now)).collect();
    let mut run = Run { args, console, out: Output::stdout(args.json), remover: Remover::default() };
    if args.dry_run {
        run.show(&plans)?;
    } else {
        run.apply(&plans)?;
    }
    run.out.finish()?;
    Ok(Exit::partial_if(console.complaints() > 0))
}

fn lock(logs: &[Log], args: &Logs) -> anyhow::Result<Vec<DirLock>> {
    let named = logs.iter().map(|log| log.folder.as_path()).chain(args.archive_dir.as_deref());
    // Always in the same order, and a folder once whatever it is called: two runs cannot wait for each other.
    let mut folders: Vec<PathBuf> =
        named.filter_map(|folder| paths::open_name(folder).canonicalize().ok()).collect();
    folders.sort();
    folders.dedup();
    folders.iter().map(|folder| DirLock::acquire(folder, args.wait)).collect()
}

struct Run<'a> {
    args: &'a Logs,
    console: &'a Console,
    out: Output,
    remover: Remover,
}

impl Run<'_> {
    fn show(&mut self, plans: &[LogPlan]) -> anyhow::Result<()> {
        for plan in plans {
            for expired in &plan.expired {
                let path = expired.copy.path();
                Record::new("delete", &path).because(&expired.reason).print(&mut self.out)?;
            }
            let log = plan.log.path();
            match &plan.rotation {
                Rotation::Due { stamp, reason } => {
                    let copy = self.target(&plan.log.copy(stamp));
                    Record::new("rotate", &log).to(&copy).because(reason).print(&mut self.out)?;
                }
                Rotation::NotYet { reason } => {
                    Record::new("keep", &log).because(reason).print(&mut self.out)?;
                }
            }
            for copy in &plan.uncompressed {
                let target = self.target(copy);
                Record::new("compress", &copy.path()).to(&target).print(&mut self.out)?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, plans: &[LogPlan]) -> anyhow::Result<()> {
        // First of all: on a full disk this makes the room that compressing needs.
        self.delete_expired(plans)?;
        let mut waiting: Vec<LogCopy> = Vec::new();
        // A writer that did not hear of an earlier rotation is told again.
        let mut tell = plans
            .iter()
            .flat_map(|plan| plan.uncompressed.iter().chain(plan.expired.iter().map(|expired| &expired.copy)))
            .any(|copy| writer_of(copy) == Some(Writer::Seen));
        for plan in plans {
            signal::check()?;
            waiting.extend(plan.uncompressed.iter().cloned());
            let Rotation::Due { stamp, .. } = &plan.rotation else { continue };
            let copy = plan.log.copy(stamp);
            if self.args.copytruncate {
                self.copy_and_truncate(&plan.log, &copy)?;
                continue;
            }
            match exchange::exchange(&plan.log, &copy.name) {
                Ok(()) => {
                    tell = true;
                    self.report("rotate", &plan.log.path(), &copy.path(), None)?;
                    waiting.push(copy);
                }
                Err(error) => self.console.complain(format_args!("{error:#}")),
            }
        }
        if tell {
            self.tell_writers();
        }
        waiting.iter().try_for_each(|copy| self.compress(copy))
    }

    fn delete_expired(&mut self, plans: &[LogPlan]) -> anyhow::Result<()> {
        let mut expired: Vec<_> = plans.iter().flat_map(|plan| &plan.expired).collect();
        expired.sort_by_key(|expired| expired.copy.time);
        for expired in expired {
            signal::check()?;
            let LogCopy { folder, name, identity, .. } = &expired.copy;
            let path = expired.copy.path();
            let Some(identity) = identity else { continue };
            if let Some(writer) = writer_of(&expired.copy) {
                // Its name is old, its last lines are not.
                self.console.complain(format_args!("could not delete {}: {writer}", path.display()));
                continue;
            }
            match self.remover.remove(folder, name, identity) {
                Outcome::Deleted if self.args.json => {
                    Record::new("delete", &path).because(&expired.reason).print(&mut self.out)?;
                }
                Outcome::Deleted => self.console.detail(format_args!("deleted {}", path.display())),
                Outcome::Gone => self.console.warn(format_args!("{} was gone already", path.display())),
                Outcome::Left(why) => {
                    self.console.complain(format_args!("could not delete {}: {why}", path.display()));
                }
            }
        }
        Ok(())
    }

    fn tell_writers(&self) {
        let Some(command) = &self.args.postrotate else { return };
        // Names of files are never part of what the shell reads.
        match Command::new("sh").args(["-c", command]).stdout(std::io::stderr()).status() {
            Ok(status) if status.success() => {}
            Ok(status) => self.console.complain(format_args!("could not run {command:?}: {status}")),
            Err(error) => self.console.complain(format_args!("could not run {command:?}: {error}")),
        }
    }

    fn compress(&mut self, copy: &LogCopy) -> anyhow::Result<()> {
        signal::check()?;
        let source = copy.path();
        let target = self.target(copy);
        match compress::compress(&source, &target) {
            Ok(Compressed::Whole(sizes)) => self.report("compress", &source, &target, Some(sizes)),
            Ok(Compressed::Empty) => Ok(()),
            Ok(Compressed::StillWritten(writer)) => {
                self.report_written(copy, writer);
                Ok(())
            }
            Err(error) => self.failed(error),
        }
    }

    /// Right after the rotation a writer may not have looked yet; after a whole period it never will.
    fn report_written(&self, copy: &LogCopy, writer: Writer) {
        let path = copy.path();
        let path = path.display();
        if writer == Writer::Seen && copy.identity.is_some() {
            self.console
                .complain(format_args!("could not compress {path}: {writer} since an earlier rotation"));
            self.console
                .warn("hint: --postrotate tells a writer to open its log anew; --copytruncate does without");
        } else {
            self.console.note(format_args!("left {path} as it is until the next run: {writer}"));
        }
    }

    fn copy_and_truncate(&mut self, log: &Log, copy: &LogCopy) -> anyhow::Result<()> {
        let target = self.target(copy);
        match compress::copy_and_truncate(&log.path(), &target) {
            Ok(sizes) => self.report("copy", &log.path(), &target, Some(sizes)),
            Err(error) => self.failed(error),
        }
    }

    /// JSON tells every step; text names the compressed copies.
    fn report(
        &mut self,
        action: &'static str,
        source: &Path,
        target: &Path,
        sizes: Option<(u64, u64)>,
    ) -> anyhow::Result<()> {
        if self.args.json {
            return Record::new(action, source).to(target).sizes(sizes).print(&mut self.out);
        }
        if sizes.is_none() || self.console.quiet() {
            return Ok(());
        }
        self.out.line(target.as_os_str().as_encoded_bytes())
    }

    /// One log that could not be rotated is named and the rest goes on; a signal ends the run.
    fn failed(&self, error: anyhow::Error) -> anyhow::Result<()> {
        if error.chain().any(<dyn std::error::Error>::is::<signal::Interrupted>) {
            return Err(error);
        }
        self.console.complain(format_args!("{error:#}"));
        Ok(())
    }

    fn target(&self, copy: &LogCopy) -> PathBuf {
        let mut name = copy.name.clone();
        name.push(".gz");
        self.args.archive_dir.as_deref().unwrap_or(&copy.folder).join(name)
    }
}

/// The process that may still write to a copy. A compressed copy has none.
fn writer_of(copy: &LogCopy) -> Option<Writer> {
    let metadata = copy.path().symlink_metadata().ok().filter(|_| !copy.is_compressed)?;
    writers::of(&metadata)
}
