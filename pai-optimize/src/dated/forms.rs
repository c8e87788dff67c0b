//! The forms of a date, each tried where it would begin.

use super::{Mention, Order, What};
use crate::date::Date;

/// A date that begins right at byte `at` of `text`.
pub(super) fn at(text: &str, at: usize, order: Option<Order>) -> Option<Mention> {
    let first = *text.as_bytes().get(at)?;
    let here = Here { text, at, order };
    let (what, end) = if first.is_ascii_digit() {
        here.year_first()
            .or_else(|| here.compact())
            .or_else(|| here.day_first())
            .or_else(|| here.figures())?
    } else if text[at..].chars().next()?.is_alphabetic() {
        here.month_first()?
    } else {
        return None;
    };
    Some(Mention { range: at..end, what })
}

type Found = Option<(What, usize)>;

struct Here<'a> {
    text: &'a str,
    at: usize,
    order: Option<Order>,
}

impl Here<'_> {
    /// `2026-03-06`, `2026/03/06`, `2026.03.06`, `2026年3月6日`.
    fn year_first(&self) -> Found {
        let (year, at) = number(self.text, self.at, 4..=4)?;
        if let Some(at) = after(self.text, at, "年") {
            let (month, at) = number(self.text, at, 1..=2)?;
            let (day, at) = number(self.text, after(self.text, at, "月")?, 1..=2)?;
            let end = ["日", "号", "號"].iter().find_map(|mark| after(self.text, at, mark))?;
            return self.starts_cleanly().then_some((day_or_impossible(year, month, day), end));
        }
        let mark = &self.text.get(at..=at).filter(|mark| ["-", "/", "."].contains(mark))?;
        // 2025.1.1 is as good a version number as it is a day.
        let digits = if *mark == "." { 2..=2 } else { 1..=2 };
        let (month, at) = number(self.text, at + 1, digits.clone())?;
        let (day, end) = number(self.text, after(self.text, at, mark)?, digits)?;
        let clean = if *mark == "." { self.stands_alone() } else { self.starts_cleanly() };
        if !clean {
            return None;
        }
        let what = match (self.ends(end)?, Date::new(year as i32, month, day)) {
            (End::Range(end), _) => return Some((What::Range, end)),
            (End::Here, Some(date)) => What::Day(date),
            (End::Here, None) if *mark == "." => return None,
            (End::Here, None) => What::Impossible,
        };
        Some((what, end))
    }

    /// `20260306`, with a time of day behind it or not.
    fn compact(&self) -> Found {
        let (figures, end) = number(self.text, self.at, 8..=8)?;
        let (year, month, day) = (figures / 10_000, figures / 100 % 100, figures % 100);
        let date = Date::new(year as i32, month, day)?;
        let rest = &self.text[end..];
        let time = rest.strip_prefix(['T', '-', '_']).is_some_and(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            digits == 4 || digits == 6
        });
        let ends = time || matches!(self.ends(end), Some(End::Here));
        ((1900..2200).contains(&year) && self.stands_alone() && ends).then_some((What::Day(date), end))
    }

    /// `6 March 2026`, `6. März 2026`, `6th of March, 2026`; `1-7 March 2026` is a range.
    fn day_first(&self) -> Found {
        if !self.starts_cleanly() {
            return None;
        }
        let (day, mut at) = ordinal(self.text, self.at)?;
        let mut range = false;
        if let Some((_, end)) = dash(self.text, at).and_then(|at| ordinal(self.text, at)) {
            (range, at) = (true, end);
        }
        at = blanks(self.text, at);
        at = after(self.text, at, "of ").unwrap_or(at);
        let (month, at) = month(self.text, at)?;
        let (year, end) = year(self.text, at)?;
        self.spelled(range, (year, month, day), end)
    }

    /// `March 6, 2026`, `Mar 6 2026`; `March 1-7, 2026` is a range.
    fn month_first(&self) -> Found {
        let before = self.text[..self.at].chars().next_back();
        if before.is_some_and(char::is_alphanumeric) {
            return None;
        }
        let (month, at) = month(self.text, self.at)?;
        let (day, mut at) = ordinal(self.text, blanks(self.text, at))?;
        let mut range = false;
        if let Some((_, end)) = dash(self.text, at).and_then(|at| ordinal(self.text, at)) {
            (range, at) = (true, end);
        }
        let (year, end) = year(self.text, at)?;
        self.spelled(range, (year, month, day), end)
    }

    fn spelled(&self, range: bool, (year, month, day): (u32, u32, u32), end: usize) -> Found {
        let what = if range { What::Range } else { day_or_impossible(year, month, day) };
        matches!(self.ends(end)?, End::Here).then_some((what, end))
    }

    /// `06.03.2026`, `6/3/2026`, `06-03-2026`: a day only where the order is told.
    fn figures(&self) -> Found {
        let (first, at) = number(self.text, self.at, 1..=2)?;
        let mark = &self.text.get(at..=at).filter(|mark| ["-", "/", "."].contains(mark))?;
        let (second, at) = number(self.text, at + 1, 1..=2)?;
        let (year, end) = number(self.text, after(self.text, at, mark)?, 4..=4)?;
        let possible = |day, month| Date::new(year as i32, month, day);
        let either = possible(first, second).or(possible(second, first));
        if !self.stands_alone() || !(1900..2200).contains(&year) || !matches!(self.ends(end)?, End::Here) {
            return None;
        }
        let date = match self.order {
            None => return either.map(|_| (What::Unclear, end)),
            Some(Order::Dmy) => possible(first, second),
            Some(Order::Mdy) => possible(second, first),
        };
        Some((date.map_or(What::Impossible, What::Day), end))
    }

    /// Nothing before it makes it a part of a name, a path, a number.
    fn starts_cleanly(&self) -> bool {
        let mut before = self.text[..self.at].chars().rev();
        match before.next() {
            Some(c) if c.is_ascii_alphanumeric() || "_./\\+=".contains(c) => false,
            Some('-' | '–' | ':') => before.next().is_none_or(|c| !c.is_ascii_digit()),
            _ => true,
        }
    }

    /// As [`Self::starts_cleanly`], and not behind a dash or a sign either: figures alone are soon something else.
    fn stands_alone(&self) -> bool {
        let before = self.text[..self.at].chars().next_back();
        self.starts_cleanly() && before.is_none_or(|c| !"-–:#$€£@~".contains(c))
    }

    /// How a date that ends at `end` goes on; `None` if it is a part of something else.
    fn ends(&self, end: usize) -> Option<End> {
        let rest = &self.text[end..];
        let mut next = rest.chars();
        let (first, second) = (next.next(), next.next());
        let word = second.is_some_and(|c| c.is_ascii_alphanumeric());
        if let Some(end) = second_day(self.text, end) {
            return Some(End::Range(end));
        }
        match first {
            // The time of day, as in RFC 3339.
            Some('T') if second.is_some_and(|c| c.is_ascii_digit()) => Some(End::Here),
            Some(c) if c.is_ascii_alphanumeric() => None,
            Some('-' | '/' | '.' | '_' | '+' | '=' | '\\') if word => None,
            _ => Some(End::Here),
        }
    }
}

enum End {
    Here,
    Range(usize),
}

/// The end of `-07` in `2026-03-01-07`, of `/07`, of ` – 07`: the last day of a range. What goes on behind it, a time
/// of day say, makes it none; so does a blank on one side where a title may begin with a number.
fn second_day(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let (blank, rest) = (rest.starts_with(' '), rest.trim_start_matches(' '));
    let mark = ["..", "-", "–", "—", "/", "→"].iter().find(|mark| rest.starts_with(**mark))?;
    let rest = rest[mark.len()..].trim_start_matches(' ');
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let day: u32 = rest.get(..2).filter(|_| digits == 2)?.parse().ok()?;
    let behind = rest[2..].chars().next();
    let closed = behind.is_none_or(|c| ")]）】".contains(c) || (!blank && c.is_whitespace()));
    (closed && (1..=31).contains(&day)).then_some(text.len() - rest.len() + 2)
}

fn day_or_impossible(year: u32, month: u32, day: u32) -> What {
    Date::new(year as i32, month, day).map_or(What::Impossible, What::Day)
}

/// A number of so many digits, no more, and where it ends.
fn number(text: &str, at: usize, digits: std::ops::RangeInclusive<usize>) -> Option<(u32, usize)> {
    let rest = text.get(at..)?;
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits.contains(&count).then(|| Some((rest[..count].parse().ok()?, at + count)))?
}

/// A day of the month: `6`, `6.`, `6th`.
fn ordinal(text: &str, at: usize) -> Option<(u32, usize)> {
    let (day, at) = number(text, at, 1..=2)?;
    let end = ["st", "nd", "rd", "th", "."].iter().find_map(|mark| after(text, at, mark)).unwrap_or(at);
    Some((day, end))
}

/// `2026`, with a comma or blanks before it.
fn year(text: &str, at: usize) -> Option<(u32, usize)> {
    let comma = after(text, at, ",").unwrap_or(at);
    let start = blanks(text, comma);
    number(text, start, 4..=4).filter(|_| start > at)
}

fn dash(text: &str, at: usize) -> Option<usize> {
    let at = blanks(text, at);
    ["-", "–", "—"].iter().find_map(|mark| after(text, at, mark)).map(|at| blanks(text, at))
}

fn after(text: &str, at: usize, mark: &str) -> Option<usize> {
    text.get(at..)?.starts_with(mark).then_some(at + mark.len())
}

fn blanks(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start_matches([' ', '\t', '\u{a0}']).len()
}

/// A month's name, English, German or Norwegian, whole or shortened, and its full stop.
fn month(text: &str, at: usize) -> Option<(u32, usize)> {
    let rest = &text[at..];
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let name = rest[..end].to_lowercase();
    let number = MONTHS.iter().position(|names| names.contains(&name.as_str()))?;
    Some((number as u32 + 1, after(text, at + end, ".").unwrap_or(at + end)))
}

const MONTHS: [&[&str]; 12] = [
    &["january", "jan", "januar", "jänner"],
    &["february", "feb", "februar"],
    &["march", "mar", "märz", "mrz", "mars"],
    &["april", "apr"],
    &["may", "mai"],
    &["june", "jun", "juni"],
    &["july", "jul", "juli"],
    &["august", "aug"],
    &["september", "sep", "sept"],
    &["october", "oct", "oktober", "okt"],
    &["november", "nov"],
    &["december", "dec", "dezember", "dez", "desember", "des"],
];
