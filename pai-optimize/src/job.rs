//! One run: read, plan, summarise, carry out, and say so.

mod remarks;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use pai_common::atomic::{Batch, Ownership};
use pai_common::clock::{Clock, Zone};
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::lock::{Busy, DirLock};
use pai_common::output::Output;
use pai_common::units::human_size;
use pai_common::{signal, stamp};

use crate::apply::{self, Commit, Seen, Site};
use crate::archive::{Archive, Listing, already_there};
use crate::date::Date;
use crate::dated;
use crate::diff;
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::memory::{Document, Headings, Kind, Reading};
use crate::notes::{self, Move};
use crate::plan::{self, Budget, Plan, Policy, Request, Surroundings, Told};
use crate::summaries::{Links, Span, percent_encode};
use crate::summarizer::{Asked, Summarizer};
use crate::{summary, versions};

/// The most columns of a summary line.
pub(crate) const LINE: usize = 160;

/// How often a run plans before it gives way to whoever keeps writing.
const ATTEMPTS: usize = 3;

/// What a run is about.
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

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    /// How many sections it archived.
    pub archived: usize,
    /// How it ended.
    pub exit: Exit,
}

/// What a run would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Outlook {
    /// Entries it would archive.
    pub entries: usize,
    /// Daily notes it would archive.
    pub notes: usize,
    /// What the memory file would have left.
    pub bytes: u64,
    /// In so many lines.
    pub lines: u64,
}

impl Job {
    /// Runs once.
    pub(crate) fn run(&self, journal: &mut Journal<'_>) -> anyhow::Result<Report> {
        let result = self.attempt(journal);
        if let Err(error) = &result {
            // The disk may be full: then the log cannot tell either, and the error itself is what counts.
            let _ = journal.error(format_args!("Memory optimization failed: {error:#}"));
        }
        result
    }

    fn attempt(&self, journal: &mut Journal<'_>) -> anyhow::Result<Report> {
        journal
            .info(format_args!("Starting memory optimization for entries older than {} days", self.window))?;
        if let Some(report) = self.missing(journal)? {
            return Ok(report);
        }
        let (real, like) = apply::resolve(&self.memory)?;
        let _lock = DirLock::acquire(folder_of(&real), self.wait)?;
        let listing = versions::tidy(&self.archive, &real)?;
        if versions::carry_late(&listing, &real)? {
            journal.warn("Carried over what was written to the previous memory file after the last run")?;
        }
        let mut asked = Asked::default();
        for number in 1..=ATTEMPTS {
            if let Some(report) = self.pass(number, (&real, like), &mut asked, journal)? {
                return Ok(report);
            }
        }
        let folder = folder_of(&real).to_owned();
        Err(Busy { folder }).with_context(|| {
            format!("could not rewrite {}: it changed {ATTEMPTS} times meanwhile", self.memory.display())
        })
    }

    /// A workspace without a memory file has nothing to do; a file that was named must be there.
    fn missing(&self, journal: &mut Journal<'_>) -> anyhow::Result<Option<Report>> {
        if self.named || self.memory.try_exists().unwrap_or(true) || self.memory.is_symlink() {
            return Ok(None);
        }
        journal.info(format_args!("Memory file does not exist at {}", self.memory.display()))?;
        Ok(Some(Report { archived: 0, exit: Exit::Done }))
    }

    /// Plans and carries out; `None` if the file changed meanwhile and is as others left it.
    fn pass(
        &self,
        number: usize,
        (real, like): (&Path, Ownership),
        asked: &mut Asked,
        journal: &mut Journal<'_>,
    ) -> anyhow::Result<Option<Report>> {
        let seen = Seen::of(real)?;
        let bytes = read(real)?;
        let document = Document::parse(&bytes, self.reading);
        if number == 1 {
            remarks::tell(&document, self.policy().today, journal)?;
        }
        let listing = self.archive.list()?;
        let moves = self.moves(&document, journal)?;
        if !has_dated(&document) && moves.is_empty() && listing.notes.is_empty() {
            return self.undated(&document, journal).map(Some);
        }
        let ledger = self.ledger()?;
        let ledger = ledger.as_ref();
        let site = Site { real, like, archive: &self.archive, listing: &listing, ledger };
        // What is old goes whatever else the plan says: it is written while the summaries are made.
        let old = plan::leaving(&document, &plan::gone(&document, self.policy().cutoff()));
        let mut batch = Batch::new(self.archive.folder());
        let (plan, mut entries) = thread::scope(|scope| {
            let write = || site.write_days(&document, &old, &mut batch);
            let writing = (!old.is_empty()).then(|| scope.spawn(write));
            let plan = self.plan(&document, (&listing, &moves), ledger, asked, journal);
            let written = writing.map(|writing| writing.join().unwrap_or_else(|panic| resume_unwind(panic)));
            let written = written.transpose()?.unwrap_or_default();
            plan.map(|plan| (plan, written))
        })?;
        if !moves.is_empty() {
            self.archive.create_notes(like)?;
        }
        if !plan.changes {
            apply::arrive(&moves)?;
            Self::tell_notes(&moves, journal)?;
            return self.conclude(&document, &plan, moves.len(), journal).map(Some);
        }
        let days = plan::leaving(&document, &plan.gone);
        let further = days.iter().filter(|(date, _)| !old.contains_key(date));
        let further = further.map(|(date, sections)| (*date, sections.clone())).collect();
        entries.extend(site.write_days(&document, &further, &mut batch)?);
        let staged = site.stage(&document, &plan, batch, &entries)?;
        let stamp = stamp::compact(self.clock.now(), Zone::Local);
        let before = self.archive.version(&stamp, bytes.len());
        if apply::commit(staged, real, &seen, &bytes, &before, &moves)? == Commit::Changed {
            return Ok(None);
        }
        journal.infos(days.keys().map(|date| format!("Archived memory section for {date}")))?;
        versions::carry_late(&versions::tidy(&self.archive, real)?, real)?;
        Self::tell_notes(&moves, journal)?;
        let archived = days.values().map(Vec::len).sum::<usize>() + moves.len();
        self.conclude(&document, &plan, archived, journal).map(Some)
    }

    /// The plan and a diff on stdout; nothing is written anywhere.
    pub(crate) fn dry_run(&self, journal: &mut Journal<'_>) -> anyhow::Result<Report> {
        if let Some(report) = self.missing(journal)? {
            return Ok(report);
        }
        let (real, _) = apply::resolve(&self.memory)?;
        let bytes = read(&real)?;
        let document = Document::parse(&bytes, self.reading);
        remarks::tell(&document, self.policy().today, journal)?;
        let mut out = Output::stdout(false);
        let (listing, ledger) = (self.archive.list()?, self.ledger()?);
        let moves = self.moves(&document, journal)?;
        if !has_dated(&document) && moves.is_empty() && listing.notes.is_empty() {
            return self.undated(&document, journal);
        }
        let plan =
            self.plan(&document, (&listing, &moves), ledger.as_ref(), &mut Asked::default(), journal)?;
        let mut archived = moves.len();
        for (date, sections) in plan::departures(&document, &plan.gone) {
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
        Ok(Report { archived, exit: self.fit(size, lines, plan.fits, journal)? })
    }

    /// What a run would do now; nothing is written, and nobody else's program is asked.
    pub(crate) fn outlook(&self) -> anyhow::Result<Outlook> {
        let console = Console::silent("pai-optimize");
        let mut journal = Journal::console(&console);
        journal.echo = false;
        let (real, _) = apply::resolve(&self.memory)?;
        let bytes = read(&real)?;
        let document = Document::parse(&bytes, self.reading);
        let (listing, ledger) = (self.archive.list()?, self.ledger()?);
        let moves = self.moves(&document, &mut journal)?;
        let plain = Self { summarizer: None, ..self.clone() };
        let asked = &mut Asked::default();
        let plan = plain.plan(&document, (&listing, &moves), ledger.as_ref(), asked, &mut journal)?;
        Ok(Outlook {
            entries: plan.gone.iter().filter(|gone| **gone).count(),
            notes: moves.len(),
            bytes: plan.size(&document),
            lines: plan.lines(&document),
        })
    }

    /// Where the archive's entries stood: kept where entries are more than headings of level 2.
    fn ledger(&self) -> anyhow::Result<Option<Ledger>> {
        let plain = self.reading.headings != Headings::Dated && !self.reading.bullets;
        if plain { Ok(None) } else { self.archive.read_ledger().map(Some) }
    }

    /// The notes that are old enough, and where they go.
    fn moves(&self, document: &Document<'_>, journal: &mut Journal<'_>) -> anyhow::Result<Vec<Move>> {
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

    fn tell_notes(moves: &[Move], journal: &mut Journal<'_>) -> anyhow::Result<()> {
        let changed = apply::leave(moves)?;
        journal.infos(moves.iter().map(|note| format!("Archived note {}", note.name().to_string_lossy())))?;
        for path in changed {
            journal.warn(format_args!("{} changed meanwhile: the next run looks again", path.display()))?;
        }
        Ok(())
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
        asked: &mut Asked,
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
        let (told, paths) = self.told(listing, moves);
        let around = Surroundings {
            archived: &listing.dates,
            notes: &told,
            known: &known,
            links: &links,
            stamp: &stamp,
        };
        plan::make(document, around, policy, |request| {
            self.summarise(document, (listing, &paths), request, asked, journal)
        })
    }

    /// The notes that are in the archive or will be, and where each is now.
    fn told(&self, listing: &Listing, moves: &[Move]) -> (Vec<Told>, Vec<PathBuf>) {
        let archived = self.archive.notes();
        let mut notes: BTreeMap<(Date, OsString), PathBuf> = listing
            .notes
            .iter()
            .map(|note| ((note.date, note.name.clone()), archived.join(&note.name)))
            .collect();
        for note in moves {
            let date = notes::date_of(note.name().as_encoded_bytes());
            notes.extend(date.map(|date| ((date, note.name().to_owned()), note.from().to_owned())));
        }
        let encoded = |name: &OsString| percent_encode(name.as_encoded_bytes());
        notes.into_iter().map(|((date, name), path)| (Told { date, name: encoded(&name) }, path)).unzip()
    }

    fn summarise(
        &self,
        document: &Document<'_>,
        (listing, notes): (&Listing, &[PathBuf]),
        request: &Request,
        asked: &mut Asked,
        journal: &mut Journal<'_>,
    ) -> anyhow::Result<String> {
        signal::check()?;
        let texts = self.originals(document, (listing, notes), request)?;
        let texts: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
        let day = request.period.span() == Span::Day;
        let extract = || {
            if day { summary::line(&texts, LINE) } else { summary::period(request.dates.len(), &texts, LINE) }
        };
        let line = match &self.summarizer {
            None => extract(),
            Some(summarizer) => match asked.line(summarizer, &texts)? {
                Ok(line) => line,
                Err(failure) => {
                    journal.warn(format_args!(
                        "The summarizer gave no line for {}, an extract stands in: {failure}",
                        request.period
                    ))?;
                    extract()
                }
            },
        };
        if !day {
            return Ok(summary::cut(&line, LINE));
        }
        let note = request.notes.first().and_then(|_| summary::heading(texts.first()?));
        // A list item begins with the date that the line begins with.
        let line = dated::without_leading(&line, self.reading.order);
        let mut titles: Vec<String> =
            note.map(|heading| dated::title(&heading, self.reading.order)).into_iter().collect();
        // From the texts, not from what goes now: a run that was cut short and the next one come to the same line.
        for text in texts.iter().filter(|_| request.notes.is_empty()) {
            let inside = Document::parse(text, self.reading);
            let entries = inside.sections.iter().filter(|section| section.date().is_some());
            titles.extend(entries.filter_map(|section| inside.title(section)));
        }
        let mut told: Vec<&str> = Vec::new();
        for title in titles.iter().filter(|title| !title.is_empty()) {
            if !told.contains(&title.as_str()) {
                told.push(title);
            }
        }
        Ok(if told.is_empty() {
            summary::cut(line, LINE)
        } else {
            summary::cut(&format!("{}: {line}", told.join("; ")), LINE)
        })
    }

    /// The texts a period's line stands for, by day: a run that was cut short and the next one come to the same line.
    fn originals<'a>(
        &self,
        document: &Document<'a>,
        (listing, notes): (&Listing, &[PathBuf]),
        request: &Request,
    ) -> anyhow::Result<Vec<Cow<'a, [u8]>>> {
        let mut texts = Vec::with_capacity(request.dates.len());
        for &note in &request.notes {
            let path = &notes[note];
            let date = path.file_name().and_then(|name| notes::date_of(name.as_encoded_bytes()));
            let bytes = std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
            texts.push((date, Cow::Owned(bytes)));
        }
        let is_note = request.period.span() == Span::Day && !request.notes.is_empty();
        let days = request.dates.iter().filter(|date| !is_note && listing.dates.contains(date));
        for &date in days {
            texts.push((Some(date), Cow::Owned(self.archive.read(date)?)));
        }
        for section in request.sections.iter().map(|&section| &document.sections[section]) {
            let date = match section.kind {
                Kind::Dated(date) => Some(date),
                _ => None,
            };
            texts.push((date, Cow::Borrowed(document.text(section))));
        }
        texts.sort_by_key(|(date, _)| *date);
        Ok(texts.into_iter().map(|(_, text)| text).collect())
    }

    fn undated(&self, document: &Document<'_>, journal: &mut Journal<'_>) -> anyhow::Result<Report> {
        journal.info("No dated sections found; nothing to optimize")?;
        remarks::hint(document, journal)?;
        self.hint_at_notes(journal)?;
        let lines = memchr::memchr_iter(b'\n', document.bytes).count() as u64;
        Ok(Report { archived: 0, exit: self.fit(document.bytes.len() as u64, lines, true, journal)? })
    }

    fn hint_at_notes(&self, journal: &mut Journal<'_>) -> anyhow::Result<()> {
        let folder = self.memory.with_file_name("memory");
        let count = if self.notes.is_none() { notes::list(&folder)?.len() } else { 0 };
        if count == 0 {
            return Ok(());
        }
        let option = format!("--notes {}", folder.display());
        journal
            .info(format_args!("hint: {option} would take {count} daily notes; try pai-optimize -n {option}"))
    }

    fn conclude(
        &self,
        document: &Document<'_>,
        plan: &Plan,
        archived: usize,
        journal: &mut Journal<'_>,
    ) -> anyhow::Result<Report> {
        let exit = self.fit(plan.size(document), plan.lines(document), plan.fits, journal)?;
        journal.info("Memory optimization complete")?;
        Ok(Report { archived, exit })
    }

    fn fit(&self, size: u64, lines: u64, fits: bool, journal: &mut Journal<'_>) -> anyhow::Result<Exit> {
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

/// The most of one file that is read: a memory file is held in memory, with what becomes of it. Nobody's notes are that
/// long; a program that writes without end soon is.
pub(crate) const MOST: u64 = 1 << 30;

/// The whole memory file.
pub(crate) fn read(real: &Path) -> anyhow::Result<Vec<u8>> {
    let size = std::fs::metadata(real).map_or(0, |found| found.len());
    if size > MOST {
        return Err(too_large(real, size));
    }
    std::fs::read(real).with_context(|| format!("could not read {}", real.display()))
}

/// What is said of a file of so many bytes.
pub(crate) fn too_large(path: &Path, size: u64) -> anyhow::Error {
    let (path, size, most) = (path.display(), human_size(size), human_size(MOST));
    Hinted::new(
        anyhow!(
            "could not read {path}: it has {size}, more than the {most} that a memory file or a note may have"
        ),
        "find out what writes to it; nothing was changed",
    )
    .into()
}

/// The folder a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn has_dated(document: &Document<'_>) -> bool {
    document.sections.iter().any(|section| matches!(section.kind, Kind::Dated(_)))
}

#[cfg(test)]
mod tests;
