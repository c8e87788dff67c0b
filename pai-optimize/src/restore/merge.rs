//! Merging archived days back into a memory file. Pure.

use std::cmp::{Ordering, Reverse};
use std::collections::HashSet;
use std::ops::Range;

use crate::date::Date;
use crate::ledger::{self, Ledger, Position};
use crate::memory::{Document, Headings, ITEM, Kind, Reading, joint, without_separator};

/// The outcome for one day that was to be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its entries are in the new file.
    Restored,
    /// Its entries were in the memory file already.
    There,
    /// It ends in a fence or comment that is never closed, and so does another entry: one would swallow the other.
    OpenEnd,
}

/// A memory file into which archived days have been put back.
#[derive(Debug)]
pub struct Merged {
    /// The bytes of the new file.
    pub text: Vec<u8>,
    /// The outcome for each day, in the order of the days.
    pub outcomes: Vec<Outcome>,
}

/// An archived day that is to be put back.
#[derive(Debug)]
pub struct Day {
    /// The day.
    pub date: Date,
    /// The bytes of its archive file.
    pub bytes: Vec<u8>,
    /// The parts in order, each with its place. A part without a [`Position`] goes where its date belongs.
    pub parts: Vec<(Range<usize>, Option<Position>)>,
}

impl Day {
    /// A day that goes back in one piece.
    pub fn whole(date: Date, bytes: Vec<u8>) -> Self {
        let all = 0..bytes.len();
        Self { date, bytes, parts: vec![(all, None)] }
    }

    /// A day whose entries the ledger knows; what lies between them goes back as it is.
    pub fn split(date: Date, bytes: Vec<u8>, ledger: &Ledger) -> Self {
        let mut parts = Vec::new();
        let mut at = 0;
        let between = |range: Range<usize>, parts: &mut Vec<_>| {
            let text = &bytes[range.clone()];
            let bare = without_separator(text);
            if !bare.trim_ascii().is_empty() {
                parts.push((range.start..range.start + bare.len(), None));
            }
        };
        for entry in ledger.entries(date, &bytes) {
            let start = entry.at as usize;
            between(at..start, &mut parts);
            at = start + entry.length as usize;
            parts.push((start..at, Some(entry.position.clone())));
        }
        between(at..bytes.len(), &mut parts);
        Self { date, bytes, parts }
    }
}

/// Puts `days`, which are in order, back into `document`.
pub fn merge(document: &Document<'_>, days: &[Day]) -> Merged {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut outcomes = Vec::with_capacity(days.len());
    let mut open_end = document.unclosed;
    let entries = document.sections.iter().filter(|section| section.date().is_some());
    let entries: HashSet<&[u8]> =
        entries.map(|section| without_separator(document.text(section)).trim_ascii_end()).collect();
    for day in days {
        let mut outcome = Outcome::There;
        for (range, position) in &day.parts {
            let bytes = &day.bytes[range.clone()];
            // An open fence would swallow whatever stood behind it, so it can only be the file's last.
            let Document { unclosed: open, dangling, .. } = Document::parse(bytes, Reading::TITLES);
            // What is known as one entry is there as one entry, not as a part of something else.
            let is_there = match position {
                Some(_) => entries.contains(bytes.trim_ascii_end()),
                None => memchr::memmem::find(document.bytes, bytes).is_some(),
            };
            if is_there {
                continue;
            }
            let at = if open {
                Some(document.bytes.len())
            } else {
                place(document, day.date, bytes, position.as_ref())
            };
            match at.filter(|_| !(open && open_end)) {
                None => outcome = Outcome::OpenEnd,
                Some(at) => {
                    open_end |= open;
                    let newest_first = position.as_ref().is_some_and(|position| position.newest_first);
                    let level = Reverse(level(bytes));
                    pieces.push(Piece { at, open, level, date: day.date, newest_first, dangling, bytes });
                    outcome = if outcome == Outcome::OpenEnd { outcome } else { Outcome::Restored };
                }
            }
        }
        outcomes.push(outcome);
    }
    // Days for one place stay in the order of their dates, what belongs to the heading above before what ends it, an
    // open end last.
    pieces.sort_by(|a, b| (a.at, a.open, a.level).cmp(&(b.at, b.open, b.level)).then_with(|| a.before(b)));
    Merged { text: join(document, &pieces), outcomes }
}

/// A piece on its way back: its bytes, where they go, and how they end: in a fence or comment that is never
/// closed, in an HTML block that needs a blank line.
struct Piece<'a> {
    at: usize,
    open: bool,
    level: Reverse<u8>,
    date: Date,
    newest_first: bool,
    dangling: bool,
    bytes: &'a [u8],
}

impl Piece<'_> {
    fn before(&self, other: &Self) -> Ordering {
        let order = self.date.cmp(&other.date);
        if self.newest_first && other.newest_first { order.reverse() } else { order }
    }
}

/// The highest heading in a piece; a list item has none.
fn level(bytes: &[u8]) -> u8 {
    let headings = crate::markdown::outline(bytes).headings;
    headings.iter().map(|heading| heading.level).min().unwrap_or(ITEM)
}

/// Where a piece goes: behind the heading it stood behind, or where its date belongs.
fn place(document: &Document<'_>, date: Date, bytes: &[u8], position: Option<&Position>) -> Option<usize> {
    let by_date = by_date(document, date);
    let any_level = document.reading.headings == Headings::Dated || document.reading.bullets;
    if !any_level {
        return Some(by_date);
    }
    let level = level(bytes);
    let start = |number: usize| {
        document.sections.get(number).map_or(document.bytes.len(), |section| section.range.start)
    };
    let near = position.map_or(Vec::new(), |position| ledger::candidates(document, date, position));
    let dated = (0..=document.sections.len()).find(|&number| start(number) == by_date);
    let mut all = near.into_iter().chain(dated).chain((0..=document.sections.len()).rev());
    all.find(|&number| fits(document, number, level)).map(start)
}

/// Whether an entry of `level` stays one before section `number`, and nothing below becomes a part of it.
fn fits(document: &Document<'_>, number: usize, level: u8) -> bool {
    let sections = &document.sections;
    let below = sections.get(number);
    let above = number.checked_sub(1).map(|number| &sections[number]);
    let last = below.is_none();
    if last && document.unclosed || below.is_some_and(|below| matches!(below.kind, Kind::Top | Kind::Recent))
    {
        return false;
    }
    let ends = below.is_none_or(|below| below.level <= level);
    let begins = above.is_none_or(|above| {
        above.kind != Kind::Summaries && (above.date().is_none() || above.level >= level)
    });
    ends && begins
}

/// Where a date belongs: before the first later one; otherwise behind the last entry, or at the end. Nothing ever goes
/// behind a fence or comment that is never closed.
fn by_date(document: &Document<'_>, date: Date) -> usize {
    let entries = || document.sections.iter().filter(|section| matches!(section.kind, Kind::Dated(_)));
    let later = entries().find(|section| matches!(section.kind, Kind::Dated(other) if other > date));
    if let Some(later) = later {
        return later.range.start;
    }
    let after =
        entries().next_back().or(document.sections.iter().find(|section| section.kind == Kind::Recent));
    let end = after.map_or(document.bytes.len(), |section| section.range.end);
    match document.sections.last() {
        Some(last) if document.unclosed && end == document.bytes.len() => last.range.start,
        _ => end,
    }
}

/// The file with each piece in its place; they are in order.
fn join(document: &Document<'_>, pieces: &[Piece<'_>]) -> Vec<u8> {
    let old = document.bytes;
    let added: usize = pieces.iter().map(|piece| piece.bytes.len() + 16).sum();
    let mut text = Vec::with_capacity(old.len() + added);
    let mut done = 0;
    let mut dangling = false;
    for piece in pieces {
        put(&mut text, &old[done..piece.at], dangling);
        dangling = if piece.at > done { piece.at == old.len() && document.dangling } else { dangling };
        put(&mut text, piece.bytes, dangling);
        (done, dangling) = (piece.at, piece.dangling);
    }
    put(&mut text, &old[done..], dangling);
    text
}

/// Appends a piece so that what stands above does not draw its heading in.
fn put(text: &mut Vec<u8>, piece: &[u8], dangling: bool) {
    let joint = joint(text, piece, dangling);
    text.extend(joint);
    text.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_go_where_their_dates_belong_and_an_open_end_goes_last() {
        let put_back = |old: &str, days: &[(&str, &str)]| {
            let days: Vec<Day> = days
                .iter()
                .map(|(date, text)| {
                    Day::whole(Date::parse(date.as_bytes()).unwrap(), text.as_bytes().to_vec())
                })
                .collect();
            let Merged { text, outcomes } = merge(&Document::parse(old.as_bytes(), Reading::EXACT), &days);
            (String::from_utf8(text).unwrap(), outcomes)
        };
        let [first, second, third] = ["2025-09-01", "2025-09-02", "2025-09-03"];
        let (a, b, c) = ("## 2025-09-01\na\n", "## 2025-09-02\nb\n", "## 2025-09-03\nc\n");
        let open = "## 2025-09-01\n```\n";
        for (old, days, text, outcomes) in [
            (b, vec![(first, a), (third, c)], [a, b, c].concat(), vec![Outcome::Restored; 2]),
            (b, vec![(first, a), (second, b)], [a, b].concat(), vec![Outcome::Restored, Outcome::There]),
            (
                "# T\n## Recent Entries",
                vec![(first, a)],
                format!("# T\n## Recent Entries\n{a}"),
                vec![Outcome::Restored],
            ),
            ("", vec![], String::new(), vec![]),
            (b, vec![(first, open), (third, c)], [b, c, open].concat(), vec![Outcome::Restored; 2]),
            (
                "## x\n~~~\n",
                vec![(first, open), (second, b)],
                [b, "## x\n~~~\n"].concat(),
                vec![Outcome::OpenEnd, Outcome::Restored],
            ),
            (
                "<p>\n",
                vec![(first, a)],
                format!("<p>\n\n<!-- pai-optimize -->\n{a}"),
                vec![Outcome::Restored],
            ),
        ] {
            assert_eq!(put_back(old, &days), (text, outcomes), "{old:?} {days:?}");
        }
    }
}
