//! What a run would do: `--dry-run`, and the forecast of `stats`. Nothing is written.

use pai_common::console::Console;
use pai_common::output::Output;

use super::{Job, Report, has_entries, remarks};
use crate::file::read;
use crate::journal::Journal;
use crate::memory::Document;
use crate::summarizer::AnswerCache;
use crate::{apply, diff, plan};

/// The figures of what the next run would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Forecast {
    /// How many entries it would archive.
    pub entries: usize,
    /// How many daily notes it would archive.
    pub notes: usize,
    /// How many bytes the memory file would have then.
    pub bytes: u64,
    /// How many lines the memory file would have then.
    pub lines: u64,
}

impl Job {
    /// Prints the plan and a diff; nothing is written anywhere.
    pub(crate) fn dry_run(&self, journal: &mut Journal<'_>) -> anyhow::Result<Report> {
        if let Some(report) = self.missing(journal)? {
            return Ok(report);
        }
        let (real, _) = apply::resolve(&self.memory)?;
        let bytes = read(&real)?;
        let document = Document::parse(&bytes, self.reading);
        remarks::log_skipped(&document, self.policy().today, journal)?;
        let mut out = Output::stdout(false);
        let (listing, ledger) = (self.archive.list()?, self.ledger()?);
        let moves = self.moves(&document, journal)?;
        if !has_entries(&document) && moves.is_empty() && listing.notes.is_empty() {
            return self.undated(&document, journal);
        }
        let plan =
            self.plan(&document, (&listing, &moves), ledger.as_ref(), &mut AnswerCache::default(), journal)?;
        let mut archived = moves.len();
        for (date, sections) in plan::texts_by_day(&document, &plan.to_archive) {
            archived += sections.len();
            let bytes: usize = sections.iter().map(|section| section.len()).sum();
            let path = self.archive.path(date);
            let line =
                format!("archive {date}: {} section(s), {bytes} bytes -> {}", sections.len(), path.display());
            out.line(line.as_bytes())?;
        }
        for note in &moves {
            out.line(
                format!("archive note {} -> {}", note.from().display(), note.to().display()).as_bytes(),
            )?;
        }
        if plan.changes {
            let name = self.memory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            out.bytes(&diff::unified(&name, &document, &plan))?;
        }
        out.finish()?;
        let (size, lines) = (plan.size(&document), plan.lines(&document));
        Ok(Report { archived, exit: self.check_budget(size, lines, plan.fits, journal)? })
    }

    /// Says what a run would do now. Nothing is written, and the user's summariser is not called.
    pub(crate) fn forecast(&self) -> anyhow::Result<Forecast> {
        let console = Console::silent("pai-optimize");
        let mut journal = Journal::console(&console);
        journal.echo = false;
        let (real, _) = apply::resolve(&self.memory)?;
        let bytes = read(&real)?;
        let document = Document::parse(&bytes, self.reading);
        let (listing, ledger) = (self.archive.list()?, self.ledger()?);
        let moves = self.moves(&document, &mut journal)?;
        let plain = Self { summarizer: None, ..self.clone() };
        let answers = &mut AnswerCache::default();
        let plan = plain.plan(&document, (&listing, &moves), ledger.as_ref(), answers, &mut journal)?;
        Ok(Forecast {
            entries: plan.to_archive.iter().filter(|to_archive| **to_archive).count(),
            notes: moves.len(),
            bytes: plan.size(&document),
            lines: plan.lines(&document),
        })
    }
}
