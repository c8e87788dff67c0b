//! Where the top-level headings of a Markdown text are: `CommonMark`'s block structure, line by line, over bytes.
//!
//! Only what decides whether a line is a heading is tracked: the open containers (block quotes, list items) and
//! the open leaf (paragraph, fence, HTML block). pulldown-cmark is the oracle in the tests; it would build a
//! tree of a 50 MB file to answer the same question. One difference is meant: LF and CRLF end lines, a lone CR
//! does not, so that what a terminal shows as one line stays one.

mod definitions;
mod html;
mod items;
mod line;

use std::ops::Range;

use self::html::HtmlEnd;
pub use self::items::items;
use self::line::Line;

/// A heading that no list item, block quote, code or HTML holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Where its first line starts, or that of the link definitions in its paragraph: behind them an indented line or
    /// one that looks like a list can be a heading, and without them it is none.
    pub start: usize,
    /// What it says, without hashes or underline; several lines for a setext heading of several lines.
    pub text: Range<usize>,
}

/// What a text's block structure is, as far as this project asks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The top-level headings, in order.
    pub headings: Vec<Heading>,
    /// From the opening line of a top-level fence or HTML block that is never closed, to the end of the text.
    pub unclosed: Option<Range<usize>>,
    /// The text ends in an HTML block that a blank line would end; a heading right behind it would be none.
    pub dangling: bool,
}

/// Finds the top-level headings of `text`; a byte order mark and front matter are stepped over.
pub fn outline(text: &[u8]) -> Outline {
    let mut scanner = Scanner::new(text);
    let mut start = preface(text);
    while start < text.len() {
        start = scanner.line(start);
    }
    scanner.finish()
}

/// How many bytes of byte order mark and front matter (`---` to `---` or `...`) `text` starts with.
pub fn preface(text: &[u8]) -> usize {
    let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut lines = text[mark..].split_inclusive(|&b| b == b'\n');
    let Some(first) = lines.next() else { return mark };
    if first.trim_ascii_end() != b"---" {
        return mark;
    }
    let mut end = mark + first.len();
    for (number, line) in lines.enumerate() {
        let bare = line.trim_ascii_end();
        let closes = bare == b"---" || bare == b"...";
        // `---` and then nothing is a thematic break, not the start of metadata.
        if number == 0 && (bare.is_empty() || closes) {
            return mark;
        }
        end += line.len();
        if closes {
            return end;
        }
    }
    mark
}

#[derive(Debug)]
enum Container {
    Quote,
    /// A list item that begins in the line at `start` and whose content stands `width` columns in; `empty` until it
    /// has any.
    Item {
        start: usize,
        width: usize,
        empty: bool,
    },
}

/// The block that takes the next line if no other starts there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaf {
    None,
    Paragraph { start: usize },
    Fence { start: usize, mark: u8, length: usize },
    Html { start: usize, end: HtmlEnd },
}

struct Scanner<'a> {
    text: &'a [u8],
    containers: Vec<Container>,
    leaf: Leaf,
    found: Outline,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, containers: Vec::new(), leaf: Leaf::None, found: Outline::default() }
    }

    /// Reads the line that starts at `start`; returns where the next one does.
    fn line(&mut self, start: usize) -> usize {
        let rest = &self.text[start..];
        let bytes = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
        if !self.plain(bytes, start) {
            let returns = bytes.iter().rev().take_while(|&&byte| byte == b'\r').count();
            self.structured(Line::new(&bytes[..bytes.len() - returns]), start);
        }
        start + bytes.len() + 1
    }

    /// Most lines of a memory file are prose that starts with a letter: such a line is in no container but by lazy
    /// continuation, and starts nothing but a paragraph.
    fn plain(&mut self, bytes: &[u8], start: usize) -> bool {
        let Some(&first) = bytes.first() else { return false };
        let letter = first.is_ascii_alphabetic() || first >= 0x80;
        match self.leaf {
            Leaf::Paragraph { .. } => letter,
            Leaf::Fence { mark, .. } if self.containers.is_empty() => first != mark && first != b' ',
            Leaf::Html { .. } if self.containers.is_empty() => false,
            _ if letter => {
                self.containers.clear();
                self.leaf = Leaf::Paragraph { start };
                true
            }
            _ => false,
        }
    }

    fn structured(&mut self, mut line: Line<'_>, start: usize) {
        let matched = self.match_containers(&mut line);
        let inside = matched == self.containers.len();
        if inside {
            match self.leaf {
                Leaf::Fence { mark, length, .. } => {
                    if line.closes_fence(mark, length) {
                        self.leaf = Leaf::None;
                    }
                    return;
                }
                Leaf::Html { end, .. } => {
                    if end.met_by(line.rest()) {
                        self.leaf = Leaf::None;
                    }
                    return;
                }
                _ => {}
            }
        }
        self.open_blocks(&mut line, start, matched, inside);
    }

    /// Steps over the markers of the containers that go on in this line; returns how many do.
    fn match_containers(&self, line: &mut Line<'_>) -> usize {
        for (number, container) in self.containers.iter().enumerate() {
            let goes_on = match *container {
                Container::Quote => line.take_quote_marker(),
                // An item may start with one blank line, not with two.
                Container::Item { empty, .. } if line.is_blank() => !empty,
                Container::Item { width, .. } => line.take_columns(width),
            };
            if !goes_on {
                return number;
            }
        }
        self.containers.len()
    }

    /// Tries the block starts in `CommonMark`'s order, then continues or starts a paragraph.
    fn open_blocks(&mut self, line: &mut Line<'_>, start: usize, matched: usize, inside: bool) {
        let mut fresh = false;
        loop {
            let paragraph = !fresh && matches!(self.leaf, Leaf::Paragraph { .. });
            if line.is_blank() {
                if !fresh {
                    self.containers.truncate(matched);
                }
                self.leaf = Leaf::None;
                return;
            }
            if line.indent() >= 4 {
                // Indented code cannot interrupt a paragraph, not even a lazily continued one.
                if !paragraph {
                    self.begin(Leaf::None, fresh, matched);
                }
                return;
            }
            if line.take_quote_marker() {
                self.begin(Leaf::None, fresh, matched);
                self.containers.push(Container::Quote);
                fresh = true;
                continue;
            }
            let interrupting = paragraph && inside;
            let mut first = start;
            if interrupting
                && let (Leaf::Paragraph { start: above }, Some(level)) = (self.leaf, line.underline())
            {
                if self.setext(level, above..start) {
                    return;
                }
                first = above;
            }
            if let Some(leaf) = self.leaf_start(line, start, paragraph, fresh, matched) {
                self.begin(leaf, fresh, matched);
                return;
            }
            if let Some(width) = line.take_list_marker(interrupting) {
                self.begin(Leaf::None, fresh, matched);
                self.containers.push(Container::Item { start, width, empty: true });
                fresh = true;
                continue;
            }
            // `setext` ends a paragraph that was nothing but link definitions: this line goes on with it.
            if !paragraph || self.leaf == Leaf::None {
                self.begin(Leaf::Paragraph { start: first }, fresh, matched);
            }
            return;
        }
    }

    /// Closes what this line does not continue, and makes `leaf` the open one.
    fn begin(&mut self, leaf: Leaf, fresh: bool, matched: usize) {
        if !fresh {
            self.containers.truncate(matched);
        }
        for container in &mut self.containers {
            if let Container::Item { empty, .. } = container {
                *empty = false;
            }
        }
        self.leaf = leaf;
    }

    /// An ATX heading, a thematic break, a fence or an HTML block: the leaf that is open after this line.
    fn leaf_start(
        &mut self,
        line: &Line<'_>,
        start: usize,
        paragraph: bool,
        fresh: bool,
        matched: usize,
    ) -> Option<Leaf> {
        let rest = line.content();
        match rest.first()? {
            b'#' => {
                let (level, text) = line.atx()?;
                if !fresh && matched == 0 {
                    let text = start + text.start..start + text.end;
                    self.found.headings.push(Heading { level, start, text });
                }
                Some(Leaf::None)
            }
            b'-' | b'*' | b'_' if line::is_thematic_break(rest) => Some(Leaf::None),
            b'`' | b'~' => {
                let (mark, length) = line::fence(rest)?;
                Some(Leaf::Fence { start, mark, length })
            }
            b'<' => {
                let end = html::starts(rest, paragraph)?;
                Some(if end.met_by(rest) { Leaf::None } else { Leaf::Html { start, end } })
            }
            _ => None,
        }
    }

    /// Whether an underline makes the open paragraph, the lines `above` it, a heading: link definitions are none.
    fn setext(&mut self, level: u8, above: Range<usize>) -> bool {
        let paragraph = &self.text[above.clone()];
        let skipped = if self.containers.is_empty() { definitions::skip(paragraph) } else { 0 };
        self.leaf = Leaf::None;
        if skipped == paragraph.len() {
            return false;
        }
        if self.containers.is_empty() {
            let text = line::trimmed(self.text, above.start + skipped..above.end);
            self.found.headings.push(Heading { level, start: above.start, text });
        }
        true
    }

    fn finish(mut self) -> Outline {
        self.found.dangling = matches!(self.leaf, Leaf::Html { end: HtmlEnd::Blank, .. });
        self.found.unclosed = match self.leaf {
            // What a quote or an item holds ends with it, at the next line that is not its own.
            _ if !self.containers.is_empty() => None,
            Leaf::Fence { start, .. } => Some(start..self.text.len()),
            Leaf::Html { start, end } if end != HtmlEnd::Blank => Some(start..self.text.len()),
            _ => None,
        };
        self.found
    }
}

#[cfg(test)]
mod tests;
