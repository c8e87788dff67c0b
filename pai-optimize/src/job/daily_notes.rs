//! Daily notes within a run: which go, and what is said of them.

use pai_common::signal;

use super::Job;
use crate::apply;
use crate::file::{MOST, too_large};
use crate::journal::Journal;
use crate::memory::Document;
use crate::notes::{self, Move};

impl Job {
    /// Returns the notes that are old enough, each with its place in the archive.
    pub(super) fn moves(
        &self,
        document: &Document<'_>,
        journal: &mut Journal<'_>,
    ) -> anyhow::Result<Vec<Move>> {
        let Some(folder) = &self.notes else { return Ok(Vec::new()) };
        let cutoff = self.policy().cutoff();
        let notes = notes::list(folder)?;
        let mut old = notes.into_iter().filter(|note| note.date <= cutoff).peekable();
        if document.unclosed && document.sections.len() < 2 && old.peek().is_some() {
            journal.warn("Leaving the daily notes where they are: behind an open code fence or comment there is no place for their lines")?;
            return Ok(Vec::new());
        }
        let archive = self.archive.notes();
        let mut moves: Vec<Move> = Vec::new();
        for note in old {
            signal::check()?;
            let path = folder.join(note.name);
            let size = path.metadata().map_or(0, |found| found.len());
            if size > MOST {
                journal
                    .warn(format_args!("Leaving a daily note where it is: {:#}", too_large(&path, size)))?;
                continue;
            }
            moves.push(Move::plan(path, &archive)?);
        }
        Ok(moves)
    }

    pub(super) fn finish_notes(moves: &[Move], journal: &mut Journal<'_>) -> anyhow::Result<()> {
        let changed = apply::remove_originals(moves)?;
        journal.infos(moves.iter().map(|note| format!("Archived note {}", note.name().to_string_lossy())))?;
        for path in changed {
            journal.warn(format_args!("{} changed meanwhile: the next run looks again", path.display()))?;
        }
        Ok(())
    }

    pub(super) fn hint_at_notes(&self, journal: &mut Journal<'_>) -> anyhow::Result<()> {
        let folder = self.memory.with_file_name("memory");
        let count = if self.notes.is_none() { notes::list(&folder)?.len() } else { 0 };
        if count == 0 {
            return Ok(());
        }
        let option = format!("--notes {}", folder.display());
        journal
            .info(format_args!("hint: {option} would take {count} daily notes; try pai-optimize -n {option}"))
    }
}
