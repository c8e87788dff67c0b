//! What a run would change, decided from the file's bytes, the list of archived days and today. Pure: the
//! summaries come from a function that is handed in.

mod layout;
mod lines;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use self::lines::Lines;
use crate::date::Date;
use crate::memory::{Document, Kind, Reading, without_separator};
use crate::summaries::{self, Block, Links, Period};

/// When a section goes, and what memory.md may weigh.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The local day.
    pub today: Date,
    /// A section goes when its date is this many days back, or more.
    pub window: u32,
    /// A day's summary joins its month's when it is this many days back, or more.
    pub roll_up: u32,
    /// What memory.md may have; older sections go until it fits.
    pub budget: Budget,
}

/// What a memory file may have; whichever is reached first counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Bytes.
    pub bytes: Option<u64>,
    /// Lines.
    pub lines: Option<u64>,
}

impl Budget {
    /// Whether so much is within it.
    pub fn allows(&self, bytes: u64, lines: u64) -> bool {
        self.bytes.is_none_or(|most| bytes <= most) && self.lines.is_none_or(|most| lines <= most)
    }
}

impl Policy {
    /// The last day that goes whatever the file weighs.
    pub fn cutoff(&self) -> Date {
        self.today.minus(self.window)
    }
}

/// Everything beside the document that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// The days that have an archive file.
    pub archived: &'a BTreeSet<Date>,
    /// The daily notes that are in the archive, or go there in this run.
    pub notes: &'a [ArchivedNote],
    /// The numbers of the sections whose bytes the archive holds already, because a restore or a killed run left them.
    pub known: &'a BTreeSet<usize>,
    /// The way in which the memory file links to its archive.
    pub links: &'a Links,
    /// The time for `_Last updated: ..._`.
    pub stamp: &'a str,
}

/// A daily note in the archive, which a summary line stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedNote {
    /// Its day.
    pub date: Date,
    /// Its name in the archive, percent-encoded.
    pub name: String,
}

/// A summary line to be made from the originals.
#[derive(Debug)]
pub struct Request {
    /// What the line is for.
    pub period: Period,
    /// The archived days it stands for, in order.
    pub dates: Vec<Date>,
    /// Indices of the sections that go now, belong to it, and are not in the archive yet.
    pub sections: Vec<usize>,
    /// Indices of the notes that belong to it.
    pub notes: Vec<usize>,
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

/// The changes that a run would make.
#[derive(Debug)]
pub struct Plan {
    /// What was taken for an entry.
    pub reading: Reading,
    /// Says of each section of the document whether it goes to the archive.
    pub to_archive: Vec<bool>,
    /// The new memory file.
    pub parts: Vec<Part>,
    /// Summary lines of days that leave the file.
    pub retired: Vec<Vec<u8>>,
    /// Whether the new file is within the budget.
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

    /// How many lines it has.
    pub fn lines(&self, document: &Document<'_>) -> u64 {
        self.parts.iter().map(|part| memchr::memchr_iter(b'\n', part.bytes(document)).count() as u64).sum()
    }

    fn within(&self, document: &Document<'_>, budget: Budget) -> bool {
        budget == Budget::default() || budget.allows(self.size(document), self.lines(document))
    }
}

/// Says of each section whether it goes to the archive when the days up to `cutoff` do.
pub fn old_enough(document: &Document<'_>, cutoff: Date) -> Vec<bool> {
    document.sections.iter().map(|section| goes(section, cutoff)).collect()
}

/// Returns the bytes of the sections that go to the archive, for each day and in the file's order.
pub fn texts_by_day<'a>(document: &Document<'a>, to_archive: &[bool]) -> BTreeMap<Date, Vec<&'a [u8]>> {
    let text = |number: &usize| without_separator(document.text(&document.sections[*number]));
    sections_by_day(document, to_archive)
        .into_iter()
        .map(|(date, numbers)| (date, numbers.iter().map(text).collect()))
        .collect()
}

/// Returns the numbers of the sections that go to the archive, for each day and in the file's order.
pub fn sections_by_day(document: &Document<'_>, to_archive: &[bool]) -> BTreeMap<Date, Vec<usize>> {
    let mut days: BTreeMap<Date, Vec<usize>> = BTreeMap::new();
    for (number, section) in document.sections.iter().enumerate().filter(|(number, _)| to_archive[*number]) {
        if let Kind::Dated(date) = section.kind {
            days.entry(date).or_default().push(number);
        }
    }
    days
}

/// Makes the plan; `summarise` turns a request into one line of text.
pub fn make(
    document: &Document<'_>,
    input: PlanInput<'_>,
    policy: Policy,
    mut summarise: impl FnMut(&Request) -> anyhow::Result<String>,
) -> anyhow::Result<Plan> {
    let block = read_block(document);
    let mut made: HashMap<(Period, usize, Vec<usize>), String> = HashMap::new();
    let mut build = |cutoff: Date| {
        let to_archive = old_enough(document, cutoff);
        let Lines { lines, retired } =
            lines::lines(document, &block, &to_archive, input, policy, &mut |request| {
                // A later cut-off only adds sections, so their number tells whether a line is the same as before.
                let key = (request.period, request.sections.len(), request.notes.clone());
                if let Some(text) = made.get(&key) {
                    return Ok(text.clone());
                }
                let text = summarise(request)?;
                made.insert(key, text.clone());
                Ok(text)
            })?;
        let old = block.lines.iter().map(|(_, line)| line);
        let blocks = document.sections.iter().filter(|section| section.kind == Kind::Summaries).count();
        let changes = to_archive.contains(&true) || !old.eq(&lines) || blocks > 1;
        let rendered = summaries::render(&lines, &block.foreign, input.stamp, document.line_ending());
        let parts = layout::parts(document, &to_archive, changes.then_some(rendered));
        anyhow::Ok(Plan { reading: document.reading, to_archive, parts, retired, fits: true, changes })
    };
    let cutoff = policy.cutoff();
    let plan = build(cutoff)?;
    if plan.within(document, policy.budget) {
        return Ok(plan);
    }
    let cutoffs = later_cutoffs(document, cutoff, policy.today);
    first_that_fits(plan, &cutoffs, |plan| plan.within(document, policy.budget), build)
}

/// The plan of the earliest of `cutoffs` that `fits`; of the last if none does, and `plan` if there is none.
fn first_that_fits(
    plan: Plan,
    cutoffs: &[Date],
    fits: impl Fn(&Plan) -> bool,
    mut build: impl FnMut(Date) -> anyhow::Result<Plan>,
) -> anyhow::Result<Plan> {
    let (mut low, mut high) = (0, cutoffs.len());
    let mut best = None;
    while low < high {
        let middle = usize::midpoint(low, high);
        let plan = build(cutoffs[middle])?;
        if fits(&plan) {
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

/// Returns the numbers of the sections that the archive holds already. `holds` answers that for the sections of one
/// day.
pub fn known(
    document: &Document<'_>,
    archived: &BTreeSet<Date>,
    today: Date,
    mut holds: impl FnMut(Date, &[&[u8]]) -> anyhow::Result<Vec<bool>>,
) -> anyhow::Result<BTreeSet<usize>> {
    let goes: Vec<bool> = document.sections.iter().map(|section| goes(section, today)).collect();
    let mut known = BTreeSet::new();
    for (date, numbers) in
        sections_by_day(document, &goes).into_iter().filter(|(date, _)| archived.contains(date))
    {
        let text = |&number: &usize| without_separator(document.text(&document.sections[number]));
        let sections: Vec<&[u8]> = numbers.iter().map(text).collect();
        let held = holds(date, &sections)?;
        known.extend(numbers.into_iter().zip(held).filter_map(|(number, held)| held.then_some(number)));
    }
    Ok(known)
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
