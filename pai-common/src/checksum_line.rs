//! One checksum line: format and parse, byte by byte as sha256sum does (coreutils' `digest.c`, `split_3`).

use std::borrow::Cow;

use crate::sha256::{Digest, to_hex};

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// `HASH  NAME`
    #[default]
    Text,
    /// `HASH *NAME`
    Binary,
    /// `SHA256 (NAME) = HASH`
    Tag,
}

/// The content of a well-formed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The digest it lists.
    pub digest: Digest,
    /// The file's name, unescaped; bytes, not text.
    pub name: Vec<u8>,
    /// How the line was written; a BSD-reversed line counts as text.
    pub style: Style,
}

/// The kinds of line in a list of checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// Empty, or a comment.
    Nothing,
    /// A digest and a name.
    Entry(Entry),
    /// Anything else.
    Malformed,
}

/// One checksum line without its end; names with a line feed, a carriage return or a backslash are escaped.
pub fn format(digest: &Digest, name: &[u8], style: Style) -> Vec<u8> {
    let (mark, name) = escape(name);
    lay_out(digest, mark, &name, style)
}

/// One checksum line for a list whose lines end in NUL: nothing needs escaping.
pub fn format_raw(digest: &Digest, name: &[u8], style: Style) -> Vec<u8> {
    lay_out(digest, "", name, style)
}

fn lay_out(digest: &Digest, mark: &str, name: &[u8], style: Style) -> Vec<u8> {
    let hex = to_hex(digest);
    let parts: [&[u8]; 5] = match style {
        Style::Text => [mark.as_bytes(), hex.as_bytes(), b"  ", name, b""],
        Style::Binary => [mark.as_bytes(), hex.as_bytes(), b" *", name, b""],
        Style::Tag => [mark.as_bytes(), b"SHA256 (", name, b") = ", hex.as_bytes()],
    };
    parts.concat()
}

/// The name as it stands in a line, and what that line starts with: a backslash if something was escaped.
pub fn escape(name: &[u8]) -> (&'static str, Cow<'_, [u8]>) {
    if !name.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r')) {
        return ("", Cow::Borrowed(name));
    }
    let escaped = name.iter().flat_map(|byte| match byte {
        b'\\' => b"\\\\",
        b'\n' => b"\\n",
        b'\r' => b"\\r",
        other => std::slice::from_ref(other),
    });
    ("\\", Cow::Owned(escaped.copied().collect()))
}

/// The reverse of [`escape`]; `None` for an escape that does not exist, or a NUL.
pub fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = name.iter();
    let mut out = Vec::with_capacity(name.len());
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            0 => return None,
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

/// The lines of a file; the last one may lack its line feed.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// Reads lines. It remembers whether the first untagged one was BSD-reversed (`HASH NAME`), because from
/// then on a second blank is either a marker or the start of a name: an attacker could rename files between
/// the two readings.
#[derive(Debug, Default)]
pub struct Parser {
    reversed: Option<bool>,
}

impl Parser {
    /// Reads one line, given without its line feed.
    pub fn parse(&mut self, line: &[u8]) -> Parsed {
        if line.first() == Some(&b'#') {
            return Parsed::Nothing;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Parsed::Nothing;
        }
        self.entry(line).map_or(Parsed::Malformed, Parsed::Entry)
    }

    fn entry(&mut self, line: &[u8]) -> Option<Entry> {
        let line = trim_blanks(line);
        let (escaped, line) = match line.strip_prefix(b"\\") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (digest, name, style) = match line.strip_prefix(b"SHA256") {
            Some(rest) => tagged(rest)?,
            None => self.untagged(line)?,
        };
        let name = if escaped { unescape(name)? } else { until_nul(name).to_vec() };
        Some(Entry { digest, name, style })
    }

    fn untagged<'a>(&mut self, line: &'a [u8]) -> Option<(Digest, &'a [u8], Style)> {
        let (hex, rest) = line.split_at_checked(64)?;
        let (blank, rest) = rest.split_first()?;
        let digest = from_hex(hex)?;
        if !is_blank(*blank) || rest.is_empty() {
            return None;
        }
        if rest.len() == 1 || !matches!(rest[0], b' ' | b'*') {
            if self.reversed == Some(false) {
                return None;
            }
            self.reversed = Some(true);
            return Some((digest, rest, Style::Text));
        }
        if self.reversed == Some(true) {
            return Some((digest, rest, Style::Text));
        }
        self.reversed = Some(false);
        Some((digest, &rest[1..], if rest[0] == b'*' { Style::Binary } else { Style::Text }))
    }
}

/// Parses the text after `SHA256`, ` (NAME) = HASH`. NAME runs to the last parenthesis.
fn tagged(rest: &[u8]) -> Option<(Digest, &[u8], Style)> {
    let rest = rest.strip_prefix(b" ").unwrap_or(rest).strip_prefix(b"(")?;
    let end = rest.iter().rposition(|&byte| byte == b')')?;
    let hex = trim_blanks(trim_blanks(&rest[end + 1..]).strip_prefix(b"=")?);
    Some((from_hex(until_nul(hex))?, &rest[..end], Style::Tag))
}

fn from_hex(hex: &[u8]) -> Option<Digest> {
    let mut digest = Digest::default();
    if hex.len() != 2 * digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = (high? << 4 | low?) as u8;
    }
    Some(digest)
}

/// sha256sum works on C strings: a NUL ends a name.
fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or(bytes)
}

fn trim_blanks(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| !is_blank(byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests;
