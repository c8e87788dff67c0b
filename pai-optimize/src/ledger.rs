//! Where each archived entry stood: `memory-entries.jsonl` beside the archive files. An entry's bytes are in its day's
//! file; a line here says which of them, and below which heading they belong. Without it nothing is lost but that.
//! Pure, but for the JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pai_common::sha256;
use serde::{Deserialize, Serialize};

use crate::archive::already_there;
use crate::date::Date;
use crate::memory::{Document, Kind, Section};

/// The place of an entry in the memory file before it was archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The headings above it, from the outermost on.
    pub under: Vec<String>,
    /// The last heading before it that is no entry's.
    pub behind: Option<String>,
    /// Whether its neighbours run from the newest to the oldest.
    pub newest_first: bool,
}

/// One archived entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The entry's day.
    pub day: Date,
    /// The offset at which it begins in its day's archive file.
    pub at: u64,
    /// Its length in bytes.
    pub length: u64,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    /// The place where it stood.
    #[serde(flatten)]
    pub position: Position,
}

impl Entry {
    /// Makes the record of the entry `text`, which begins at byte `at` of the archive file of `day`.
    pub fn new(day: Date, at: usize, text: &[u8], position: Position) -> Self {
        Self { day, at: at as u64, length: text.len() as u64, sha256: digest(text), position }
    }

    /// Returns the entry's bytes in `file`, its day's archive file, if they are still there.
    pub fn bytes<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.at).ok()?;
        let bytes = file.get(start..start.checked_add(usize::try_from(self.length).ok()?)?)?;
        (digest(bytes) == self.sha256).then_some(bytes)
    }
}

fn digest(bytes: &[u8]) -> String {
    sha256::to_hex(&sha256::digest(bytes))
}

/// All records, by day.
#[derive(Debug, Default, Clone)]
pub struct Ledger(BTreeMap<Date, Vec<Entry>>);

impl Ledger {
    /// Reads the ledger's file. A line that is no record is passed over.
    pub fn read(text: &[u8]) -> Self {
        let mut days: BTreeMap<Date, Vec<Entry>> = BTreeMap::new();
        for line in text.split(|&byte| byte == b'\n') {
            if let Ok(entry) = serde_json::from_slice::<Entry>(line) {
                days.entry(entry.day).or_default().push(entry);
            }
        }
        Self(days)
    }

    /// Returns the records of `day` whose bytes are where they should be in `file`, in its order and each once.
    pub fn entries(&self, day: Date, file: &[u8]) -> Vec<&Entry> {
        let mut found: Vec<&Entry> = self.0.get(&day).into_iter().flatten().collect();
        found.sort_by_key(|entry| entry.at);
        let mut end = 0;
        found.retain(|entry| {
            let good = entry.at >= end && entry.bytes(file).is_some();
            end = if good { entry.at + entry.length } else { end };
            good
        });
        found
    }

    /// Adds records.
    pub fn add(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.0.entry(entry.day).or_default().push(entry);
        }
    }

    /// Says of each of `sections` whether `file`, the archive file of `day`, holds it already. A section's last line
    /// may have got its ending when it was put back in the middle of a file.
    pub fn holds(&self, day: Date, file: &[u8], sections: &[&[u8]]) -> Vec<bool> {
        let mut free = self.entries(day, file);
        let mut held = vec![false; sections.len()];
        for (held, section) in held.iter_mut().zip(sections) {
            let bare = section.strip_suffix(b"\n").unwrap_or(section);
            let texts = [section, bare, bare.strip_suffix(b"\r").unwrap_or(bare)];
            let same = |entry: &&Entry| texts.iter().any(|text| entry.bytes(file) == Some(text));
            if let Some(at) = free.iter().position(same) {
                free.remove(at);
                *held = true;
            }
        }
        // What was archived without a line here ends the file.
        let fresh: Vec<usize> = (0..sections.len()).filter(|&number| !held[number]).collect();
        let texts: Vec<&[u8]> = fresh.iter().map(|&number| sections[number]).collect();
        for &number in &fresh[..already_there(file, &texts)] {
            held[number] = true;
        }
        held
    }
}

/// Makes a record for each of `sections`, which stand in this order in `added`, the end of a file that had `at` bytes.
pub fn recorded(
    date: Date,
    mut at: usize,
    added: &[Cow<'_, [u8]>],
    sections: &[&[u8]],
    positions: impl Iterator<Item = Position>,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut next = sections.iter().zip(positions).peekable();
    // Those that end the file already come first, and are not added.
    let fresh = added.iter().filter(|part| sections.iter().any(|section| part.as_ref() == *section)).count();
    for _ in fresh..sections.len() {
        next.next();
    }
    for part in added {
        if let Some((section, position)) = next.next_if(|(section, _)| part.as_ref() == **section) {
            entries.push(Entry::new(date, at, section, position));
        }
        at += part.len();
    }
    entries
}

/// Returns the place of section `number`.
pub fn position(document: &Document<'_>, number: usize) -> Position {
    let sections = &document.sections;
    let mut under = Vec::new();
    let mut level = sections[number].level;
    for section in sections[..number].iter().rev().filter(|section| is_place(section)) {
        if section.level < level {
            level = section.level;
            under.insert(0, document.heading(section));
        }
    }
    let anchor = sections[..number].iter().rposition(is_place);
    let first = anchor.map_or(0, |anchor| anchor + 1);
    let run = || sections[first..].iter().take_while(|section| is_beside(section)).filter_map(Section::date);
    Position {
        under,
        behind: anchor.map(|anchor| document.heading(&sections[anchor])),
        newest_first: run().next() > run().last(),
    }
}

/// Says whether a section has a heading that stays and that an entry can stand below or behind.
fn is_place(section: &Section) -> bool {
    let other = matches!(section.kind, Kind::Dated(_) | Kind::Text | Kind::Summaries | Kind::Recent);
    !other && !section.heading.is_empty()
}

/// Says whether a section may stand between a heading and an entry below it: our own blocks are put in behind a file's
/// title.
fn is_beside(section: &Section) -> bool {
    matches!(section.kind, Kind::Dated(_) | Kind::Text | Kind::Summaries | Kind::Recent)
}

/// Returns the sections before which an entry that stood at `position` may go, best first; none if its heading is gone.
pub fn candidates(document: &Document<'_>, date: Date, position: &Position) -> Vec<usize> {
    let Some(anchor) = anchor(document, position) else { return Vec::new() };
    let sections = &document.sections;
    let end = sections[anchor + 1..].iter().position(|section| !is_beside(section));
    let end = end.map_or(sections.len(), |length| anchor + 1 + length);
    let passed = |other: Date| if position.newest_first { other < date } else { other > date };
    let best = (anchor + 1..end).find(|&at| sections[at].date().is_some_and(passed)).unwrap_or(end);
    let mut places: Vec<usize> = (anchor + 1..=end).collect();
    places.sort_by_key(|&place| place.abs_diff(best));
    places
}

/// Returns the section that `position` is behind, or else the innermost of those it is below.
fn anchor(document: &Document<'_>, position: &Position) -> Option<usize> {
    let mut chain: Vec<(u8, String)> = Vec::new();
    let mut parent = None;
    for (number, section) in document.sections.iter().enumerate().filter(|(_, section)| is_place(section)) {
        let heading = document.heading(section);
        chain.retain(|(level, _)| *level < section.level);
        chain.push((section.level, heading));
        let inside = chain.iter().map(|(_, heading)| heading).zip(&position.under).all(|(a, b)| a == b);
        let deep = chain.len() >= position.under.len();
        if inside && deep && position.behind.as_ref() == chain.last().map(|(_, heading)| heading) {
            return Some(number);
        }
        if inside && chain.len() == position.under.len() {
            parent = Some(number);
        }
    }
    parent
}
