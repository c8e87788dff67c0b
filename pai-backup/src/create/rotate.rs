//! What follows a new archive: old ones go, unless the new one is suspiciously small.

use std::path::Path;

use pai_common::joblog::{JobLog, Level};

use super::shrink::{self, Shrunk};
use super::{Plan, lines};
use crate::Context as Run;
use crate::archive::index::{About, Totals};
use crate::shelf::{self, Stored};

impl Plan<'_> {
    /// Whether the archive is suspiciously small.
    pub(super) fn shrunk(
        &self,
        about: &About,
        totals: Totals,
        target: &Path,
    ) -> anyhow::Result<Option<Shrunk>> {
        Ok(shrink::judge(about, totals, shrink::earlier(&self.shelf, target)?))
    }

    /// Tells whoever looks that the archive is suspiciously small.
    pub(super) fn alarm(shrunk: &Shrunk, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<()> {
        log.log(Level::Warning, shrunk)?;
        run.console.alarm(shrunk);
        run.console.warn(format_args!("hint: {}", shrink::HINT));
        Ok(())
    }

    pub(super) fn rotate(&self, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<()> {
        let Some(days) = self.retention_days else { return Ok(()) };
        log.raw(&lines::find(&self.shelf, days))?;
        self.remove(self.shelf.expired(days, run.clock.now(), None)?, log, run)?;
        let Some(replaced) = self.shelf.of_replaced() else { return Ok(()) };
        let past = replaced.past(days, run.clock.now())?;
        if !past.is_empty() {
            log.raw(&lines::find(&replaced, days))?;
        }
        self.remove(past, log, run)
    }

    pub(super) fn remove(&self, expired: Vec<Stored>, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<()> {
        self.forget_digests(&expired, run.console);
        for stored in expired {
            match shelf::remove(&stored.path) {
                Ok(()) => log.raw(stored.path.as_os_str().as_encoded_bytes())?,
                Err(error) => run.console.complain(format_args!("{error:#}")),
            }
        }
        Ok(())
    }
}
