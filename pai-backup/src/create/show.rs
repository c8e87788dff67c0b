//! A dry run of `create`: what would be done, from the same walk that a real run makes.

use std::path::PathBuf;

use pai_common::home::ensure_private_folder;
use pai_common::joblog::JobLog;
use pai_common::units::{counted, human_size};

use super::{Plan, lines};
use crate::Context as Run;
use crate::archive::index::Totals;
use crate::cli::Format;

impl Plan<'_> {
    /// What would be done, from the same walk that a real run makes.
    pub(super) fn show(&self, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<()> {
        let target = match (&self.args.output, &run.place.store) {
            (Some(output), _) => output.clone(),
            (None, Some(store)) => PathBuf::from(store),
            (None, None) => self.free_name(run)?,
        };
        if self.args.output.is_none() && run.place.store.is_none() && run.place.archive_dir.is_none() {
            // The tar line is there to be pasted.
            ensure_private_folder(self.shelf.folder())?;
        }
        let names = (&*self.root, &self.selection.excludes[..], &self.names[..]);
        log.raw(&lines::tar(&target, names, self.recipients.as_ref()))?;
        let mut totals = Totals::default();
        self.sources(None, run.console).visit(|source| {
            totals.count(&source.entry);
            Ok(())
        })?;
        run.console.note(format_args!(
            "would archive {} ({}, {}) to {}",
            counted(totals.entries, "entry", "entries"),
            counted(totals.files, "file", "files"),
            human_size(totals.bytes),
            target.display()
        ));
        let judged = run.place.store.is_none().then(|| self.shrunk(&self.about(run.clock), totals, &target));
        let shrunk = judged.transpose()?.flatten();
        if let (Some(shrunk), Format::TarGz, None) = (&shrunk, self.args.format, &self.args.output) {
            run.console.warn(shrunk);
        } else if let Some(days) = self.retention_days {
            let replaced = self.shelf.of_replaced().map(|shelf| shelf.past(days, run.clock.now()));
            let expired = self.shelf.expired(days, run.clock.now(), Some(&target))?;
            for stored in expired.into_iter().chain(replaced.transpose()?.unwrap_or_default()) {
                run.console.note(format_args!("would remove {}", stored.path.display()));
            }
        }
        Ok(())
    }
}
