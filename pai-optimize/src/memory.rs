//! A memory file as sections: every byte of it belongs to exactly one. Pure.

mod bullets;
mod joint;
mod reading;

use std::ops::Range;

pub use self::joint::{
    completion, is_hashed, is_plain_item, is_separator, joint, line_ending, separator, without_separator,
};
pub use self::reading::{Headings, Reading};
use crate::date::Date;
use crate::dated;
use crate::markdown::{self, Heading};

/// The role of a section in the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What stands before the first entry: byte order mark, front matter, preamble, the file's title.
    Top,
    /// An entry: `## YYYY-MM-DD`, and what else the [`Reading`] takes for one.
    Dated(Date),
    /// Our `## Summaries`, also as the published script wrote it.
    Summaries,
    /// Our `## Recent Entries`.
    Recent,
    /// A section with any other heading; it stays where it is.
    Undated,
    /// The text between dated list items and behind them; it stays.
    Text,
    /// A section of a day that no calendar has, `## 2025-02-30`; it stays.
    Impossible,
    /// A section `## YYYY-MM-DD - title` without `--titles`; it stays.
    Titled(Date),
    /// A section with a date in its heading that is yet no entry; it stays.
    Kept(Reason),
}

/// The reason why a heading with a date in it is no entry under `--headings dated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It has several dates.
    Several,
    /// It has the first and last day of something.
    Range,
    /// Whether 06.03.2026 is in March or in June is for `--date-order` to say.
    Unclear,
    /// It is of level 1 and does not begin with its date: the title of a file or of a part of it.
    Title,
}

/// The level of a dated list item; it is below that of every heading.
pub const ITEM: u8 = 7;

/// A section of a memory file, its heading included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The range of its bytes in the file.
    pub range: Range<usize>,
    /// The range of its heading's text; empty for [`Kind::Top`].
    pub heading: Range<usize>,
    /// Its role in the job.
    pub kind: Kind,
    /// Its heading's level, [`ITEM`] without one; 0 for [`Kind::Top`].
    pub level: u8,
    /// It holds `<!-- pin -->`: never archived.
    pub pinned: bool,
    /// It holds a fence or comment that is never closed and that swallows a dated heading, so where it ends is
    /// anyone's guess: it stays.
    pub in_doubt: bool,
}

/// A memory file, cut into sections.
#[derive(Debug)]
pub struct Document<'a> {
    /// The bytes of the file.
    pub bytes: &'a [u8],
    /// Its sections, in order and without gaps.
    pub sections: Vec<Section>,
    /// The rules by which entries were told.
    pub reading: Reading,
    /// A fence or comment runs to the end of the file: nothing may be put behind it.
    pub unclosed: bool,
    /// The file ends in an HTML block that needs a blank line to end.
    pub dangling: bool,
}

impl<'a> Document<'a> {
    /// Cuts `bytes` into sections.
    pub fn parse(bytes: &'a [u8], reading: Reading) -> Self {
        let outline = markdown::outline(bytes);
        let headings = cutting(bytes, &outline.headings, reading);
        let mut sections: Vec<Section> = Vec::new();
        let first = headings.first().map_or(bytes.len(), |(heading, _)| heading.start);
        if first > 0 {
            sections.push(Section::plain(0..first, Kind::Top, 0));
        }
        let mut at = 0;
        while let Some((heading, kind)) = headings.get(at) {
            at += 1;
            if let Kind::Dated(_) = kind {
                // What stands below it is a part of it, but for the blocks that are ours.
                let own = |kind: &Kind| matches!(kind, Kind::Summaries | Kind::Recent);
                while headings.get(at).is_some_and(|(next, kind)| next.level > heading.level && !own(kind)) {
                    at += 1;
                }
            }
            let end = headings.get(at).map_or(bytes.len(), |(next, _)| next.start);
            let mut section = Section::plain(heading.start..end, *kind, heading.level);
            section.heading = heading.text.clone();
            sections.push(section);
        }
        if reading.bullets {
            sections = bullets::cut(bytes, sections, reading, outline.unclosed.is_some());
        }
        mark_pins(bytes, &mut sections);
        if let Some(range) = &outline.unclosed {
            mark_doubt(bytes, range, &mut sections, reading);
        }
        Self { bytes, sections, reading, unclosed: outline.unclosed.is_some(), dangling: outline.dangling }
    }

    /// Returns the bytes of a section.
    pub fn text(&self, section: &Section) -> &'a [u8] {
        &self.bytes[section.range.clone()]
    }

    /// Returns a section's heading as people read it.
    pub fn heading(&self, section: &Section) -> String {
        String::from_utf8_lossy(&self.bytes[section.heading.clone()]).into_owned()
    }

    /// Returns what a section's heading says beside its date, if anything.
    pub fn title(&self, section: &Section) -> Option<String> {
        let heading = self.heading(section);
        let title = if self.reading.headings == Headings::Dated {
            dated::title(&heading, self.reading.order)
        } else {
            let rest = heading.get(10..).unwrap_or_default();
            rest.trim_start_matches(|c: char| c.is_whitespace() || "-–—:".contains(c)).trim_end().to_owned()
        };
        (!title.is_empty()).then_some(title)
    }

    /// Returns the number of the line that holds byte `offset`; the first line is 1.
    pub fn line_number(&self, offset: usize) -> usize {
        memchr::memchr_iter(b'\n', &self.bytes[..offset]).count() + 1
    }

    /// Returns the line ending that this file uses.
    pub fn line_ending(&self) -> &'static [u8] {
        line_ending(self.bytes)
    }
}

impl Section {
    fn plain(range: Range<usize>, kind: Kind, level: u8) -> Self {
        Self { heading: range.start..range.start, range, kind, level, pinned: false, in_doubt: false }
    }

    /// Returns the section's day, if it is an entry.
    pub fn date(&self) -> Option<Date> {
        match self.kind {
            Kind::Dated(date) => Some(date),
            _ => None,
        }
    }
}

/// Returns the headings that begin a section, each with the section's kind.
fn cutting<'h>(bytes: &[u8], headings: &'h [Heading], reading: Reading) -> Vec<(&'h Heading, Kind)> {
    // Moved to the start of a file, a byte order mark in front of a heading's text would be the file's: what it
    // stands in stays with the section above.
    let marked = |start: usize| start > 0 && bytes[start..].starts_with(b"\xef\xbb\xbf");
    let deepest = if reading.headings == Headings::Dated { 6 } else { 2 };
    let headings = headings.iter().filter(|heading| heading.level <= deepest && !marked(heading.start));
    let mut own = Vec::new();
    headings
        .enumerate()
        .map(|(number, heading)| {
            let kind = reading.kind_of(&bytes[heading.text.clone()], heading.level, number == 0);
            // Where a heading of any level or a list item can be an entry, a second block of ours holds apart what
            // stands above and below it: it stays.
            let again = own.contains(&kind) && (reading.headings == Headings::Dated || reading.bullets);
            if matches!(kind, Kind::Summaries | Kind::Recent) {
                own.push(kind);
            }
            (heading, if again { Kind::Undated } else { kind })
        })
        .collect()
}

fn mark_pins(bytes: &[u8], sections: &mut [Section]) {
    for at in memchr::memmem::find_iter(bytes, b"<!-- pin -->") {
        let holder = sections.partition_point(|section| section.range.end <= at);
        sections[holder].pinned = true;
    }
}

fn mark_doubt(bytes: &[u8], unclosed: &Range<usize>, sections: &mut [Section], reading: Reading) {
    let swallows = bytes[unclosed.clone()].split(|&b| b == b'\n').skip(1).any(|line| {
        let line = line.trim_ascii_start();
        let hashes = line.iter().take_while(|&&byte| byte == b'#').count();
        reading.swallowed(&line[hashes..], hashes)
    });
    if let Some(last) = sections.last_mut() {
        last.in_doubt = swallows;
        // Nothing may be written behind an open fence, so such a block of ours is left as it is.
        if matches!(last.kind, Kind::Summaries | Kind::Recent) {
            last.kind = Kind::Undated;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, usize)> {
        let document = Document::parse(text.as_bytes(), Reading::EXACT);
        let whole: Vec<u8> =
            document.sections.iter().flat_map(|section| document.text(section)).copied().collect();
        assert_eq!(whole, text.as_bytes(), "sections leave no gap");
        document.sections.iter().map(|section| (section.kind, section.range.len())).collect()
    }

    fn date(text: &str) -> Date {
        Date::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn headings_decide_what_a_section_is() {
        let day = date("2025-09-01");
        for (heading, kind) in [
            ("## 2025-09-01", Kind::Dated(day)),
            ("##\t2025-09-01  ", Kind::Dated(day)),
            ("   ## 2025-09-01 ##", Kind::Dated(day)),
            ("2025-09-01\n---", Kind::Dated(day)),
            ("2025-09-01\n===", Kind::Undated),
            ("# 2025-09-01", Kind::Undated),
            ("## Projects", Kind::Undated),
            ("##", Kind::Undated),
            ("## 2025-02-30", Kind::Impossible),
            ("## 2025-09-01 - a title", Kind::Titled(day)),
            ("## 2025-09-01: a title", Kind::Titled(day)),
            ("## 2025-09-011", Kind::Undated),
            ("## Summaries", Kind::Summaries),
            ("## Recent Entries", Kind::Recent),
        ] {
            let text = format!("# Top\n\n{heading}\ntext\n### deeper\n");
            assert_eq!(kinds(&text)[1].0, kind, "{heading}");
            assert_eq!(kinds(&text).len(), 2, "{heading}");
        }
    }

    #[test]
    fn link_definitions_stay_with_the_heading_that_would_be_none_without_them() {
        for section in ["[x]: /y\n    code\n===\ntext\n", "[x]: /y\n-\ntext\n---\n"] {
            let kinds = kinds(&format!("## 2025-09-01\n{section}"));
            assert_eq!(kinds, [(Kind::Dated(date("2025-09-01")), 14), (Kind::Undated, section.len())]);
        }
    }

    #[test]
    fn a_byte_order_mark_begins_no_section_but_the_first() {
        let text = "## 2025-09-01\n\u{feff}2025-09-03\n---\n";
        assert_eq!(kinds(text), [(Kind::Dated(date("2025-09-01")), text.len())]);
    }

    #[test]
    fn what_stands_before_the_first_entry_is_the_top() {
        for (text, top) in [
            ("# PAI Memory\n\n## 2025-09-01\n", 14),
            ("intro\n\n## 2025-09-01\n", 7),
            ("\u{feff}## 2025-09-01\n", 3),
            ("---\na: b\n---\n# T\n## 2025-09-01\n", 17),
            ("## 2025-09-01\n# Late\n", 0),
        ] {
            let found = kinds(text);
            let found: usize = found.iter().filter(|(kind, _)| *kind == Kind::Top).map(|found| found.1).sum();
            assert_eq!(found, top, "{text:?}");
        }
        assert_eq!(kinds(""), []);
        assert_eq!(kinds("x"), [(Kind::Top, 1)]);
    }

    #[test]
    fn an_unclosed_fence_that_swallows_a_date_puts_its_section_in_doubt() {
        let text = "## 2025-09-01\na\n\n## 2025-09-02\n```\n## 2025-09-03\n";
        let document = Document::parse(text.as_bytes(), Reading::EXACT);
        assert_eq!(
            document.sections.iter().map(|section| section.in_doubt).collect::<Vec<_>>(),
            [false, true]
        );
        let harmless = Document::parse(b"## 2025-09-01\n```\ncode\n", Reading::EXACT);
        assert!(!harmless.sections[0].in_doubt && harmless.unclosed);
    }

    #[test]
    fn a_pin_and_a_title_are_seen() {
        let text = "## 2025-09-01 - Trip to Rome\n<!-- pin -->\n\n## 2025-09-02\n";
        let document = Document::parse(text.as_bytes(), Reading::TITLES);
        assert_eq!(document.sections.iter().map(|section| section.pinned).collect::<Vec<_>>(), [true, false]);
        assert_eq!(document.sections[0].kind, Kind::Dated(date("2025-09-01")));
        assert_eq!(document.title(&document.sections[0]).as_deref(), Some("Trip to Rome"));
        assert_eq!(document.title(&document.sections[1]), None);
    }
}
