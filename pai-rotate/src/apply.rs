//! Carrying a plan out: what it lets go is deleted, the oldest first, each file with its sidecars.

use std::path::PathBuf;

use pai_common::checksum_list::List;
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::lock::DirLock;
use pai_common::output::Output;
use pai_common::signal;

use crate::candidates::Candidates;
use crate::cli::Prune;
use crate::paths::{folder_of, open_name};
use crate::remove::{Outcome, Remover};
use crate::report::{Summary, View};

/// Deletes what the plan lets go and prints each path once it is gone; with `--json` what stays, too.
pub(crate) fn run(
    args: &Prune,
    view: &View<'_>,
    found: &Candidates,
    console: &Console,
) -> anyhow::Result<Exit> {
    let (items, to_delete) = view.plan.tally();
    let mut applying = Applying {
        args,
        view,
        found,
        console,
        out: Output::stdout(args.json),
        summary: Summary { r#type: "summary", items, to_delete, ..Summary::default() },
        gone: Vec::new(),
    };
    if args.json {
        applying.print_kept()?;
    }
    let list = args.checksums.as_deref().filter(|_| to_delete > 0);
    // Two runs would each put back what the other took out.
    let _lock = list.map(|path| DirLock::acquire(open_name(folder_of(path)), None)).transpose()?;
    let mut list = list.map(List::read).transpose()?;
    // The list never names what is gone: its lines go first. A full disk must not keep files from being deleted;
    // then the second attempt has room.
    if let Some(list) = &mut list {
        applying.forget_all(list);
    }
    let deleted = applying.delete_all();
    if let Some(list) = &mut list {
        applying.forget_gone(list);
    }
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
    /// Paths that were deleted, or had gone already.
    gone: Vec<PathBuf>,
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
        let going = self.oldest_first();
        // Each file stands before its sidecars.
        for set in going.chunk_by(|_, &next| self.view.plan.owner(next).is_some()) {
            signal::check()?;
            for (&i, outcome) in set.iter().zip(self.delete(set, &mut remover)) {
                self.record(i, outcome)?;
            }
        }
        Ok(())
    }

    /// Deletes a file and its sidecars, those first and while the file is locked: a kill leaves a file that the next
    /// run deletes, never a sidecar of nothing.
    fn delete(&self, set: &[usize], remover: &mut Remover) -> Vec<Outcome> {
        let place = |i: usize| {
            let file = &self.found.files[i];
            (self.found.folders[file.folder as usize].as_path(), file.name.as_os_str(), &file.identity)
        };
        let Some((&first, sidecars)) = set.split_first() else { return Vec::new() };
        let (folder, name, identity) = place(first);
        let held = remover.hold(folder, name, identity);
        if let Err(Outcome::Left(why)) = held {
            let too = || Outcome::Left("the file it belongs to is still there".to_owned());
            return std::iter::once(Outcome::Left(why)).chain(sidecars.iter().map(|_| too())).collect();
        }
        let mut outcomes: Vec<Outcome> = sidecars
            .iter()
            .rev()
            .map(|&i| place(i))
            .map(|(folder, name, identity)| remover.remove(folder, name, identity))
            .collect();
        let is_left = |outcome: &Outcome| matches!(outcome, Outcome::Left(_));
        outcomes.push(match held {
            Ok(_) if outcomes.iter().any(is_left) => Outcome::Left("its sidecar is still there".to_owned()),
            Ok(held) => remover.remove_held(name, &held),
            Err(outcome) => outcome,
        });
        outcomes.reverse();
        outcomes
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
            self.out.bytes(self.args.end_of_name())?;
        }
        Ok(())
    }

    /// Takes out the lines of all that is to go.
    fn forget_all(&self, list: &mut List) {
        let going = self.oldest_first().into_iter().map(|i| self.found.path(&self.found.files[i]));
        if let Err(error) = list.forget(&going.collect::<Vec<_>>()) {
            self.console.warn(format_args!("{error:#}; it is tried again"));
        }
    }

    /// Makes the list fit what is gone, if something stayed after all or the first attempt failed.
    fn forget_gone(&self, list: &mut List) {
        match list.forget(&self.gone) {
            Ok(lines) => self.console.detail(format_args!("took {lines} lines out of the list of checksums")),
            Err(error) => self.console.complain(format_args!("{error:#}")),
        }
    }
}
