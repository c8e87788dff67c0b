//! Archived sections back into the memory file, byte for byte. The archive keeps them too: the next run recognises
//! them and does not store them twice.

pub mod merge;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use pai_common::atomic::AtomicFile;
use pai_common::clock::{Clock, Zone};
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::home::ensure_private_folder;
use pai_common::lock::{Busy, DirLock};
use pai_common::output::Output;
use pai_common::stamp;

use self::merge::{Day, Merged, Outcome};
use crate::apply::{self, Commit};
use crate::archive::{Archive, Listing};
use crate::conserve;
use crate::date::Date;
use crate::file::{folder_of, read};
use crate::ledger::Ledger;
use crate::memory::{Document, Headings, Reading};
use crate::notes;
use crate::summaries::Period;
use crate::versions;

/// What goes back, in the order of its dates.
pub(crate) struct Restore<'a> {
    /// The memory file.
    pub memory: &'a Path,
    /// Its archive.
    pub archive: &'a Archive,
    /// The folder of daily notes.
    pub notes: Option<&'a Path>,
    /// The days, months and years asked for.
    pub periods: &'a [Period],
    /// What is taken for an entry.
    pub reading: Reading,
    /// What time it is.
    pub clock: Clock,
    /// How long to wait for another run.
    pub wait: Option<Duration>,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Restore<'_> {
    /// Puts the sections back and names each day on stdout.
    pub(crate) fn run(&self, console: &Console) -> anyhow::Result<Exit> {
        let mut out = Output::stdout(false);
        for date in self.put_back(console)? {
            out.line(format!("{date}: {}", self.archive.path(date).display()).as_bytes())?;
        }
        for path in self.notes_back(console)? {
            out.line(path.as_os_str().as_encoded_bytes())?;
        }
        out.finish()?;
        Ok(Exit::partial_if(console.complaints() > 0))
    }

    /// Puts the sections back; returns their days.
    pub(crate) fn put_back(&self, console: &Console) -> anyhow::Result<Vec<Date>> {
        let (real, like) = apply::resolve(self.memory)?;
        let _lock = DirLock::acquire(folder_of(&real), self.wait)?;
        let listing = if self.dry_run {
            self.archive.list()?
        } else {
            versions::remove_leftovers(self.archive, &real)?
        };
        if !self.dry_run {
            versions::carry_over_late_writes(&listing, &real)?;
        }
        let dates = self.wanted(&listing, console);
        let old = read(&real)?;
        let (text, restored) = self.insert(&old, &dates, console)?;
        if restored.is_empty() || self.dry_run {
            return Ok(restored);
        }
        let mut memory = AtomicFile::replace(&real, like.mode)?;
        memory.write_all(&text).with_context(|| format!("could not write {}", real.display()))?;
        let stamp = stamp::compact(self.clock.now(), Zone::Local);
        let before = self.archive.version(&stamp, old.len());
        if apply::swap(memory, &real, &old, &before)? == Commit::Changed {
            return Err(Busy { folder: folder_of(&real).to_owned() }).with_context(|| {
                format!("could not rewrite {}: it changed meanwhile", self.memory.display())
            });
        }
        versions::remove_leftovers(self.archive, &real)?;
        Ok(restored)
    }

    /// Copies the archived notes of the periods asked for into their folder; what is there already is left alone.
    /// Returns where they are.
    fn notes_back(&self, console: &Console) -> anyhow::Result<Vec<PathBuf>> {
        let mut back = Vec::new();
        let notes = self.archive.list()?.notes;
        let wanted: Vec<_> = notes
            .into_iter()
            .filter(|note| self.periods.iter().any(|period| period.covers(note.date)))
            .collect();
        let Some(folder) = self.notes else {
            if !wanted.is_empty() {
                let (count, archived) = (wanted.len(), self.archive.notes());
                console.complain(format_args!(
                    "could not put back {count} daily notes of {}: --notes DIR says where",
                    archived.display()
                ));
            }
            return Ok(back);
        };
        let (real, _) = apply::resolve(self.memory)?;
        let _lock = DirLock::acquire(folder_of(&real), self.wait)?;
        for note in wanted {
            let (from, to) = (self.archive.notes().join(&note.name), folder.join(&note.name));
            let bytes = std::fs::read(&from).with_context(|| format!("could not read {}", from.display()))?;
            match std::fs::read(&to) {
                Ok(there) if there == bytes => {
                    console.note(format_args!("{} is there already", to.display()));
                }
                Ok(_) => console
                    .complain(format_args!("could not put back {}: there is another one", to.display())),
                Err(_) if self.dry_run => back.push(to),
                Err(_) => {
                    ensure_private_folder(folder)?;
                    let like = std::fs::metadata(&from)
                        .with_context(|| format!("could not read {}", from.display()))?;
                    notes::copy(&bytes, &to, &like)?;
                    back.push(to);
                }
            }
        }
        Ok(back)
    }

    /// The archived days of the periods asked for, in order.
    fn wanted(&self, listing: &Listing, console: &Console) -> BTreeSet<Date> {
        let mut dates = BTreeSet::new();
        for period in self.periods {
            let covered = || listing.dates.iter().filter(|&&date| period.covers(date));
            dates.extend(covered());
            let noted = listing.notes.iter().any(|note| period.covers(note.date));
            if covered().next().is_none() && !noted {
                console
                    .complain(format_args!("nothing of {period} is in {}", self.archive.folder().display()));
            }
        }
        dates
    }

    /// The memory file with every day of `dates` that is not in it already, and those days.
    fn insert(
        &self,
        old: &[u8],
        dates: &BTreeSet<Date>,
        console: &Console,
    ) -> anyhow::Result<(Vec<u8>, Vec<Date>)> {
        let plain = self.reading.headings != Headings::Dated && !self.reading.bullets;
        let ledger = if plain { Ledger::default() } else { self.archive.read_ledger()? };
        let day = |&date: &Date| {
            let bytes = self.archive.read(date)?;
            anyhow::Ok(if plain { Day::whole(date, bytes) } else { Day::split(date, bytes, &ledger) })
        };
        let days = dates.iter().map(day).collect::<anyhow::Result<Vec<_>>>()?;
        let document = Document::parse(old, self.reading);
        let Merged { text, outcomes } = merge::merge(&document, &days);
        if !plain {
            conserve::merged(&document, &days, &outcomes, &Document::parse(&text, self.reading))?;
        }
        let mut restored = Vec::new();
        for (&date, outcome) in dates.iter().zip(outcomes) {
            match outcome {
                Outcome::Restored => restored.push(date),
                Outcome::There => console.note(format_args!("{date} is in {} already", self.memory.display())),
                Outcome::OpenEnd => console.complain(format_args!(
                    "could not put back {date}: there, it or another entry would become a part of something else; see {}",
                    self.archive.path(date).display()
                )),
            }
        }
        Ok((text, restored))
    }
}
