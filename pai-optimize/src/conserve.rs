//! Every word is accounted for, or nothing is written. The check reads what would be written as the next run
//! would read it; it shares the scanner with the planner, and nothing else. Pure.

use std::collections::HashSet;

use crate::memory::{Document, Kind, Section, without_separator};
use crate::plan::{self, Plan};

/// Why a plan must not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss(String);

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not account for {}; nothing was changed", self.0)
    }
}

impl std::error::Error for Loss {}

/// Whether `new` holds, whole and in order, every section of `old` that does not go to the archive, and every line of
/// its summaries that is not retired.
pub fn memory(old: &Document<'_>, plan: &Plan, new: &Document<'_>) -> Result<(), Loss> {
    let mut found = new.sections.iter().filter(|section| section.kind != Kind::Summaries).peekable();
    for (section, gone) in old.sections.iter().zip(&plan.gone) {
        if *gone || section.kind == Kind::Summaries {
            continue;
        }
        let text = old.text(section);
        if section.kind == Kind::Recent && !found.peek().is_some_and(|next| next.kind == Kind::Recent) {
            // A second one with nothing in it is the only heading that may go.
            if text.trim_ascii().split(|&b| b == b'\n').count() <= 2 {
                continue;
            }
        }
        if section.kind != Kind::Recent {
            found.next_if(|next| next.kind == Kind::Recent);
        }
        let whole = found.next().is_some_and(|next| {
            same_kind(next.kind, section.kind) && new.text(next).strip_prefix(text).is_some_and(is_separator)
        });
        if !whole {
            return Err(Loss(describe(old, section)));
        }
    }
    found.next_if(|next| next.kind == Kind::Recent);
    if let Some(extra) = found.next() {
        return Err(Loss(format!("an extra section: {}", describe(new, extra))));
    }
    summaries(old, plan, new)
}

/// Whether each of `sections` stands whole in an archive file that was `before` or in what is added to it.
pub fn archive<T: AsRef<[u8]>>(before: &[u8], added: &[T], sections: &[&[u8]]) -> Result<(), Loss> {
    let mut parts = added.iter().rev().map(AsRef::as_ref);
    for section in sections.iter().rev() {
        if parts.by_ref().any(|part| part == *section) {
            continue;
        }
        // There before, but for a line ending perhaps.
        let first = added.first().map_or(&b""[..], AsRef::as_ref);
        if memchr::memmem::find(&[before, first].concat(), section).is_none() {
            return Err(Loss("a section on its way to the archive".into()));
        }
    }
    Ok(())
}

/// A later title becomes the file's first when what stood above it goes.
fn same_kind(a: Kind, b: Kind) -> bool {
    let plain = |kind| if kind == Kind::Top { Kind::Undated } else { kind };
    plain(a) == plain(b)
}

fn is_separator(rest: &[u8]) -> bool {
    without_separator(rest).is_empty()
}

fn summaries(old: &Document<'_>, plan: &Plan, new: &Document<'_>) -> Result<(), Loss> {
    let (before, after) = (plan::read_block(old), plan::read_block(new));
    let stays = after.by_period();
    let retired: HashSet<&[u8]> = plan.retired.iter().map(Vec::as_slice).collect();
    for (period, line) in &before.lines {
        let stays = stays.get(period).is_some_and(|lines| lines.iter().any(|new| new.starts_with(line)));
        let derived = crate::summaries::is_derived(line);
        if !stays && !derived && !retired.contains(line.as_slice()) {
            return Err(Loss(format!("the summary of {period}")));
        }
    }
    let kept = memchr::memmem::find(&after.foreign, &before.foreign).is_some();
    if kept { Ok(()) } else { Err(Loss("the text in the summaries".into())) }
}

fn describe(document: &Document<'_>, section: &Section) -> String {
    let line = document.line_number(section.range.start);
    format!("the section {:?} of line {line}", document.heading(section))
}
