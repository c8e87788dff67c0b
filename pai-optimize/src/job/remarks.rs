//! The log lines about sections that a run leaves alone.

use crate::date::Date;
use crate::journal::Journal;
use crate::memory::{Document, Headings, Kind, Reading, Reason, Section};

/// Logs one line for every section that stays although somebody might expect it to be archived.
pub(super) fn log_skipped(
    document: &Document<'_>,
    today: Date,
    journal: &mut Journal<'_>,
) -> anyhow::Result<()> {
    let mut future = Vec::new();
    for section in &document.sections {
        let line = || document.line_number(section.range.start);
        if let Some(remark) = remark(document, section) {
            match section.kind {
                Kind::Undated => journal.remark(remark)?,
                _ => journal.warn(remark)?,
            }
        }
        if section.date().is_some_and(|date| date > today) {
            future.extend(section.date().map(|date| date.to_string()));
        }
        if section.in_doubt {
            journal.warn(format_args!(
                "Leaving everything from line {} on as it is: a code fence or comment there is never closed",
                line()
            ))?;
        }
    }
    if future.is_empty() {
        return Ok(());
    }
    journal.warn(format_args!("Keeping sections dated in the future: {}", future.join(", ")))
}

fn remark(document: &Document<'_>, section: &Section) -> Option<String> {
    let heading = document.heading(section);
    let line = || document.line_number(section.range.start);
    let skipped = |why: &str| {
        Some(format!("Skipping section with unrecognized date heading: {heading} (line {}: {why})", line()))
    };
    match section.kind {
        // Where deeper headings count as well, most of them are no dates, and nobody takes them for one.
        Kind::Undated if section.level <= 2 => {
            Some(format!("Skipping section with unrecognized date heading: {heading}"))
        }
        Kind::Impossible => skipped("there is no such day"),
        Kind::Titled(_) => Some(format!(
            "Skipping section with a title behind its date: {heading} (line {}; --titles archives these too)",
            line()
        )),
        Kind::Kept(Reason::Several) => skipped("it has more than one date"),
        Kind::Kept(Reason::Range) => skipped("it has the first and last day of something"),
        Kind::Kept(Reason::Unclear) => skipped("--date-order dmy or mdy would tell which day that is"),
        Kind::Kept(Reason::Title) => {
            skipped("a heading of level 1 is an entry only if it begins with its date")
        }
        _ => None,
    }
}

/// Logs which other options would find entries in a file where none were found.
pub(super) fn log_hints(document: &Document<'_>, journal: &mut Journal<'_>) -> anyhow::Result<()> {
    let Reading { headings, order, bullets } = document.reading;
    for (option, reading) in [
        ("--headings dated", Reading { headings: Headings::Dated, order, bullets }),
        ("--bullets dated", Reading { headings, order, bullets: true }),
    ] {
        let other = Document::parse(document.bytes, reading);
        let found: Vec<&Section> =
            other.sections.iter().filter(|section| section.date().is_some() && !section.in_doubt).collect();
        if let Some(first) = found.first() {
            let text = String::from_utf8_lossy(other.text(first)).into_owned();
            let shown: String = text
                .lines()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default()
                .chars()
                .take(60)
                .collect();
            let more = match found.len() - 1 {
                0 => String::new(),
                1 => " and 1 more".to_owned(),
                more => format!(" and {more} more"),
            };
            let line = other.line_number(first.range.start);
            journal.info(format_args!(
                "hint: {option} would take line {line}, {:?}{more} for entries; try pai-optimize -n {option}",
                shown.trim()
            ))?;
        }
    }
    Ok(())
}
