//! What is taken for an entry.

use super::{Kind, Reason};
use crate::date::{self, Date};
use crate::dated::{self, Order, Verdict};

/// The rules by which the entries of a memory file are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Which headings begin an entry.
    pub headings: Headings,
    /// Whether `06.03.2026` is in March or in June; without it, it is no date.
    pub order: Option<Order>,
    /// Whether a list item that begins with a date is an entry, too.
    pub bullets: bool,
}

/// Which headings begin an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Headings {
    /// '## YYYY-MM-DD' and nothing else
    #[default]
    Exact,
    /// '## YYYY-MM-DD - title' too
    Titles,
    /// Any heading with one date in it, in any usual form
    Dated,
}

impl Reading {
    /// The runbook's rule: `## YYYY-MM-DD` alone.
    pub const EXACT: Self = Self { headings: Headings::Exact, order: None, bullets: false };
    /// The runbook's rule, and a title may follow the date.
    pub const TITLES: Self = Self { headings: Headings::Titles, ..Self::EXACT };
    /// The rule that takes any heading with one date.
    pub const DATED: Self = Self { headings: Headings::Dated, ..Self::EXACT };

    /// Returns the kind of the section that a heading of `level` begins. `first` says that nothing but text stands
    /// above it.
    pub(super) fn kind_of(self, heading: &[u8], level: u8, first: bool) -> Kind {
        let ours = match heading {
            b"Summaries" => Some(Kind::Summaries),
            b"Recent Entries" => Some(Kind::Recent),
            _ => None,
        };
        match (level, self.headings) {
            (2, _) if ours.is_some() => ours.unwrap_or(Kind::Undated),
            (_, Headings::Dated) => self.dated(heading, level, first),
            // The file's title.
            (1, _) if first => Kind::Top,
            (2, _) => self.exact(heading),
            _ => Kind::Undated,
        }
    }

    fn exact(self, heading: &[u8]) -> Kind {
        let Some(stamp) = heading.get(..10).filter(|stamp| date::figures(stamp).is_some()) else {
            return Kind::Undated;
        };
        match (Date::parse(stamp), heading.get(10)) {
            // 2025-09-011 and 2025-09-01-draft are not a date and its title.
            (_, Some(next)) if next.is_ascii_alphanumeric() || *next == b'-' => Kind::Undated,
            (None, _) => Kind::Impossible,
            (Some(date), None) => Kind::Dated(date),
            (Some(date), Some(_)) if self.headings == Headings::Titles => Kind::Dated(date),
            (Some(date), Some(_)) => Kind::Titled(date),
        }
    }

    /// Level 1 counts only where the date stands first: `# Memory (2026-03-06)` is the title of all that follows, and
    /// whether it is must not depend on what a run takes away.
    fn dated(self, heading: &[u8], level: u8, first: bool) -> Kind {
        let text = String::from_utf8_lossy(heading);
        match dated::read(&text, self.order) {
            Verdict::Day(date) if level > 1 || dated::leading(&text, self.order) == Some(date) => {
                Kind::Dated(date)
            }
            _ if level == 1 && first => Kind::Top,
            Verdict::Day(_) => Kind::Kept(Reason::Title),
            Verdict::Several => Kind::Kept(Reason::Several),
            Verdict::Range => Kind::Kept(Reason::Range),
            Verdict::Unclear => Kind::Kept(Reason::Unclear),
            Verdict::Impossible => Kind::Impossible,
            Verdict::Undated => Kind::Undated,
        }
    }

    /// Says whether a line in an open fence, with so many hashes before `text`, would be an entry's heading outside of
    /// it.
    pub(super) fn swallowed(self, text: &[u8], hashes: usize) -> bool {
        match self.headings {
            Headings::Dated if (1..=6).contains(&hashes) => {
                matches!(dated::read(&String::from_utf8_lossy(text), self.order), Verdict::Day(_))
            }
            Headings::Dated => false,
            _ => hashes == 2 && text.trim_ascii_start().get(..10).and_then(Date::parse).is_some(),
        }
    }
}
