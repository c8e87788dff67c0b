//! A plan as a unified diff. The plan knows what stays, so nothing has to be searched for. Pure.

use crate::memory::Document;
use crate::plan::{Part, Plan};

const CONTEXT: usize = 3;

enum Line<'a> {
    Same(&'a [u8]),
    Old(&'a [u8]),
    New(&'a [u8]),
}

/// What `diff -u name name` would say about old and new memory file; empty if nothing changes.
pub(crate) fn unified(name: &str, document: &Document<'_>, plan: &Plan) -> Vec<u8> {
    let lines = script(document, plan);
    let mut out = Vec::new();
    let mut shown = 0;
    let (mut old, mut new) = (1, 1);
    let changed: Vec<usize> = (0..lines.len()).filter(|&at| !matches!(lines[at], Line::Same(_))).collect();
    let mut next = changed.iter().copied().peekable();
    while let Some(first) = next.next() {
        let start = first.saturating_sub(CONTEXT).max(shown);
        let mut last = first;
        while let Some(more) = next.next_if(|&more| more <= last + 2 * CONTEXT) {
            last = more;
        }
        let end = (last + 1 + CONTEXT).min(lines.len());
        for line in &lines[shown..start] {
            advance(line, &mut old, &mut new);
        }
        if out.is_empty() {
            out.extend_from_slice(format!("--- {name}\n+++ {name}\n").as_bytes());
        }
        hunk(&lines[start..end], (&mut old, &mut new), &mut out);
        shown = end;
    }
    out
}

/// Every line of both files, in order: what is left out of a gap before what is put there.
fn script<'a>(document: &Document<'a>, plan: &'a Plan) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let mut at = 0;
    let mut fresh: Vec<&[u8]> = Vec::new();
    let close_gap = |lines: &mut Vec<Line<'a>>, old: &'a [u8], fresh: &mut Vec<&'a [u8]>| {
        let mut old: Vec<&[u8]> = old.split_inclusive(|&b| b == b'\n').collect();
        let same = old.iter().zip(fresh.iter()).take_while(|(a, b)| a == b).count();
        lines.extend(old.drain(..same).map(Line::Same));
        fresh.drain(..same);
        let ends = old.iter().rev().zip(fresh.iter().rev()).take_while(|(a, b)| a == b).count();
        let tail = old.split_off(old.len() - ends);
        fresh.truncate(fresh.len() - ends);
        lines.extend(old.into_iter().map(Line::Old));
        lines.extend(fresh.drain(..).map(Line::New));
        lines.extend(tail.into_iter().map(Line::Same));
    };
    for part in &plan.parts {
        match part {
            Part::New(text) => fresh.extend(text.split_inclusive(|&b| b == b'\n')),
            Part::Keep(range) => {
                close_gap(&mut lines, &document.bytes[at..range.start], &mut fresh);
                lines.extend(document.bytes[range.clone()].split_inclusive(|&b| b == b'\n').map(Line::Same));
                at = range.end;
            }
        }
    }
    close_gap(&mut lines, &document.bytes[at..], &mut fresh);
    lines
}

fn advance(line: &Line<'_>, old: &mut usize, new: &mut usize) {
    *old += usize::from(!matches!(line, Line::New(_)));
    *new += usize::from(!matches!(line, Line::Old(_)));
}

fn hunk(lines: &[Line<'_>], (old, new): (&mut usize, &mut usize), out: &mut Vec<u8>) {
    let (old_start, new_start) = (*old, *new);
    let mut body = Vec::new();
    for line in lines {
        advance(line, old, new);
        let (mark, text) = match *line {
            Line::Same(text) => (b' ', text),
            Line::Old(text) => (b'-', text),
            Line::New(text) => (b'+', text),
        };
        body.push(mark);
        body.extend_from_slice(text);
        if !text.ends_with(b"\n") {
            body.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
    let (old_count, new_count) = (*old - old_start, *new - new_start);
    // An empty side names the line before it.
    let (old_start, new_start) =
        (old_start - usize::from(old_count == 0), new_start - usize::from(new_count == 0));
    let head = format!("@@ -{old_start},{old_count} +{new_start},{new_count} @@\n");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(&body);
}
