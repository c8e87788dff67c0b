//! Sentences and list items of Markdown text, and the plain words in them.

/// A sentence, a list item or a table row, as it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit<'a> {
    pub(super) text: &'a str,
}

/// Appends the units of `text`. Headings, comments and rules are none; code is one only where nothing else is.
pub(super) fn split<'a>(text: &'a str, units: &mut Vec<Unit<'a>>) {
    let before = units.len();
    let mut splitter =
        Splitter { text, units, paragraph: None, fence: None, code: Vec::new(), comment: false };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        splitter.line(line, start);
        start += line.len();
    }
    splitter.end_paragraph(text.len());
    let code = std::mem::take(&mut splitter.code);
    if units.len() == before {
        units.extend(code);
    }
}

struct Splitter<'a, 'u> {
    text: &'a str,
    units: &'u mut Vec<Unit<'a>>,
    /// Where the open paragraph starts.
    paragraph: Option<usize>,
    fence: Option<&'static str>,
    code: Vec<Unit<'a>>,
    comment: bool,
}

impl<'a> Splitter<'a, '_> {
    fn line(&mut self, line: &'a str, start: usize) {
        let bare = line.trim();
        if self.comment {
            self.comment = !bare.contains("-->");
            return;
        }
        let fence = ["```", "~~~"].into_iter().find(|mark| bare.starts_with(mark));
        match (self.fence, fence) {
            (Some(open), Some(mark)) if open == mark => self.fence = None,
            (Some(_), _) if !bare.is_empty() && self.code.len() < 8 => self.code.push(Unit { text: bare }),
            (Some(_), _) => {}
            (None, Some(mark)) => {
                self.end_paragraph(start);
                self.fence = Some(mark);
            }
            (None, None) => self.prose(line, bare, start),
        }
    }

    fn prose(&mut self, line: &'a str, bare: &'a str, start: usize) {
        if bare.starts_with("<!--") {
            self.end_paragraph(start);
            self.comment = !bare.contains("-->");
        } else if is_rule(bare) {
            // An underline makes what is above it a heading.
            if bare.starts_with(['=', '-']) {
                self.paragraph = None;
            }
            self.end_paragraph(start);
        } else if bare.starts_with('#') || bare.starts_with('|') {
            self.end_paragraph(start);
            if bare.starts_with('|') {
                self.units.push(Unit { text: bare });
            }
        } else {
            let content = without_markers(bare);
            if content.len() < bare.len() {
                self.end_paragraph(start);
            }
            if self.paragraph.is_none() && !content.is_empty() {
                let offset = line.len() - line.trim_start().len() + (bare.len() - content.len());
                self.paragraph = Some(start + offset);
            }
        }
    }

    fn end_paragraph(&mut self, end: usize) {
        if let Some(start) = self.paragraph.take() {
            sentences(self.text[start..end].trim_end(), self.units);
        }
    }
}

/// Nothing but dashes and the like: a blank line, a break, an underline, a table's second row.
fn is_rule(bare: &str) -> bool {
    bare.bytes().all(|b| b"-=*_|: ".contains(&b))
}

/// `bare` without quote, list and task markers.
pub(super) fn without_markers(bare: &str) -> &str {
    let mut rest = bare;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after =
            ["> ", "- ", "* ", "+ ", "[ ] ", "[x] ", "[X] "].iter().find_map(|mark| rest.strip_prefix(mark));
        let numbered = (1..=9).contains(&digits).then(|| rest[digits..].strip_prefix(". ")).flatten();
        match after.or(numbered) {
            Some(after) => rest = after.trim_start(),
            None => return rest,
        }
    }
}

/// Cuts after `。`, `！` or `？`, whatever follows, and after `.`, `!` or `?` when white space and then no lower-case
/// letter follow. Short words before a full stop are taken for abbreviations (`Dr.`, `No.`).
fn sentences<'a>(text: &'a str, units: &mut Vec<Unit<'a>>) {
    let mut rest = text;
    // A closing quote belongs to its sentence.
    while let Some((at, mark)) = rest.char_indices().find(|(_, c)| "。！？".contains(*c)) {
        let end = at + mark.len_utf8();
        let end = end
            + rest[end..].chars().take_while(|c| "」』”）".contains(*c)).map(char::len_utf8).sum::<usize>();
        spaced_sentences(rest[..end].trim_start(), units);
        rest = rest[end..].trim_start();
    }
    spaced_sentences(rest, units);
}

fn spaced_sentences<'a>(text: &'a str, units: &mut Vec<Unit<'a>>) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for at in memchr::memchr3_iter(b'.', b'!', b'?', bytes) {
        let next = bytes[at + 1..].iter().position(|b| !b.is_ascii_whitespace());
        let Some(gap @ 1..) = next else { continue };
        let word = bytes[start..at].iter().rev().take_while(|b| b.is_ascii_alphanumeric()).count();
        let abbreviation =
            bytes[at] == b'.' && word < 3 && !bytes[at - word..at].iter().any(u8::is_ascii_digit);
        if abbreviation || bytes[at + 1 + gap].is_ascii_lowercase() {
            continue;
        }
        units.push(Unit { text: &text[start..=at] });
        start = at + 1 + gap;
    }
    if start < text.len() {
        units.push(Unit { text: &text[start..] });
    }
}

/// `text` on one line: emphasis, code marks, comments and link targets go; names, numbers, dates and paths stay.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(400));
    let mut rest = text;
    // A year's longest paragraph need not be copied to be cut at 160 characters.
    while let Some(c) = rest.chars().next().filter(|_| out.len() < 4000) {
        let link = rest.strip_prefix("[[").and_then(wiki_link);
        if let Some((inner, after)) = link.or_else(|| rest.strip_prefix('[').and_then(self::link)) {
            out.push_str(&plain(inner));
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = after.find("-->").map_or("", |end| &after[end + 3..]);
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '*' | '`' | '|' => {}
            c if c.is_whitespace() || c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `Page]]` or `Page|text]]`: the page's name or the text, and what follows.
fn wiki_link(rest: &str) -> Option<(&str, &str)> {
    let (inner, after) = rest.split_once("]]").filter(|(inner, _)| !inner.contains(['[', '\n']))?;
    Some((inner.rsplit('|').next().unwrap_or(inner), after))
}

/// `text](target)`: the text, and what follows.
fn link(rest: &str) -> Option<(&str, &str)> {
    // Longer ones are no links but a search without end.
    let find = |text: &str, mark: u8| text.bytes().take(1000).position(|b| b == mark);
    let close = find(rest, b']')?;
    let target = rest[close + 1..].strip_prefix('(')?;
    let end = find(target, b')')?;
    (!rest[..close].contains('[') && !target[..end].contains('\n'))
        .then(|| (&rest[..close], &target[end + 1..]))
}
