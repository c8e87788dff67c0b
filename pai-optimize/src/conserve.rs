//! Every word is accounted for, or nothing is written. The check reads what would be written as the next run
//! would read it; it shares the scanner with the planner, and nothing else. Pure.

use std::collections::{HashMap, HashSet};

use crate::memory::{Document, Kind, Section, without_separator};
use crate::plan::{self, Plan};
use crate::restore::merge::{Day, Outcome};

/// The reason why a plan must not be carried out: something that would be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss(String);

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not account for {}; nothing was changed", self.0)
    }
}

impl std::error::Error for Loss {}

/// Checks that `new` holds, whole and in order, every section of `old` that does not go to the archive, and every line
/// of its summaries that is not retired.
pub fn memory(old: &Document<'_>, plan: &Plan, new: &Document<'_>) -> Result<(), Loss> {
    if old.reading.bullets {
        flow(old, plan, new)?;
        return summaries(old, plan, new);
    }
    let mut found = new.sections.iter().filter(|section| section.kind != Kind::Summaries).peekable();
    for (section, to_archive) in old.sections.iter().zip(&plan.to_archive) {
        if *to_archive || section.kind == Kind::Summaries {
            continue;
        }
        let text = old.text(section);
        let stands = |next: &&Section| {
            same_kind(next.kind, section.kind) && new.text(next).strip_prefix(text).is_some_and(is_separator)
        };
        if !found.peek().is_some_and(stands) {
            match section.kind {
                // A second one with nothing in it is the only heading that may go.
                Kind::Recent if text.trim_ascii().split(|&b| b == b'\n').count() <= 2 => continue,
                Kind::Recent => {}
                // A new one stands here.
                _ => _ = found.next_if(|next| next.kind == Kind::Recent),
            }
        }
        if found.next_if(|next| stands(next)).is_none() {
            return Err(Loss(describe(old, section)));
        }
    }
    found.next_if(|next| next.kind == Kind::Recent);
    if let Some(extra) = found.next() {
        return Err(Loss(format!("an extra section: {}", describe(new, extra))));
    }
    summaries(old, plan, new)
}

/// Checks that each of `sections` stands whole in an archive file that was `before` or in what is added to it.
pub fn archive<T: AsRef<[u8]>>(before: &[u8], added: &[T], sections: &[&[u8]]) -> Result<(), Loss> {
    let mut parts = added.iter().rev().map(AsRef::as_ref);
    let fresh = sections.iter().rev().take_while(|section| parts.any(|part| part == **section)).count();
    let earlier = &sections[..sections.len() - fresh];
    if earlier.is_empty() {
        return Ok(());
    }
    // The others were there before, each in a place of its own; the last may have lacked its line ending.
    let ending = added.first().map(AsRef::as_ref).filter(|part| matches!(*part, b"\n" | b"\r\n"));
    let text = [before, ending.unwrap_or_default()].concat();
    let mut end = text.len();
    for section in earlier.iter().rev() {
        let found = memchr::memmem::rfind(&text[..end], section);
        end = found.ok_or_else(|| Loss("a section on its way to the archive".into()))?;
    }
    Ok(())
}

/// A later title becomes the file's first when what stood above it goes.
fn same_kind(a: Kind, b: Kind) -> bool {
    let plain = |kind| match kind {
        Kind::Top | Kind::Kept(_) => Kind::Undated,
        kind => kind,
    };
    plain(a) == plain(b)
}

/// The same where list items are entries: what stands around one that goes comes to be one piece, so the pieces are put
/// together before they are compared.
fn flow(old: &Document<'_>, plan: &Plan, new: &Document<'_>) -> Result<(), Loss> {
    let stays = |(section, to_archive): (&Section, &bool)| (!to_archive).then(|| section.clone());
    let stays: Vec<Section> = old.sections.iter().zip(&plan.to_archive).filter_map(stays).collect();
    let (before, mut after) = (pieces(old, &stays), pieces(new, &new.sections));
    let own = |piece: &Piece| {
        matches!(piece.kind, Kind::Recent) && piece.bytes.trim_ascii() == b"## Recent Entries"
    };
    if !before.iter().any(|piece| piece.kind == Kind::Recent)
        && let Some(fresh) = after.iter().position(own)
    {
        after.remove(fresh);
        join(&mut after);
    }
    let differs = before.iter().zip(&after).position(|(before, after)| !same_piece(before, after));
    match differs.or((before.len() != after.len()).then_some(before.len().min(after.len()))) {
        None => Ok(()),
        Some(at) => {
            let lost = before.get(at).or(before.last()).map_or(&[][..], |piece| &piece.bytes);
            let shown: String = String::from_utf8_lossy(lost).chars().take(60).collect();
            Err(Loss(format!("what begins with {:?}", shown.trim())))
        }
    }
}

/// Entries one by one, and all text between two of them together.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    kind: Kind,
    bytes: Vec<u8>,
}

fn pieces(document: &Document<'_>, sections: &[Section]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for section in sections.iter().filter(|section| section.kind != Kind::Summaries) {
        let bytes = without_separators(document.text(section));
        match section.kind {
            Kind::Dated(_) => pieces.push(Piece { kind: section.kind, bytes }),
            // Its heading may be new; what stands below it was there before.
            Kind::Recent => {
                let end = memchr::memchr(b'\n', &bytes).unwrap_or(bytes.len());
                pieces.push(Piece { kind: Kind::Recent, bytes: bytes[..end].to_vec() });
                let below = bytes.len().min(end + 1);
                pieces.push(Piece { kind: Kind::Text, bytes: bytes[below..].to_vec() });
            }
            _ => pieces.push(Piece { kind: Kind::Text, bytes }),
        }
    }
    join(&mut pieces);
    pieces
}

/// Puts neighbouring texts together. Where one begins and ends, line endings come and go with what stands beside it.
fn join(pieces: &mut Vec<Piece>) {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces.drain(..) {
        match joined.last_mut() {
            Some(last) if last.kind == Kind::Text && piece.kind == Kind::Text => {
                last.bytes.extend(piece.bytes);
            }
            _ => joined.push(piece),
        }
    }
    joined.retain(|piece| !piece.bytes.trim_ascii().is_empty());
    *pieces = joined;
}

/// The same but for line endings around it.
fn same_piece(one: &Piece, other: &Piece) -> bool {
    let bare = |piece: &Piece| {
        let feed = |byte: &u8| !b"\r\n".contains(byte);
        let start = piece.bytes.iter().position(feed).unwrap_or(0);
        let end = piece.bytes.iter().rposition(feed).map_or(0, |last| last + 1);
        piece.bytes[start..end.max(start)].to_vec()
    };
    one.kind == other.kind && bare(one) == bare(other)
}

/// Without separators, one between two pieces or somebody's own, and without the blank lines that come and go with
/// them.
fn without_separators(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let bare = line.trim_ascii_end();
        if !bare.is_empty() && !crate::memory::is_separator(bare) {
            out.extend_from_slice(line);
        }
    }
    out
}

/// Checks the same of entries that the archive may hold in any order: each has bytes of its own there.
pub fn entries<T: AsRef<[u8]>>(before: &[u8], added: &[T], sections: &[&[u8]]) -> Result<(), Loss> {
    let mut text = before.to_vec();
    for part in added {
        text.extend_from_slice(part.as_ref());
    }
    let mut taken: Vec<std::ops::Range<usize>> = Vec::new();
    let mut longest: Vec<&[u8]> = sections.to_vec();
    longest.sort_by_key(|section| std::cmp::Reverse(section.len()));
    for section in longest {
        // The last one may stand there without the line ending that it was given since.
        let bare = section.strip_suffix(b"\n").unwrap_or(section);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        let free = |at: &usize| !taken.iter().any(|range| range.start < at + bare.len() && *at < range.end);
        let at = memchr::memmem::find_iter(&text, bare).find(free);
        let at = at.ok_or_else(|| Loss("an entry on its way to the archive".into()))?;
        taken.push(at..at + bare.len());
    }
    Ok(())
}

/// Checks that `new` holds every entry of `old` once more, and beside them what was put back.
pub fn merged(
    old: &Document<'_>,
    days: &[Day],
    outcomes: &[Outcome],
    new: &Document<'_>,
) -> Result<(), Loss> {
    let found = entry_counts(new);
    for (text, count) in entry_counts(old) {
        if found.get(&text).is_none_or(|found| *found < count) {
            return Err(Loss("an entry of the memory file".into()));
        }
    }
    let all = without_separators(new.bytes);
    for (day, _) in days.iter().zip(outcomes).filter(|(_, outcome)| **outcome == Outcome::Restored) {
        let whole = |range: &std::ops::Range<usize>| {
            memchr::memmem::find(&all, &without_separators(&day.bytes[range.clone()])).is_some()
        };
        if !day.parts.iter().all(|(range, _)| whole(range)) {
            return Err(Loss(format!("an entry of {}", day.date)));
        }
    }
    let kept: usize =
        old.sections.iter().filter(|section| section.date().is_none()).map(|s| old.text(s).len()).sum();
    let stays: usize =
        new.sections.iter().filter(|section| section.date().is_none()).map(|s| new.text(s).len()).sum();
    if stays < kept { Err(Loss("what is no entry".into())) } else { Ok(()) }
}

/// The entries without what a place in the middle adds to them, and how often each is there.
fn entry_counts(document: &Document<'_>) -> HashMap<Vec<u8>, usize> {
    let mut counts = HashMap::new();
    for section in document.sections.iter().filter(|section| section.date().is_some()) {
        let text = without_separators(document.text(section));
        *counts.entry(text.trim_ascii_end().to_vec()).or_default() += 1;
    }
    counts
}

/// What may follow a section: the ending that its last line lacked, and a separator.
fn is_separator(rest: &[u8]) -> bool {
    matches!(without_separator(rest), b"" | b"\n" | b"\r\n")
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::date::Date;
    use crate::memory::Reading;
    use crate::plan::{Budget, Part, PlanInput, Policy};
    use crate::summaries::Links;

    const OLD: &str = "# T\n\n## Summaries\n- 2025-08-01: only trace\n\nmy note\n\n## Recent Entries\n\n\
        ## Projects\np\n\n## 2025-09-01\ngone\n\n## 2025-09-15\nstays\n";

    fn plan(old: &Document<'_>) -> Plan {
        let date = |text: &[u8]| Date::parse(text).unwrap();
        let policy = Policy { today: date(b"2025-09-16"), window: 7, roll_up: 60, budget: Budget::default() };
        let links = Links { folder: "archive/memory/".into(), stem: "memory".into() };
        let input = PlanInput {
            archived: &BTreeSet::new(),
            notes: &[],
            known: &BTreeSet::new(),
            links: &links,
            stamp: "now",
        };
        plan::make(old, input, policy, |_| Ok("a line".into())).unwrap()
    }

    /// The verdict on a plan whose text `tamper` has changed.
    fn verdict(tamper: impl Fn(String) -> String) -> Result<(), Loss> {
        let old = Document::parse(OLD.as_bytes(), Reading::EXACT);
        let plan = plan(&old);
        let text = tamper(String::from_utf8(plan.text(&old)).unwrap());
        memory(&old, &plan, &Document::parse(text.as_bytes(), Reading::EXACT))
    }

    #[test]
    fn a_sound_plan_passes() {
        assert_eq!(verdict(|text| text), Ok(()));
    }

    #[test]
    fn whatever_is_missing_changed_doubled_or_swallowed_is_named() {
        for (from, to, named) in [
            ("stays", "stay", "the section \"2025-09-15\" of line 16"),
            ("## Projects\np\n\n", "", "the section \"Projects\" of line 10"),
            ("# T\n", "# t\n", "the section \"T\" of line 1"),
            ("## 2025-09-15", "```\n## 2025-09-15", "the section \"Projects\" of line 10"),
            ("## Projects", "## Projects\n## Projects", "the section \"Projects\" of line 10"),
            (
                "stays\n",
                "stays\n## 2025-09-16\nx\n",
                "an extra section: the section \"2025-09-16\" of line 18",
            ),
            ("only trace", "trace", "the summary of 2025-08-01"),
            ("my note", "note", "the text in the summaries"),
        ] {
            let tampered = |text: String| {
                assert!(text.contains(from), "{text}");
                text.replacen(from, to, 1)
            };
            assert_eq!(verdict(tampered), Err(Loss(named.into())), "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn a_section_that_neither_stays_nor_reaches_the_archive_is_noticed() {
        let old = Document::parse(OLD.as_bytes(), Reading::EXACT);
        let mut plan = plan(&old);
        plan.parts = vec![Part::Keep(0..OLD.find("## 2025-09-01").unwrap())];
        let text = plan.text(&old);
        assert!(memory(&old, &plan, &Document::parse(&text, Reading::EXACT)).is_err());
        let section = b"## 2025-09-01\ngone\n\n".as_slice();
        for (before, added, good) in [
            (b"".as_slice(), vec![section], true),
            (section, vec![], true),
            (b"", vec![], false),
            (b"", vec![&section[1..]], false),
            (b"## 2025-09-01\ngone\n", vec![b"\n".as_slice()], true),
        ] {
            assert_eq!(archive(before, &added, &[section]).is_ok(), good, "{before:?} {added:?}");
        }
        assert!(archive(b"", &[section], &[section, section]).is_err(), "one copy for two sections");
    }
}
