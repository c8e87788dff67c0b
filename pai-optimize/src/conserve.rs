//! Every word is accounted for, or nothing is written. The check reads what would be written as the next run
//! would read it; it shares the scanner with the planner, and nothing else. Pure.

use std::collections::HashSet;

use crate::memory::{Document, Kind, Section};
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
            next.kind == section.kind && new.text(next).strip_prefix(text).is_some_and(is_separator)
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

/// Whether an archive file made of `parts` ends with `sections`.
pub fn archive(parts: &[&[u8]], sections: &[&[u8]]) -> Result<(), Loss> {
    let mut have = parts.iter().rev().copied();
    let mut rest: &[u8] = &[];
    for mut wanted in sections.iter().rev().copied() {
        while !wanted.is_empty() {
            if rest.is_empty() {
                rest = have.next().ok_or_else(|| Loss("a section on its way to the archive".into()))?;
                continue;
            }
            let length = rest.len().min(wanted.len());
            let (rest_left, a) = rest.split_at(rest.len() - length);
            let (wanted_left, b) = wanted.split_at(wanted.len() - length);
            if a != b {
                return Err(Loss("a section on its way to the archive".into()));
            }
            (rest, wanted) = (rest_left, wanted_left);
        }
    }
    Ok(())
}

fn is_separator(rest: &[u8]) -> bool {
    matches!(rest, b"" | b"<!-- -->\n" | b"<!-- -->\r\n")
}

fn summaries(old: &Document<'_>, plan: &Plan, new: &Document<'_>) -> Result<(), Loss> {
    let (before, after) = (plan::read_block(old), plan::read_block(new));
    let stays = after.by_period();
    let retired: HashSet<&[u8]> = plan.retired.iter().map(Vec::as_slice).collect();
    for (period, line) in &before.lines {
        let stays = stays.get(period).is_some_and(|lines| lines.iter().any(|new| new.starts_with(line)));
        let derived = crate::summaries::days(line).is_some();
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
