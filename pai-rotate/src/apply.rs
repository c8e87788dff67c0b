//! Carrying a plan out: what it lets go is deleted, the oldest first, each file before its sidecars.

use std::path::{Path, PathBuf};

use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::signal;

use crate::candidates::Candidates;
use crate::checksums;
use crate::cli::Prune;
use crate::prune::end_of_name;
use crate::remove::{Outcome, Remover};
use crate::report::{Summary, View};

/// Deletes what the plan lets go and prints each path once it is gone; with `--json` what stays, too.
pub fn run(args: &Prune, view: &View<'_>, found: &Candidates, console: &Console) -> anyhow::Result<Exit> {
    let (items, to_delete) = view.plan.tally();
    let mut applying = Applying {
        args,
        view,
        found,
        console,
        out: Output::stdout(args.json),
        summary: Summary { r#type: "summary", items, to_delete, ..Summary::default() },
        gone: Vec::new(),
        is_left: vec![false; view.entries.len()],
    };
    if args.json {
        applying.print_kept()?;
    }
    let deleted = applying.delete_all();
    // The list must not name what is gone, even if the run was interrupted.
    applying.forget(args.checksums.as_deref());
    deleted?;
    let Applying { mut out, summary, .. } = applying;
    summary.print(&mut out)?;
    out.finish()?;
    console.detail(format_args!("deleted {} files and folders, {} bytes", summary.deleted, summary.bytes));
    Ok(Exit::partial_if(console.complaints() > 0))
}

struct Applying<'a> {
    args: &'a Prune,
    view: &'a View<'a>,
    found: &'a Candidates,
    console: &'a Console,
    out: Output,
    summary: Summary,
    /// What is no longer there.
    gone: Vec<PathBuf>,
    /// Which entries were to go and are still there.
    is_left: Vec<bool>,
}

impl Applying<'_> {
    fn print_kept(&mut self) -> anyhow::Result<()> {
        for i in self.view.plan.listing().into_iter().filter(|&i| self.view.plan.keeps(i)) {
            self.view.item(&mut self.out, i, "kept", None)?;
        }
        for (path, why) in &self.found.skipped {
            View::skipped(&mut self.out, path, why)?;
        }
        Ok(())
    }

    fn delete_all(&mut self) -> anyhow::Result<()> {
        let mut remover = Remover::default();
        for i in self.oldest_first() {
            signal::check()?;
            let file = &self.found.files[i];
            let outcome = match self.view.plan.owner(i) {
                Some(owner) if self.is_left[owner] => {
                    Outcome::Left("the file it belongs to is still there".to_owned())
                }
                _ => remover.remove(&self.found.folders[file.folder as usize], &file.name, &file.identity),
            };
            self.record(i, outcome)?;
        }
        Ok(())
    }

    fn oldest_first(&self) -> Vec<usize> {
        let View { entries, plan, .. } = self.view;
        let mut going: Vec<usize> = plan.listing().into_iter().filter(|&i| !plan.keeps(i)).collect();
        // Stable, and a sidecar has the time of its file: the listing puts it behind that.
        going.sort_by_key(|&i| entries[plan.root(i)].time);
        going
    }

    fn record(&mut self, i: usize, outcome: Outcome) -> anyhow::Result<()> {
        let file = &self.found.files[i];
        let path = self.found.path(file);
        match outcome {
            Outcome::Deleted => {
                self.summary.deleted += 1;
                self.summary.bytes += file.size;
                self.gone.push(path);
                self.print(i, "deleted", None)
            }
            Outcome::Gone => {
                self.console.warn(format_args!("{} was gone already", path.display()));
                self.gone.push(path);
                self.print(i, "gone", None)
            }
            Outcome::Left(why) => {
                self.is_left[i] = true;
                self.summary.failed += 1;
                self.console.complain(format_args!("could not delete {}: {why}", path.display()));
                self.print(i, "failed", Some(&why))
            }
        }
    }

    fn print(&mut self, i: usize, result: &'static str, error: Option<&str>) -> anyhow::Result<()> {
        if self.args.json {
            return self.view.item(&mut self.out, i, result, error);
        }
        if result == "deleted" && !self.console.quiet() {
            self.out.bytes(&self.view.path(i))?;
            self.out.bytes(end_of_name(self.args))?;
        }
        Ok(())
    }

    fn forget(&self, list: Option<&Path>) {
        let Some(list) = list.filter(|_| !self.gone.is_empty()) else { return };
        match checksums::forget(list, &self.gone) {
            Ok(lines) => self.console.detail(format_args!("took {lines} lines out of {}", list.display())),
            Err(error) => self.console.complain(format_args!("{error:#}")),
        }
    }
}
