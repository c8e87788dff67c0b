//! Whether archive and memory file together account for everything: days, links, summaries, size.

use std::collections::BTreeSet;
use std::path::Path;

use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::units::human_size;

use crate::archive::{Archive, Listing};
use crate::date::Date;
use crate::file::{folder_of, read};
use crate::memory::{Document, Headings, Kind, Reading};
use crate::plan;
use crate::summaries::{self, Block, Links, Period, percent_encode};

/// A check: the files that it looks at, and the limits.
pub(crate) struct Check<'a> {
    /// The memory file.
    pub memory: &'a Path,
    /// Its archive.
    pub archive: &'a Archive,
    /// The rules by which entries are told.
    pub reading: Reading,
    /// The most bytes that the memory file may have.
    pub max_size: u64,
    /// The most lines that the memory file may have.
    pub max_lines: u64,
}

impl Check<'_> {
    /// Names everything that is wrong on stdout; exit 1 if anything is.
    pub(crate) fn run(&self, console: &Console) -> anyhow::Result<Exit> {
        let bytes = read(self.memory)?;
        let document = Document::parse(&bytes, self.reading);
        let listing = self.archive.list()?;
        let block = plan::read_block(&document);
        let mut found = Vec::new();
        self.size(&bytes, &mut found);
        self.days(&listing, &block, console, &mut found);
        self.notes(&listing, &block, &self.archive.links(folder_of(self.memory))?, &mut found);
        counts(&listing, &block, &mut found);
        self.links(&document, &mut found);
        for section in document.sections.iter().filter(|section| section.in_doubt) {
            let line = document.line_number(section.range.start);
            found.push(format!("line {line}: a code fence or comment there is never closed"));
        }
        for stale in &listing.stale {
            found
                .push(format!("{}: left by a run that was killed; the next run removes it", stale.display()));
        }
        let mut out = Output::stdout(false);
        for one in &found {
            out.line(format!("{}: {one}", self.memory.display()).as_bytes())?;
        }
        if found.is_empty() {
            let days = listing.dates.len();
            out.line(format!("{}: OK ({days} days archived)", self.memory.display()).as_bytes())?;
        }
        out.finish()?;
        Ok(Exit::partial_if(!found.is_empty() || console.complaints() > 0))
    }

    fn size(&self, bytes: &[u8], found: &mut Vec<String>) {
        let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        let size = bytes.len() as u64;
        if size > self.max_size || lines > self.max_lines {
            let (now, most) = (human_size(size), human_size(self.max_size));
            found.push(format!(
                "{now} in {lines} lines, over the budget of {most} and {} lines",
                self.max_lines
            ));
        }
    }

    /// Checks that each archive file holds its own day, and that some summary line stands for it.
    fn days(&self, listing: &Listing, block: &Block, console: &Console, found: &mut Vec<String>) {
        let periods: Vec<Period> = block.by_period().into_keys().collect();
        for &date in &listing.dates {
            let path = self.archive.path(date);
            let bytes = match self.archive.read(date) {
                Ok(bytes) => bytes,
                Err(error) => {
                    console.complain(format_args!("{error:#}"));
                    continue;
                }
            };
            let order = self.reading.order;
            let broad = Reading { headings: Headings::Dated, order, bullets: true };
            let holds = |reading| {
                let inside = Document::parse(&bytes, reading);
                inside.sections.iter().any(|section| section.kind == Kind::Dated(date))
            };
            if !holds(Reading::TITLES) && !holds(broad) {
                found.push(format!("{} holds no section of its day", path.display()));
            }
            let summarised = periods.binary_search(&Period::day(date)).is_ok()
                || periods.iter().any(|period| period.only_day().is_none() && period.covers(date));
            if !summarised {
                found.push(format!("no summary stands for {}", path.display()));
            }
        }
    }

    /// Checks that some summary line stands for each archived note.
    fn notes(&self, listing: &Listing, block: &Block, links: &Links, found: &mut Vec<String>) {
        for note in &listing.notes {
            let name = percent_encode(note.name.as_encoded_bytes());
            let summarised = block.lines.iter().any(|(period, line)| match period.only_day() {
                Some(_) => links.is_of_note(line, &name),
                None => period.covers(note.date),
            });
            if !summarised {
                found.push(format!(
                    "no summary stands for {}",
                    self.archive.notes().join(&note.name).display()
                ));
            }
        }
    }

    /// Checks that every relative link of the summaries leads somewhere.
    fn links(&self, document: &Document<'_>, found: &mut Vec<String>) {
        let folder = folder_of(self.memory);
        for section in document.sections.iter().filter(|section| section.kind == Kind::Summaries) {
            let text = document.text(section);
            for at in memchr::memmem::find_iter(text, b"](") {
                let target = &text[at + 2..];
                let target = &target[..memchr::memchr2(b')', b'\n', target).unwrap_or(target.len())];
                let path = folder.join(decoded(target));
                if memchr::memmem::find(target, b"://").is_none() && !path.exists() {
                    let line = document.line_number(section.range.start + at);
                    found.push(format!("line {line}: {} does not exist", path.display()));
                }
            }
        }
    }
}

/// Checks that a day's line has its original, and a month's or year's as many as it says.
fn counts(listing: &Listing, block: &Block, found: &mut Vec<String>) {
    let days: BTreeSet<Date> =
        listing.dates.iter().copied().chain(listing.notes.iter().map(|note| note.date)).collect();
    for (period, lines) in block.by_period() {
        let have = match period.only_day() {
            Some(day) => usize::from(days.contains(&day)),
            None => days.iter().filter(|&&date| period.covers(date)).count(),
        };
        let wanted = lines.iter().filter_map(|line| summaries::days(line)).max().unwrap_or(1);
        if have < wanted {
            found.push(format!(
                "{period}: {have} of {wanted} days are in the archive; the summary is what is left"
            ));
        }
    }
}

fn decoded(target: &[u8]) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut out = Vec::with_capacity(target.len());
    let mut rest = target;
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let Some(code) = code.filter(|_| byte == b'%') {
            out.push(code);
            rest = &after[2..];
        } else {
            out.push(byte);
            rest = after;
        }
    }
    std::ffi::OsString::from_vec(out).into()
}
