//! One run: read, plan, summarise, carry out, and say so.

mod daily_notes;
mod preview;
mod remarks;
mod summarise;

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use pai_common::atomic::{Batch, Ownership};
use pai_common::clock::{Clock, Zone};
use pai_common::exit::Exit;
use pai_common::lock::{Busy, DirLock};
use pai_common::stamp;

pub(crate) use self::preview::Forecast;
use crate::apply::{self, Commit, FileState, Target};
use crate::archive::{Archive, Listing, already_there};
use crate::date::Date;
use crate::file::{folder_of, read};
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::memory::{Document, Headings, Reading};
use crate::notes::Move;
use crate::plan::{self, Budget, Plan, PlanInput, Policy};
use crate::summaries::Links;
use crate::summarizer::{AnswerCache, Summarizer};
use crate::versions;

/// The most columns of a summary line.
pub(crate) const LINE: usize = 160;

/// How often a run plans before it gives way to whoever keeps writing.
const ATTEMPTS: usize = 3;

/// The settings of a run.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The memory file, by the name it was given.
    pub memory: PathBuf,
    /// Whether that name is the user's own: then it must be there.
    pub named: bool,
    /// Its archive.
    pub archive: Archive,
    /// The folder of daily notes.
    pub notes: Option<PathBuf>,
    /// Days that stay.
    pub window: u32,
    /// Days until a day's line joins its month's.
    pub roll_up: u32,
    /// What the memory file may have.
    pub budget: Budget,
    /// What is taken for an entry.
    pub reading: Reading,
    /// The user's own summariser.
    pub summarizer: Option<Summarizer>,
    /// What time it is.
    pub clock: Clock,
    /// How long to wait for another run.
    pub wait: Option<Duration>,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    /// How many sections it archived.
    pub archived: usize,
    /// How it ended.
    pub exit: Exit,
}

impl Job {
    /// Runs once.
    pub(crate) fn run(&self, journal: &mut Journal<'_>) -> anyhow::Result<Report> {
        let result = self.run_locked(journal);
        if let Err(error) = &result {
            // The disk may be full: then the log cannot tell either, and the error itself is what counts.
            let _ = journal.error(format_args!("Memory optimization failed: {error:#}"));
        }
        result
    }

    fn run_locked(&self, journal: &mut Journal<'_>) -> anyhow::Result<Report> {
        journal
            .info(format_args!("Starting memory optimization for entries older than {} days", self.window))?;
        if let Some(report) = self.missing(journal)? {
            return Ok(report);
        }
        let (real, ownership) = apply::resolve(&self.memory)?;
        let _lock = DirLock::acquire(folder_of(&real), self.wait)?;
        let listing = versions::remove_leftovers(&self.archive, &real)?;
        if versions::carry_over_late_writes(&listing, &real)? {
            journal.warn("Carried over what was written to the previous memory file after the last run")?;
        }
        let mut answers = AnswerCache::default();
        for number in 1..=ATTEMPTS {
            if let Some(report) = self.try_once(number, (&real, ownership), &mut answers, journal)? {
                return Ok(report);
            }
        }
        let folder = folder_of(&real).to_owned();
        Err(Busy { folder }).with_context(|| {
            format!("could not rewrite {}: it changed {ATTEMPTS} times meanwhile", self.memory.display())
        })
    }

    /// Reports that there is nothing to do in a workspace without a memory file. A file that was named must be there.
    fn missing(&self, journal: &mut Journal<'_>) -> anyhow::Result<Option<Report>> {
        if self.named || self.memory.try_exists().unwrap_or(true) || self.memory.is_symlink() {
            return Ok(None);
        }
        journal.info(format_args!("Memory file does not exist at {}", self.memory.display()))?;
        Ok(Some(Report { archived: 0, exit: Exit::Done }))
    }

    /// Plans once and carries the plan out. Returns `None` if the file changed meanwhile; it is then as others left it.
    fn try_once(
        &self,
        number: usize,
        (real, ownership): (&Path, Ownership),
        answers: &mut AnswerCache,
        journal: &mut Journal<'_>,
    ) -> anyhow::Result<Option<Report>> {
        let state = FileState::of(real)?;
        let bytes = read(real)?;
        let document = Document::parse(&bytes, self.reading);
        if number == 1 {
            remarks::log_skipped(&document, self.policy().today, journal)?;
        }
        let listing = self.archive.list()?;
        let moves = self.moves(&document, journal)?;
        if !has_entries(&document) && moves.is_empty() && listing.notes.is_empty() {
            return self.undated(&document, journal).map(Some);
        }
        let ledger = self.ledger()?;
        let ledger = ledger.as_ref();
        let target = Target { memory: real, ownership, archive: &self.archive, listing: &listing, ledger };
        // What is old goes whatever else the plan says: it is written while the summaries are made.
        let old = plan::sections_by_day(&document, &plan::old_enough(&document, self.policy().cutoff()));
        let mut batch = Batch::new(self.archive.folder());
        let (plan, mut entries) = thread::scope(|scope| {
            let write = || target.write_days(&document, &old, &mut batch);
            let writing = (!old.is_empty()).then(|| scope.spawn(write));
            let plan = self.plan(&document, (&listing, &moves), ledger, answers, journal);
            let written = writing.map(|writing| writing.join().unwrap_or_else(|panic| resume_unwind(panic)));
            let written = written.transpose()?.unwrap_or_default();
            plan.map(|plan| (plan, written))
        })?;
        if !moves.is_empty() {
            self.archive.create_notes(ownership)?;
        }
        if !plan.changes {
            apply::add_notes_to_archive(&moves)?;
            Self::finish_notes(&moves, journal)?;
            return self.conclude(&document, &plan, moves.len(), journal).map(Some);
        }
        let days = plan::sections_by_day(&document, &plan.to_archive);
        let further = days.iter().filter(|(date, _)| !old.contains_key(date));
        let further = further.map(|(date, sections)| (*date, sections.clone())).collect();
        entries.extend(target.write_days(&document, &further, &mut batch)?);
        let staged = target.stage(&document, &plan, batch, &entries)?;
        let stamp = stamp::compact(self.clock.now(), Zone::Local);
        let before = self.archive.version(&stamp, bytes.len());
        if apply::commit(staged, real, &state, &bytes, &before, &moves)? == Commit::Changed {
            return Ok(None);
        }
        journal.infos(days.keys().map(|date| format!("Archived memory section for {date}")))?;
        versions::carry_over_late_writes(&versions::remove_leftovers(&self.archive, real)?, real)?;
        Self::finish_notes(&moves, journal)?;
        let archived = days.values().map(Vec::len).sum::<usize>() + moves.len();
        self.conclude(&document, &plan, archived, journal).map(Some)
    }

    /// Reads the record of where archived entries stood. It is kept only where entries are more than headings of level
    /// 2.
    fn ledger(&self) -> anyhow::Result<Option<Ledger>> {
        let plain = self.reading.headings != Headings::Dated && !self.reading.bullets;
        if plain { Ok(None) } else { self.archive.read_ledger().map(Some) }
    }

    fn policy(&self) -> Policy {
        let today = Date::today(self.clock);
        Policy { today, window: self.window, roll_up: self.roll_up, budget: self.budget }
    }

    fn plan(
        &self,
        document: &Document<'_>,
        (listing, moves): (&Listing, &[Move]),
        ledger: Option<&Ledger>,
        answers: &mut AnswerCache,
        journal: &mut Journal<'_>,
    ) -> anyhow::Result<Plan> {
        let links: Links = self.archive.links(folder_of(&self.memory))?;
        let stamp = self.clock.now().rfc3339(Zone::Local);
        let policy = self.policy();
        let known = plan::known(document, &listing.dates, policy.today, |date, sections| {
            let file = self.archive.read(date)?;
            Ok(if let Some(ledger) = ledger {
                ledger.holds(date, &file, sections)
            } else {
                let there = already_there(&file, sections);
                (0..sections.len()).map(|number| number < there).collect()
            })
        })?;
        let (told, paths) = self.archived_notes(listing, moves);
        let input =
            PlanInput { archived: &listing.dates, notes: &told, known: &known, links: &links, stamp: &stamp };
        plan::make(document, input, policy, |request| {
            self.summarise(document, (listing, &paths), request, answers, journal)
        })
    }

    fn undated(&self, document: &Document<'_>, journal: &mut Journal<'_>) -> anyhow::Result<Report> {
        journal.info("No dated sections found; nothing to optimize")?;
        remarks::log_hints(document, journal)?;
        self.hint_at_notes(journal)?;
        let lines = memchr::memchr_iter(b'\n', document.bytes).count() as u64;
        Ok(Report {
            archived: 0,
            exit: self.check_budget(document.bytes.len() as u64, lines, true, journal)?,
        })
    }

    fn conclude(
        &self,
        document: &Document<'_>,
        plan: &Plan,
        archived: usize,
        journal: &mut Journal<'_>,
    ) -> anyhow::Result<Report> {
        let exit = self.check_budget(plan.size(document), plan.lines(document), plan.fits, journal)?;
        journal.info("Memory optimization complete")?;
        Ok(Report { archived, exit })
    }

    fn check_budget(
        &self,
        size: u64,
        lines: u64,
        fits: bool,
        journal: &mut Journal<'_>,
    ) -> anyhow::Result<Exit> {
        let Budget { bytes, lines: most } = self.budget;
        let left = "what is left is pinned, undated or a summary";
        let name = self.memory.display();
        let mut over = false;
        if let Some(max) = bytes.filter(|max| size > *max) {
            over = true;
            journal.warn(format_args!("{name} has {size} bytes, more than the {max} allowed: {left}"))?;
        }
        if let Some(max) = most.filter(|max| lines > *max) {
            over = true;
            journal.warn(format_args!("{name} has {lines} lines, more than the {max} allowed: {left}"))?;
        }
        Ok(Exit::partial_if(over || !fits))
    }
}

fn has_entries(document: &Document<'_>) -> bool {
    document.sections.iter().any(|section| section.date().is_some())
}

#[cfg(test)]
mod tests;
