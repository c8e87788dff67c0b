//! Which line stands for which archived days in the new block.

use std::collections::{BTreeMap, BTreeSet};

use super::{Policy, Request, Surroundings};
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
    gone: &[bool],
    around: Surroundings<'_>,
    policy: Policy,
    text: &mut dyn FnMut(&Request) -> anyhow::Result<String>,
) -> anyhow::Result<Lines> {
    let mut standing = block.by_period();
    let mut lines: BTreeMap<Period, Vec<Vec<u8>>> = BTreeMap::new();
    let mut retired = Vec::new();
    for request in requests(document, gone, around, policy) {
        let old = standing.remove(&request.period).unwrap_or_default();
        if request.sections.is_empty() && holds(&request, &old) {
            let adopt = |line: &&[u8]| around.links.adopt(request.period, line);
            lines.insert(request.period, old.iter().map(adopt).collect());
        } else {
            let fresh = around.links.line(request.period, &request.dates, &text(&request)?);
            let counted = summaries::days(&fresh).unwrap_or(1);
            // A month's or year's line can be made again from the originals, unless originals have gone missing.
            let lost = |line: &&[u8]| match request.period.span() {
                Span::Day => *line != fresh,
                _ => !summaries::is_derived(line) || summaries::days(line).is_some_and(|days| days > counted),
            };
            retired.extend(old.into_iter().filter(lost).map(<[u8]>::to_vec));
            lines.insert(request.period, vec![fresh]);
        }
    }
    let days: BTreeSet<Date> =
        around.archived.iter().copied().chain(departing(document, gone).map(|(date, _)| date)).collect();
    let archived = |period: Period| match period.only_day() {
        Some(day) => days.contains(&day),
        None => days.iter().any(|&date| period.covers(date)),
    };
    for (period, old) in standing {
        if archived(period) {
            retired.extend(old.into_iter().filter(|line| !summaries::is_derived(line)).map(<[u8]>::to_vec));
        } else {
            // Nothing in the archive stands behind these lines: they are all that is left of those days.
            lines.insert(period, old.iter().map(|line| line.to_vec()).collect());
        }
    }
    Ok(Lines { lines: lines.into_values().flatten().collect(), retired })
}

/// Whether lines that stand for a period's archive files still do.
fn holds(request: &Request, old: &[&[u8]]) -> bool {
    match request.period.span() {
        Span::Day => !old.is_empty(),
        _ => old.len() == 1 && summaries::days(old[0]).is_some_and(|days| days >= request.dates.len()),
    }
}

/// One request for each period that has archived days, with this plan's.
fn requests(
    document: &Document<'_>,
    gone: &[bool],
    around: Surroundings<'_>,
    policy: Policy,
) -> impl Iterator<Item = Request> {
    let mut periods: BTreeMap<Period, (BTreeSet<Date>, Vec<usize>)> = BTreeMap::new();
    let of = |date| Period::of(date, policy.today, policy.roll_up);
    for &date in around.archived {
        periods.entry(of(date)).or_default().0.insert(date);
    }
    for (date, section) in departing(document, gone) {
        let (dates, sections) = periods.entry(of(date)).or_default();
        dates.insert(date);
        sections.extend(Some(section).filter(|section| !around.known.contains(section)));
    }
    periods.into_iter().map(|(period, (dates, sections))| Request {
        period,
        dates: dates.into_iter().collect(),
        sections,
    })
}

fn departing<'a>(document: &'a Document<'_>, gone: &'a [bool]) -> impl Iterator<Item = (Date, usize)> + 'a {
    let sections = document.sections.iter().enumerate().zip(gone);
    sections.filter_map(|((number, section), gone)| match section.kind {
        Kind::Dated(date) if *gone => Some((date, number)),
        _ => None,
    })
}
