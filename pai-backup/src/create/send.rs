//! `create --store`: the archive goes straight into a store, and leaves no file here.

use std::path::PathBuf;

use anyhow::Context;
use pai_common::joblog::JobLog;

use super::Plan;
use super::write::report;
use crate::Context as Run;
use crate::archive::writer::ArchiveWriter;
use crate::pack;
use crate::reuse::Known;
use crate::store::{Sender, Series, StoreSink};

impl Plan<'_> {
    /// Makes an archive in the store, and says what it is called there.
    pub(super) fn send(&self, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<PathBuf> {
        let store = run.store()?;
        let series = Series::new(self.shelf.prefix())?;
        let _lock = store.lock(self.args.wait)?;
        let mut sender =
            Sender::begin(&store, &series, self.args.full, self.recipients.as_ref(), run.console)?;
        let name = sender.free_name(run.clock.now());
        let about = self.about(run.clock);
        let sources = self.sources(None, run.console);
        let parent = sender.parent().transpose()?.and_then(|archive| self.parent_of(archive, &about));
        let job = self.job(Known::in_store(parent.as_ref(), &sender));
        let mut writer = ArchiveWriter::new(StoreSink::new(&sender, &name), &about, false);
        let context = || format!("could not make {name} in {}", store.shown());
        let tally = pack::pack(&job, sources, &mut writer, run.console).with_context(context)?;
        let written = writer.finish().with_context(context)?;
        let (sink, totals, size) = (written.out, written.totals, written.size);
        let summary = sink.finish(&mut sender, None, &written.about, totals).with_context(context)?;
        report(run.console, &totals, size, tally);
        let path = store.path_of(&name);
        log.info(format_args!("Created archive {} ({} bytes added)", path.display(), summary.added))?;
        if let Some(shrunk) = summary.shrunk {
            Self::alarm(&shrunk, log, run)?;
        }
        sender.remind(run)?;
        store.report(run.console);
        Ok(path)
    }
}
