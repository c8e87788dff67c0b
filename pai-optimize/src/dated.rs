//! Dates as people write them in a heading or before a list item's text. Pure.
//!
//! Only unmistakable forms count: a version number, an address, a range or half a date never gives a day.

mod forms;
mod title;

use std::ops::Range;

pub use self::title::title;
use crate::date::Date;

/// Which of two figures is the day where only a reader's habit tells: `06.03.2026`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// 06.03.2026 is in March
    Dmy,
    /// 06/03/2026 is in June
    Mdy,
}

/// The answer to which day a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The text has no date.
    Undated,
    /// The text has one date; written twice it is still one.
    Day(Date),
    /// The text has more than one date.
    Several,
    /// The text has the first and the last day of something: `March 1-7, 2026`.
    Range,
    /// The text has a date that no calendar has: `2025-02-30`.
    Impossible,
    /// The text has a date that only `--date-order` would tell: `06.03.2026`.
    Unclear,
}

/// One date as it stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mention {
    range: Range<usize>,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Day(Date),
    Range,
    Impossible,
    Unclear,
}

/// Returns which day `text`, a heading's, belongs to.
pub fn read(text: &str, order: Option<Order>) -> Verdict {
    let mentions = mentions(text, order);
    let Some(first) = mentions.first() else { return Verdict::Undated };
    if mentions.iter().any(|mention| mention.what == What::Range) {
        return Verdict::Range;
    }
    if mentions.iter().any(|mention| mention.what != first.what) {
        return Verdict::Several;
    }
    match first.what {
        What::Day(date) => Verdict::Day(date),
        What::Impossible => Verdict::Impossible,
        _ => Verdict::Unclear,
    }
}

/// Returns the day that `text` begins with, brackets and emphasis aside; none if a range begins there.
pub fn leading(text: &str, order: Option<Order>) -> Option<Date> {
    let start =
        text.len() - text.trim_start_matches(|c: char| c.is_whitespace() || "*_[(`（【「".contains(c)).len();
    if addresses(text).iter().any(|address| address.contains(&start)) {
        return None;
    }
    let first = forms::at(text, start, order)?;
    let What::Day(date) = first.what else { return None };
    let rest =
        text[first.range.end..].trim_start_matches(|c: char| c.is_whitespace() || "*_])`）】」".contains(c));
    // `2026-03-01 – 2026-03-07: holiday` is no entry of its first day.
    let joined =
        ["-", "–", "—", "→", "..", "to ", "bis ", "til "].iter().find_map(|mark| rest.strip_prefix(mark));
    let another = joined.map(|rest| rest.trim_start_matches(|c: char| !c.is_alphanumeric()));
    if another.is_some_and(|rest| forms::at(rest, 0, order).is_some()) { None } else { Some(date) }
}

/// Returns `text` without the day that it begins with.
pub fn without_leading(text: &str, order: Option<Order>) -> &str {
    if leading(text, order).is_none() {
        return text;
    }
    let end = mentions(text, order).first().map_or(0, |mention| mention.range.end);
    text[end..].trim_start_matches(|c: char| c.is_whitespace() || "])）】*_:-–—,：".contains(c))
}

fn mentions(text: &str, order: Option<Order>) -> Vec<Mention> {
    let skipped = addresses(text);
    let mut found: Vec<Mention> = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if let Some(range) = skipped.iter().find(|range| range.contains(&at)) {
            at = range.end;
        } else if let Some(mention) = forms::at(text, at, order) {
            at = mention.range.end;
            found.push(mention);
        } else {
            // What begins inside a word or a number is none.
            let run =
                text[at..].chars().take_while(char::is_ascii_alphanumeric).map(char::len_utf8).sum::<usize>();
            at += run.max(c.len_utf8());
        }
    }
    found
}

/// Returns where link targets and addresses are: figures in them are no dates.
fn addresses(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        if let Some(colon) = word.find("://") {
            let scheme = word[..colon].bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
            found.push(at + colon - scheme..at + word.trim_end().len());
        }
        at += word.len();
    }
    for (open, _) in text.match_indices("](") {
        let end = text[open..].find(')').map_or(text.len(), |close| open + close);
        found.push(open + 2..end);
    }
    found
}

#[cfg(test)]
mod tests;
