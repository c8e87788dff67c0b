//! What a run would change, decided from the file's bytes, the list of archived days and today. Pure: the
//! summaries come from a function that is handed in.

mod layout;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use crate::date::Date;
use crate::memory::{Document, Kind};
use crate::summaries::{self, Block, Links, Period, Span};

/// When a section goes, and what memory.md may weigh.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The local day.
    pub today: Date,
    /// A section goes when its date is this many days back, or more.
    pub window: u32,
    /// A day's summary joins its month's when it is this many days back, or more.
    pub roll_up: u32,
    /// Bytes that memory.md may have; older sections go until it fits.
    pub max_size: Option<u64>,
}

/// What the plan needs to know beside the document.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Days that have an archive file.
    pub archived: &'a BTreeSet<Date>,
    /// How the file links to its archive.
    pub links: &'a Links,
    /// The time for `_Last updated: ..._`.
    pub stamp: &'a str,
}

/// A summary line to be made from the originals.
#[derive(Debug)]
pub struct Request {
    /// What the line is for.
    pub period: Period,
    /// The archived days it stands for, in order.
    pub dates: Vec<Date>,
    /// Indices of the sections that go now and belong to it.
    pub sections: Vec<usize>,
}

/// A piece of the new memory file.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes of the old one; ranges only ever grow.
    Keep(Range<usize>),
    /// Something new.
    New(Vec<u8>),
}

impl Part {
    /// Its bytes; `document` is the one the plan was made for.
    pub fn bytes<'a>(&'a self, document: &Document<'a>) -> &'a [u8] {
        match self {
            Self::Keep(range) => &document.bytes[range.clone()],
            Self::New(text) => text,
        }
    }
}

/// What a run would change.
#[derive(Debug)]
pub struct Plan {
    /// Whether a title may stand behind a date in this file.
    pub titles: bool,
    /// For each section of the document whether it goes to the archive.
    pub gone: Vec<bool>,
    /// The new memory file.
    pub parts: Vec<Part>,
    /// Summary lines of days that leave the file.
    pub retired: Vec<Vec<u8>>,
    /// Whether the new file is within `max_size`.
    pub fits: bool,
    /// Whether there is anything to do.
    pub changes: bool,
}

impl Plan {
    /// The new memory file.
    pub fn text(&self, document: &Document<'_>) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.size(document) as usize);
        for part in &self.parts {
            text.extend_from_slice(part.bytes(document));
        }
        text
    }

    /// How many bytes the new memory file has.
    pub fn size(&self, document: &Document<'_>) -> u64 {
        self.parts.iter().map(|part| part.bytes(document).len() as u64).sum()
    }

    /// The sections that go, by day, in the file's order.
    pub fn departures<'a>(&self, document: &Document<'a>) -> BTreeMap<Date, Vec<&'a [u8]>> {
        let mut days: BTreeMap<Date, Vec<&[u8]>> = BTreeMap::new();
        for (section, _) in document.sections.iter().zip(&self.gone).filter(|(_, gone)| **gone) {
            if let Kind::Dated(date) = section.kind {
                days.entry(date).or_default().push(document.text(section));
            }
        }
        days
    }
}

/// Makes the plan; `summarise` turns a request into one line of text.
pub fn make(
    document: &Document<'_>,
    around: Surroundings<'_>,
    policy: Policy,
    mut summarise: impl FnMut(&Request) -> anyhow::Result<String>,
) -> anyhow::Result<Plan> {
    let block = read_block(document);
    let mut made: HashMap<(Period, usize), String> = HashMap::new();
    let mut build = |cutoff: Date| {
        let gone: Vec<bool> = document.sections.iter().map(|section| goes(section, cutoff)).collect();
        // A later cut-off only adds sections, so their number tells whether a line is the same as before.
        let mut text = |request: &Request| match made.get(&(request.period, request.sections.len())) {
            Some(text) => Ok(text.clone()),
            None => {
                let text = summarise(request)?;
                made.insert((request.period, request.sections.len()), text.clone());
                anyhow::Ok(text)
            }
        };
        let (lines, retired) = lines(document, &block, &gone, around, policy, &mut text)?;
        let old = block.lines.iter().map(|(_, line)| line);
        let blocks = document.sections.iter().filter(|section| section.kind == Kind::Summaries).count();
        let changes = gone.contains(&true) || !old.eq(&lines) || blocks > 1;
        let rendered = summaries::render(&lines, &block.foreign, around.stamp, document.line_ending());
        let parts = layout::parts(document, &gone, changes.then_some(rendered));
        anyhow::Ok(Plan { titles: document.titles, gone, parts, retired, fits: true, changes })
    };
    let cutoff = policy.today.minus(policy.window);
    let plan = build(cutoff)?;
    let Some(max) = policy.max_size.filter(|&max| plan.size(document) > max) else { return Ok(plan) };
    let cutoffs = later_cutoffs(document, cutoff, policy.today);
    let (mut low, mut high) = (0, cutoffs.len());
    let mut best = None;
    while low < high {
        let middle = usize::midpoint(low, high);
        let plan = build(cutoffs[middle])?;
        if plan.size(document) <= max {
            high = middle;
            best = Some(plan);
        } else {
            low = middle + 1;
        }
    }
    match (best, cutoffs.last()) {
        (Some(plan), _) => Ok(plan),
        (None, Some(&all)) => Ok(Plan { fits: false, ..build(all)? }),
        (None, None) => Ok(Plan { fits: false, ..plan }),
    }
}

fn goes(section: &crate::memory::Section, cutoff: Date) -> bool {
    matches!(section.kind, Kind::Dated(date) if date <= cutoff) && !section.pinned && !section.in_doubt
}

/// The days inside the window that may go if the file is too big, oldest first.
fn later_cutoffs(document: &Document<'_>, cutoff: Date, today: Date) -> Vec<Date> {
    let dated = document.sections.iter().filter(|section| goes(section, today));
    let dates: BTreeSet<Date> = dated
        .filter_map(|section| match section.kind {
            Kind::Dated(date) if date > cutoff => Some(date),
            _ => None,
        })
        .collect();
    dates.into_iter().collect()
}

/// What all `## Summaries` blocks of the document hold.
pub fn read_block(document: &Document<'_>) -> Block {
    let mut block = Block::default();
    for section in document.sections.iter().filter(|section| section.kind == Kind::Summaries) {
        block.read(layout::body(document, section));
    }
    block
}

/// The lines of the new block, and the day lines that are not among them.
fn lines(
    document: &Document<'_>,
    block: &Block,
    gone: &[bool],
    around: Surroundings<'_>,
    policy: Policy,
    text: &mut impl FnMut(&Request) -> anyhow::Result<String>,
) -> anyhow::Result<(Vec<Vec<u8>>, Vec<Vec<u8>>)> {
    let mut standing = block.by_period();
    let mut lines: BTreeMap<Period, Vec<Vec<u8>>> = BTreeMap::new();
    let mut retired = Vec::new();
    for request in requests(document, gone, around.archived, policy) {
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
                _ => summaries::days(line).is_some_and(|days| days > counted),
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
        if !archived(period) {
            // Nothing in the archive stands behind these lines: they are all that is left of those days.
            lines.insert(period, old.iter().map(|line| line.to_vec()).collect());
        } else if period.span() == Span::Day {
            retired.extend(old.into_iter().map(<[u8]>::to_vec));
        }
    }
    Ok((lines.into_values().flatten().collect(), retired))
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
    archived: &BTreeSet<Date>,
    policy: Policy,
) -> impl Iterator<Item = Request> {
    let mut periods: BTreeMap<Period, (BTreeSet<Date>, Vec<usize>)> = BTreeMap::new();
    let of = |date| Period::of(date, policy.today, policy.roll_up);
    for &date in archived {
        periods.entry(of(date)).or_default().0.insert(date);
    }
    for (date, section) in departing(document, gone) {
        let (dates, sections) = periods.entry(of(date)).or_default();
        dates.insert(date);
        sections.push(section);
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

#[cfg(test)]
mod tests;
