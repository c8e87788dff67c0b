//! One line of Markdown: its columns (tabs stop every four) and the block starts that fit in it.

use std::ops::Range;

/// A line without its ending, and how far its container markers have been read.
#[derive(Debug, Clone)]
pub(super) struct Line<'a> {
    bytes: &'a [u8],
    at: usize,
    column: usize,
    /// Columns left of the tab at `at`, if a marker took only a part of it.
    partial: usize,
}

impl<'a> Line<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, column: 0, partial: 0 }
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// What is not read yet, without the white space it starts with: spaces and tabs alone are white space to
    /// `CommonMark`, a form feed or a lone carriage return is text.
    pub(super) fn content(&self) -> &'a [u8] {
        &self.bytes[self.measure().1..]
    }

    pub(super) fn is_blank(&self) -> bool {
        self.rest().iter().all(|&b| b == b' ' || b == b'\t')
    }

    /// How many columns of white space come next.
    pub(super) fn indent(&self) -> usize {
        self.measure().0
    }

    /// The columns of white space that come next, and the index of the byte after them.
    fn measure(&self) -> (usize, usize) {
        let mut column = self.column;
        let mut at = self.at;
        if self.partial > 0 {
            column += self.partial;
            at += 1;
        }
        while let Some(&byte) = self.bytes.get(at) {
            match byte {
                b' ' => column += 1,
                b'\t' => column += 4 - column % 4,
                _ => break,
            }
            at += 1;
        }
        (column - self.column, at)
    }

    /// Reads `columns` of white space, if there are as many.
    pub(super) fn take_columns(&mut self, columns: usize) -> bool {
        if self.indent() < columns {
            return false;
        }
        let goal = self.column + columns;
        while self.column < goal {
            let width = match self.bytes[self.at] {
                b'\t' if self.partial > 0 => self.partial,
                b'\t' => 4 - self.column % 4,
                _ => 1,
            };
            let taken = width.min(goal - self.column);
            self.column += taken;
            self.partial = width - taken;
            if self.partial == 0 {
                self.at += 1;
            }
        }
        true
    }

    /// Moves to byte `at`, which `columns` of the present position precede.
    fn jump(&mut self, at: usize, columns: usize) {
        self.at = at;
        self.column += columns;
        self.partial = 0;
    }

    /// Reads `>` and one column of white space after it.
    pub(super) fn take_quote_marker(&mut self) -> bool {
        let (indent, at) = self.measure();
        if indent > 3 || self.bytes.get(at) != Some(&b'>') {
            return false;
        }
        self.jump(at + 1, indent + 1);
        self.take_columns(1);
        true
    }

    /// Reads `- `, `1. ` and the like; returns how far in the item's content stands. What interrupts a
    /// paragraph must have content, and a number must be 1.
    pub(super) fn take_list_marker(&mut self, interrupting: bool) -> Option<usize> {
        let (indent, at) = self.measure();
        let rest = &self.bytes[at..];
        let length = match rest.first()? {
            b'-' | b'+' | b'*' => 1,
            b'0'..=b'9' => {
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                let number_is_one =
                    rest[..digits].iter().rev().skip(1).all(|&b| b == b'0') && rest[digits - 1] == b'1';
                if digits > 9
                    || !matches!(rest.get(digits), Some(b'.' | b')'))
                    || (interrupting && !number_is_one)
                {
                    return None;
                }
                digits + 1
            }
            _ => return None,
        };
        let mut after = self.clone();
        after.jump(at + length, indent + length);
        if after.is_blank() {
            if interrupting {
                return None;
            }
            *self = after;
            return Some(indent + length + 1);
        }
        // Five columns and more are one column and indented code.
        let padding = match after.indent() {
            0 => return None,
            columns @ 1..=4 => columns,
            _ => 1,
        };
        after.take_columns(padding);
        *self = after;
        Some(indent + length + padding)
    }

    /// Level of an ATX heading and where in the line its text is, without closing hashes.
    pub(super) fn atx(&self) -> Option<(u8, Range<usize>)> {
        let (_, at) = self.measure();
        let level = self.bytes[at..].iter().take_while(|&&b| b == b'#').count();
        if !(1..=6).contains(&level) || !matches!(self.bytes.get(at + level), None | Some(b' ' | b'\t')) {
            return None;
        }
        let text = trimmed(self.bytes, at + level..self.bytes.len());
        let body = &self.bytes[text.clone()];
        let open = body.len() - body.iter().rev().take_while(|&&b| b == b'#').count();
        let closed = open == 0 || matches!(body.get(open - 1), Some(b' ' | b'\t'));
        let end = if closed { text.start + open } else { text.end };
        Some((level as u8, trimmed(self.bytes, text.start..end)))
    }

    /// The level a setext underline gives: 1 for `===`, 2 for `---`.
    pub(super) fn underline(&self) -> Option<u8> {
        let rest = without_blanks(self.content());
        let (level, mark) = match rest.first()? {
            b'=' => (1, b'='),
            b'-' => (2, b'-'),
            _ => return None,
        };
        rest.iter().all(|&b| b == mark).then_some(level)
    }

    /// Whether this line ends a fence of `length` marks.
    pub(super) fn closes_fence(&self, mark: u8, length: usize) -> bool {
        let rest = without_blanks(self.content());
        self.indent() <= 3 && rest.len() >= length && rest.iter().all(|&b| b == mark)
    }
}

/// `***`, `- - -`, `___`: three or more of one mark and nothing but white space.
pub(super) fn is_thematic_break(rest: &[u8]) -> bool {
    let mark = rest[0];
    rest.iter().all(|&b| b == mark || b == b' ' || b == b'\t') && memchr::memchr_iter(mark, rest).count() >= 3
}

/// The mark and length of an opening fence; a fence of backticks has none in its info string.
pub(super) fn fence(rest: &[u8]) -> Option<(u8, usize)> {
    let mark = rest[0];
    let length = rest.iter().take_while(|&&b| b == mark).count();
    let fits = length >= 3 && (mark == b'~' || !rest[length..].contains(&b'`'));
    fits.then_some((mark, length))
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().rev().take_while(|byte| b" \t".contains(byte)).count();
    &text[..text.len() - blanks]
}

/// `range` of `text` without white space at either end.
pub(super) fn trimmed(text: &[u8], range: Range<usize>) -> Range<usize> {
    let bytes = &text[range.clone()];
    let start = range.start + (bytes.len() - bytes.trim_ascii_start().len());
    start..start + bytes.trim_ascii().len()
}
