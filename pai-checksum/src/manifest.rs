//! A checksum file that also remembers each file's size and times, in comment lines that sha256sum skips:
//!
//! ```text
//! # 1024 1763697600.123456789 1763697600.123456789 a/b.txt
//! e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a/b.txt
//! ```
//!
//! Size in bytes, then the last write and the last change in seconds since the epoch, then the name once more:
//! a list that was sorted or merged still says whose times these are. `#\` starts one whose name is escaped.

use std::collections::HashMap;

use crate::stamp::Stamp;
use pai_common::checksum_line::{self, Entry, Parsed, Parser};

const HEADING: &[u8] = b"# Comment lines: size, mtime, ctime, name, for pai-checksum --audit and --update";

/// The content of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Comments of other origin, kept as they are, ahead of everything else.
    pub comments: Vec<Vec<u8>>,
    /// The files, in the order of their lines.
    pub entries: Vec<Recorded>,
}

/// One file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The checksum line.
    pub entry: Entry,
    /// The stamp from the comment line above it.
    pub stamp: Option<Stamp>,
}

/// Number of the first line that is neither a checksum line nor a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub usize);

impl Manifest {
    /// Reads a manifest, or any other checksum file.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut manifest = Self::default();
        let mut stamps = HashMap::new();
        let mut parser = Parser::default();
        for (line, number) in checksum_line::lines(bytes).zip(1..) {
            match parser.parse(line) {
                Parsed::Malformed => return Err(Malformed(number)),
                Parsed::Entry(entry) => manifest.entries.push(Recorded { entry, stamp: None }),
                Parsed::Nothing => match parse_stamp(line) {
                    Some((name, stamp)) => drop(stamps.insert(name, stamp)),
                    None if line.starts_with(b"#") && line.strip_suffix(b"\r").unwrap_or(line) != HEADING => {
                        manifest.comments.push(line.to_vec());
                    }
                    None => {}
                },
            }
        }
        for recorded in &mut manifest.entries {
            recorded.stamp = stamps.get(&recorded.entry.name).copied();
        }
        Ok(manifest)
    }

    /// The lines of the file; without stamps if it is to be `plain`.
    pub fn to_bytes(&self, plain: bool) -> Vec<u8> {
        let mut out = Vec::new();
        for comment in &self.comments {
            out.extend_from_slice(comment);
            out.push(b'\n');
        }
        if !plain {
            out.extend_from_slice(HEADING);
            out.push(b'\n');
        }
        for Recorded { entry, stamp } in &self.entries {
            if let Some(stamp) = stamp.filter(|_| !plain) {
                out.extend_from_slice(&format_stamp(&stamp, &entry.name));
                out.push(b'\n');
            }
            out.extend_from_slice(&checksum_line::format(&entry.digest, &entry.name, entry.style));
            out.push(b'\n');
        }
        out
    }
}

fn format_stamp(stamp: &Stamp, name: &[u8]) -> Vec<u8> {
    let (mark, name) = checksum_line::escape(name);
    let [mtime, ctime] = [stamp.mtime, stamp.ctime].map(|(s, ns)| format!("{s}.{ns:09}"));
    [format!("#{mark} {} {mtime} {ctime} ", stamp.size).as_bytes(), &name].concat()
}

fn parse_stamp(line: &[u8]) -> Option<(Vec<u8>, Stamp)> {
    let rest = line.strip_suffix(b"\r").unwrap_or(line).strip_prefix(b"#")?;
    let (escaped, rest) = match rest.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let mut fields = rest.strip_prefix(b" ")?.splitn(4, |&byte| byte == b' ');
    let mut field = || std::str::from_utf8(fields.next()?).ok();
    let stamp = Stamp { size: field()?.parse().ok()?, mtime: time(field()?)?, ctime: time(field()?)? };
    let name = fields.next()?;
    Some((if escaped { checksum_line::unescape(name)? } else { name.to_vec() }, stamp))
}

fn time(text: &str) -> Option<(i64, i64)> {
    let (seconds, nanoseconds) = text.split_once('.')?;
    let nine_digits = nanoseconds.len() == 9 && nanoseconds.bytes().all(|byte| byte.is_ascii_digit());
    nine_digits.then(|| Some((seconds.parse().ok()?, nanoseconds.parse().ok()?)))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use pai_common::checksum_line::Style;

    #[test]
    fn stamps_are_found_by_name_in_any_order_and_foreign_comments_are_kept() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = format!(
            "#\n# of Monday\n{hex}  b\n{hex}  a\n# 3 -1.000000001 2.000000000 a\n# 4 1.5 2.000000000 b\n\n{hex} *c\n"
        );
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let stamps: Vec<_> = manifest.entries.iter().map(|recorded| recorded.stamp).collect();
        assert_eq!(stamps, [None, Some(Stamp { size: 3, mtime: (-1, 1), ctime: (2, 0) }), None]);
        assert_eq!(manifest.comments, [&b"#"[..], b"# of Monday", b"# 4 1.5 2.000000000 b"]);
        assert_eq!(manifest.entries[2].entry.style, Style::Binary);
    }

    #[test]
    fn the_heading_is_not_kept_as_a_comment() {
        for end in ["\n", "\r\n"] {
            let text = [HEADING, end.as_bytes()].concat();
            assert_eq!(Manifest::parse(&text).unwrap().comments, Vec::<Vec<u8>>::new());
        }
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        assert_eq!(Manifest::parse(b"# x\n\nhello\n"), Err(Malformed(3)));
    }

    prop_compose! {
        fn recorded()(
            digest: [u8; 32],
            name in prop::collection::vec(1u8.., 1..20),
            stamp in prop::option::of((any::<u64>(), any::<i64>(), 0..1_000_000_000i64)),
        ) -> Recorded {
            let stamp = stamp.map(|(size, s, ns)| Stamp { size, mtime: (s, ns), ctime: (s, ns) });
            Recorded { entry: Entry { digest, name, style: Style::Text }, stamp }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(entries in prop::collection::vec(recorded(), 0..8)) {
            let mut entries = entries;
            entries.sort_by(|a, b| a.entry.name.cmp(&b.entry.name));
            entries.dedup_by(|a, b| a.entry.name == b.entry.name);
            let manifest = Manifest { comments: vec![b"# kept".to_vec()], entries };
            prop_assert_eq!(Manifest::parse(&manifest.to_bytes(false)), Ok(manifest.clone()));
            let plain = Manifest::parse(&manifest.to_bytes(true)).unwrap();
            prop_assert!(plain.entries.iter().all(|recorded| recorded.stamp.is_none()));
            prop_assert_eq!(plain.entries.len(), manifest.entries.len());
        }
    }
}
