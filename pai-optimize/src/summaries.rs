//! The `## Summaries` block: its lines, which archived days each line stands for, and how it is written. Pure.

mod links;
mod period;

use std::collections::BTreeMap;
use std::ops::Range;

pub use self::links::{Links, percent_encode};
pub use self::period::{Period, Span};
use crate::markdown;

/// The lines of one or more blocks, as they stand in a memory file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Our lines and the published script's, without line endings. Several of one day stand side by side.
    pub lines: Vec<(Period, Vec<u8>)>,
    /// What somebody else wrote there, without the blank lines around it.
    pub foreign: Vec<u8>,
}

impl Block {
    /// Reads what follows a `## Summaries` heading, and adds it to this block.
    pub fn read(&mut self, body: &[u8]) {
        let items = markdown::items(body);
        let mut end = stamp(body, &items);
        for item in items {
            let text = without_blank_end(&body[item.clone()]);
            if let Some(period) = period_of(first_line(text)) {
                self.keep(&body[end..item.start]);
                self.lines.push((period, text.to_vec()));
                end = item.end;
            }
        }
        self.keep(&body[end..]);
    }

    /// Adds a text of somebody else's, apart from those before it: a line of ours that stood between two may have been
    /// all that kept a paragraph from becoming a heading.
    fn keep(&mut self, text: &[u8]) {
        let text = without_blank_end(&text[blank_lines(text)..]);
        if !text.is_empty() && !self.foreign.is_empty() {
            self.foreign.extend_from_slice(b"\n\n");
        }
        self.foreign.extend_from_slice(text);
    }

    /// Returns the lines of each period.
    pub fn by_period(&self) -> BTreeMap<Period, Vec<&[u8]>> {
        let mut periods: BTreeMap<Period, Vec<&[u8]>> = BTreeMap::new();
        for (period, line) in &self.lines {
            let lines = periods.entry(*period).or_default();
            if !lines.contains(&line.as_slice()) {
                lines.push(line);
            }
        }
        periods
    }
}

/// Strips white space as Markdown has it: a form feed is text, and without the one behind it `#` would be a heading.
fn without_blank_end(text: &[u8]) -> &[u8] {
    let last = text.iter().rposition(|byte| !b" \t\r\n".contains(byte));
    &text[..last.map_or(0, |last| last + 1)]
}

/// Returns the length of the blank lines that `text` starts with.
fn blank_lines(text: &[u8]) -> usize {
    let lines = text.split_inclusive(|&b| b == b'\n');
    lines.take_while(|line| without_blank_end(line).is_empty()).map(<[u8]>::len).sum()
}

fn first_line(text: &[u8]) -> &[u8] {
    without_blank_end(text.split(|&b| b == b'\n').next().unwrap_or_default())
}

/// Returns the length of the `_Last updated: ..._` that `body` starts with. One that a text goes on below is that
/// text's: as its own first line, `<b>` or `2.` would mean something else.
fn stamp(body: &[u8], items: &[Range<usize>]) -> usize {
    let start = blank_lines(body);
    let line = first_line(&body[start..]);
    let end = memchr::memchr(b'\n', &body[start..]).map_or(body.len(), |feed| start + feed + 1);
    let below = &body[end..];
    let alone = first_line(below).first().is_none_or(u8::is_ascii_alphabetic)
        || items.iter().any(|item| item.start == end);
    let is_stamp = alone && line.starts_with(b"_Last updated: ") && line.ends_with(b"_");
    if is_stamp { end } else { 0 }
}

/// Says whether a text's first line stands as far in as the text of a list item.
fn is_indented(text: &[u8]) -> bool {
    [b"  ".as_slice(), b"\t", b" \t"].iter().any(|blank| text.starts_with(blank))
}

/// Says whether a line can be made again from the archive: it is a month's or a year's, and nothing was added to it.
pub fn is_derived(line: &[u8]) -> bool {
    days(line).is_some() && !line.contains(&b'\n')
}

/// Returns what a line stands for, if it is one of ours or of the published script's. A line of a month or year is ours
/// only with its count of days: `- 2024: moved to Rome` is somebody's own.
fn period_of(line: &[u8]) -> Option<Period> {
    let rest = line.strip_prefix(b"- ")?;
    let colon = memchr::memmem::find(rest, b": ").or_else(|| rest.strip_suffix(b":").map(<[u8]>::len))?;
    let period = Period::parse(&rest[..colon])?;
    (period.span() == Span::Day || days(line).is_some()).then_some(period)
}

/// Returns the count of days in a month's or year's line.
pub fn days(line: &[u8]) -> Option<usize> {
    let text = &line[memchr::memmem::find(line, b": ")? + 2..];
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = &text[digits..];
    (rest.starts_with(b" days: ") || rest.starts_with(b" day: "))
        .then(|| std::str::from_utf8(&text[..digits]).ok()?.parse().ok())
        .flatten()
}

/// Returns the block as it is written, its blank last line included.
pub fn render(lines: &[Vec<u8>], foreign: &[u8], stamp: &str, feed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |line: &[u8]| {
        out.extend_from_slice(line);
        out.extend_from_slice(feed);
    };
    put(b"## Summaries");
    put(format!("_Last updated: {stamp}_").as_bytes());
    put(b"");
    for line in lines {
        put(line);
    }
    if !lines.is_empty() {
        put(b"");
    }
    if !foreign.is_empty() {
        if !lines.is_empty() && is_indented(foreign) {
            // Nothing else ends a list: the text would be taken for part of its last item.
            put(b"<!-- -->");
            put(b"");
        }
        put(foreign);
        put(b"");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date::Date;

    fn date(text: &str) -> Date {
        Date::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_paragraph_inside_an_item_stays_with_it() {
        let body = b"- 2025-08-01: old\n\n\n  more of it\nand this\n\nforeign\n\n  not ours\n";
        let mut block = Block::default();
        block.read(body);
        let line = b"- 2025-08-01: old\n\n\n  more of it\nand this".to_vec();
        assert_eq!(block.lines, [(Period::day(date("2025-08-01")), line)]);
        assert_eq!(block.foreign, b"foreign\n\n  not ours");
    }

    #[test]
    fn a_line_that_looks_like_html_goes_with_the_paragraph_it_is_in() {
        let mut block = Block::default();
        // Without the item above them, the last two lines would be a heading.
        block.read(b"- 2025-08-01: old\n<!1\n-\n");
        assert_eq!(block.lines, [(Period::day(date("2025-08-01")), b"- 2025-08-01: old\n<!1".to_vec())]);
        assert_eq!(block.foreign, b"-");
    }

    #[test]
    fn texts_that_a_line_of_ours_held_apart_stay_apart() {
        let mut block = Block::default();
        block
            .read(b"- [ ] mine\n- 2025-08-01: old\n-\n\n```\n- 2025-08-02: code\n```\n- 2025-08-03: new\r\n");
        let days = ["2025-08-01", "2025-08-03"].map(|day| Period::day(date(day)));
        assert_eq!(block.lines.iter().map(|(period, _)| *period).collect::<Vec<_>>(), days);
        assert_eq!(block.foreign, b"- [ ] mine\n\n-\n\n```\n- 2025-08-02: code\n```");
    }

    #[test]
    fn the_stamp_goes_unless_a_text_goes_on_below_it() {
        for (body, foreign) in [
            ("_Last updated: x_\n", ""),
            ("\n_Last updated: x_\n\ntext", "text"),
            ("_Last updated: x_\ntext", "text"),
            ("_Last updated: x_\n- text", "- text"),
            ("_Last updated: x_\n<b>\n~~~", "_Last updated: x_\n<b>\n~~~"),
            ("_Last updated: x_\n2. a", "_Last updated: x_\n2. a"),
            ("text\n_Last updated: x_\n", "text\n_Last updated: x_"),
        ] {
            let mut block = Block::default();
            block.read(body.as_bytes());
            assert_eq!(String::from_utf8_lossy(&block.foreign), foreign, "{body:?}");
        }
    }

    #[test]
    fn an_indented_text_does_not_become_part_of_the_line_above_it() {
        let lines = [b"- 2025-08-01: old".to_vec()];
        for apart in ["  apart", "\tapart", " \tapart"] {
            let text = render(&lines, apart.as_bytes(), "now", b"\n");
            let mut block = Block::default();
            block.read(text.strip_prefix(b"## Summaries\n").unwrap());
            assert_eq!(block.lines, [(Period::day(date("2025-08-01")), lines[0].clone())]);
            assert_eq!(String::from_utf8_lossy(&block.foreign), format!("<!-- -->\n\n{apart}"));
            assert_eq!(render(&lines, &block.foreign, "now", b"\n"), text);
        }
    }

    #[test]
    fn our_lines_the_old_script_s_and_foreign_text_are_told_apart() {
        let mut block = Block::default();
        block.read(
            b"_Last updated: 2025-09-16T06:00:17.570000_\r\n\n- 2025-09-01: old: text...\n- 2025-08: 2 days: a ([x](y))\n\
            - 2024: moved to Rome\n\nnote\n\n",
        );
        let periods: Vec<String> = block.lines.iter().map(|(period, _)| period.to_string()).collect();
        assert_eq!(periods, ["2025-09-01", "2025-08"]);
        assert_eq!(block.foreign, b"- 2024: moved to Rome\n\nnote");
        assert_eq!(days(&block.lines[1].1), Some(2));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let links = Links { folder: "archive/memory/".into(), stem: "memory".into() };
        let dates = [date("2025-08-02"), date("2025-08-03"), date("2025-08-30"), date("2025-08-31")];
        let lines = vec![
            links
                .line(Period::day(date("2025-09-01")), &[date("2025-09-01")], "one", |date| links.file(date)),
            links.line(Period::parse(b"2025-08").unwrap(), &dates, "many", |date| links.file(date)),
            links.line(Period::parse(b"2024").unwrap(), &dates[..1], "old", |date| links.file(date)),
        ];
        assert_eq!(
            String::from_utf8_lossy(&lines.join(&b'\n')),
            "- 2025-09-01: one ([archive](archive/memory/memory-2025-09-01.md))\n\
             - 2025-08: 4 days: many ([2025-08-02](archive/memory/memory-2025-08-02.md) … \
             [2025-08-31](archive/memory/memory-2025-08-31.md))\n\
             - 2024: 1 day: old ([archive](archive/memory/))"
        );
        for feed in [b"\n".as_slice(), b"\r\n"] {
            let text = render(&lines, b"foreign", "now", feed);
            let mut block = Block::default();
            block.read(text.strip_prefix(b"## Summaries").unwrap());
            assert_eq!(block.lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>(), lines);
            assert_eq!(block.foreign, b"foreign");
        }
    }
}
