//! Which line stands for which archived days in the new block.

use std::collections::{BTreeMap, BTreeSet};

use super::{PlanInput, Policy, Request};
use crate::date::Date;
use crate::memory::{Document, Kind};
use crate::summaries::{self, Block, Period, Span};

/// The lines of the new block.
#[derive(Debug)]
pub(super) struct Lines {
    /// As they will stand.
    pub(super) lines: Vec<Vec<u8>>,
    /// Those that leave the block and that nobody could make again.
    pub(super) retired: Vec<Vec<u8>>,
}

/// Keeps, makes or drops the line of each period that has archived days; `text` summarises.
pub(super) fn lines(
    document: &Document<'_>,
    block: &Block,
    to_archive: &[bool],
    input: PlanInput<'_>,
    policy: Policy,
    text: &mut dyn FnMut(&Request) -> anyhow::Result<String>,
) -> anyhow::Result<Lines> {
    let mut standing = block.by_period();
    let mut lines: BTreeMap<Period, Vec<Vec<u8>>> = BTreeMap::new();
    let mut retired = Vec::new();
    let days: BTreeSet<Date> = input
        .archived
        .iter()
        .copied()
        .chain(entries_to_archive(document, to_archive).map(|(date, _)| date))
        .collect();
    let note_of = |line: &[u8]| input.notes.iter().position(|note| input.links.is_of_note(line, &note.name));
    for request in requests(document, to_archive, input, policy) {
        let period = request.period;
        // Of the lines of a day each note has its own, the sections have the others.
        let own =
            |line: &&[u8]| period.span() != Span::Day || note_of(line) == request.notes.first().copied();
        let all = standing.remove(&period).unwrap_or_default();
        let (old, others): (Vec<&[u8]>, Vec<&[u8]>) = all.into_iter().partition(own);
        if !others.is_empty() {
            standing.insert(period, others);
        }
        if request.sections.is_empty() && holds(&request, &old) {
            let adopt = |line: &&[u8]| match request.notes.first() {
                Some(_) if period.span() == Span::Day => line.to_vec(),
                _ => input.links.adopt(period, line),
            };
            lines.entry(period).or_default().extend(old.iter().map(adopt));
        } else {
            let fresh = fresh(&request, input, &days, &text(&request)?);
            let counted = summaries::days(&fresh).unwrap_or(1);
            // A month's or year's line can be made again from the originals, unless originals have gone missing.
            let lost = |line: &&[u8]| match period.span() {
                Span::Day => *line != fresh,
                _ => !summaries::is_derived(line) || summaries::days(line).is_some_and(|days| days > counted),
            };
            retired.extend(old.into_iter().filter(lost).map(<[u8]>::to_vec));
            lines.entry(period).or_default().push(fresh);
        }
    }
    for (period, old) in standing {
        for line in old {
            let archived = if let Some(day) = period.only_day() {
                days.contains(&day) || note_of(line).is_some()
            } else {
                let notes = input.notes.iter().map(|note| note.date);
                days.iter().copied().chain(notes).any(|date| period.covers(date))
            };
            if !archived {
                // Nothing in the archive stands behind this line: it is all that is left of that day.
                lines.entry(period).or_default().push(line.to_vec());
            } else if !summaries::is_derived(line) {
                retired.push(line.to_vec());
            }
        }
    }
    Ok(Lines { lines: lines.into_values().flatten().collect(), retired })
}

/// The line of a request.
fn fresh(request: &Request, input: PlanInput<'_>, days: &BTreeSet<Date>, text: &str) -> Vec<u8> {
    let links = input.links;
    if request.period.span() == Span::Day
        && let Some(&note) = request.notes.first()
    {
        return links.note_line(request.period, &input.notes[note].name, text);
    }
    links.line(request.period, &request.dates, text, |date| {
        let note = input.notes.iter().find(|note| note.date == date && !days.contains(&date));
        note.map_or_else(|| links.file(date), |note| links.note(&note.name))
    })
}

/// Whether lines that stand for a period's archive files still do.
fn holds(request: &Request, old: &[&[u8]]) -> bool {
    match request.period.span() {
        Span::Day => !old.is_empty(),
        _ => old.len() == 1 && summaries::days(old[0]).is_some_and(|days| days >= request.dates.len()),
    }
}

/// The days of a period, its sections and its notes.
type Parts = (BTreeSet<Date>, Vec<usize>, Vec<usize>);

/// One request for each period that has archived days, with this plan's; of a single day, one for its sections and one
/// for each of its notes.
fn requests(
    document: &Document<'_>,
    to_archive: &[bool],
    input: PlanInput<'_>,
    policy: Policy,
) -> Vec<Request> {
    let mut periods: BTreeMap<Period, Parts> = BTreeMap::new();
    let of = |date| Period::of(date, policy.today, policy.roll_up);
    for &date in input.archived {
        periods.entry(of(date)).or_default().0.insert(date);
    }
    for (date, section) in entries_to_archive(document, to_archive) {
        let (dates, sections, _) = periods.entry(of(date)).or_default();
        dates.insert(date);
        sections.extend(Some(section).filter(|section| !input.known.contains(section)));
    }
    for (number, note) in input.notes.iter().enumerate() {
        periods.entry(of(note.date)).or_default().2.push(number);
    }
    let mut requests = Vec::new();
    for (period, (mut dates, sections, notes)) in periods {
        if period.span() == Span::Day {
            let all: Vec<Date> = dates.into_iter().collect();
            if !all.is_empty() {
                requests.push(Request { period, dates: all, sections, notes: Vec::new() });
            }
            requests.extend(notes.into_iter().map(|note| Request {
                period,
                dates: vec![input.notes[note].date],
                sections: Vec::new(),
                notes: vec![note],
            }));
        } else {
            dates.extend(notes.iter().map(|&note| input.notes[note].date));
            requests.push(Request { period, dates: dates.into_iter().collect(), sections, notes });
        }
    }
    requests
}

fn entries_to_archive<'a>(
    document: &'a Document<'_>,
    to_archive: &'a [bool],
) -> impl Iterator<Item = (Date, usize)> + 'a {
    let sections = document.sections.iter().enumerate().zip(to_archive);
    sections.filter_map(|((number, section), to_archive)| match section.kind {
        Kind::Dated(date) if *to_archive => Some((date, number)),
        _ => None,
    })
}
