//! Contents of versions: how texts differ, and which lines hold a word.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use pai_common::sha256::Digest;
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline, group_diff_ops};

use super::catalogue::Thing;
use super::nights::Place;
use crate::Context;
use crate::cat;
use crate::entry::Kind;

/// Longer files are not compared.
const LONGEST: u64 = 8 << 20;
/// So many bytes are looked at to tell a text, as in git.
const LOOKED_AT: usize = 8000;
/// Lines shown around a change.
const AROUND: usize = 3;
/// Two texts without a common line could be compared for hours; after this the rest is told as one change.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads contents from archives, each once.
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    place: &'a Place,
    threads: usize,
    /// The last ones that were read.
    kept: HashMap<Digest, Vec<u8>>,
}

/// Why there is no text to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoText {
    /// It is no file.
    NoFile,
    /// It has NUL bytes.
    Binary,
    /// It is longer than is compared.
    Long,
}

impl<'a> Texts<'a> {
    pub(crate) fn new(place: &'a Place, run: &Context<'_>) -> Self {
        Self { place, threads: run.threads(), kept: HashMap::new() }
    }

    /// The text that an archive has at a path.
    pub(crate) fn read(
        &mut self,
        archive: &str,
        path: &Path,
        thing: &Thing,
    ) -> anyhow::Result<Result<Vec<u8>, NoText>> {
        let (Kind::File, Some(digest)) = (thing.kind, thing.digest) else { return Ok(Err(NoText::NoFile)) };
        if thing.size > LONGEST {
            return Ok(Err(NoText::Long));
        }
        let content = if let Some(content) = self.kept.get(&digest) {
            content.clone()
        } else {
            let content = self.fetch(archive, path, thing)?;
            // Versions are asked for in pairs: more than two are never needed.
            if self.kept.len() > 1 {
                self.kept.clear();
            }
            self.kept.insert(digest, content.clone());
            content
        };
        Ok(if content[..content.len().min(LOOKED_AT)].contains(&0) {
            Err(NoText::Binary)
        } else {
            Ok(content)
        })
    }

    fn fetch(&self, archive: &str, path: &Path, thing: &Thing) -> anyhow::Result<Vec<u8>> {
        let context = || format!("could not read {} of {archive}", path.display());
        let opened = self.place.open(archive).with_context(context)?;
        let mut content = Vec::with_capacity(thing.size as usize);
        cat::copy(&opened, path, self.threads, &mut content).with_context(context)?;
        if Some(pai_common::sha256::digest(&content)) != thing.digest {
            bail!("could not read {} of {archive}: its SHA-256 is another", path.display());
        }
        Ok(content)
    }
}

/// How many lines hold `word`.
pub(crate) fn lines_with(text: &[u8], word: &[u8]) -> usize {
    let holds = |line: &&[u8]| word.is_empty() || line.windows(word.len()).any(|part| part == word);
    text.split_inclusive(|&byte| byte == b'\n').filter(holds).count()
}

/// How two texts differ, as `diff -u` shows it; the names are what stands behind `---` and `+++`.
pub(crate) fn unified(old: (&str, &[u8]), new: (&str, &[u8])) -> Vec<u8> {
    let lines = |text: &'_ [u8]| -> Vec<Vec<u8>> {
        text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    let (old_lines, new_lines) = (lines(old.1), lines(new.1));
    let deadline = Instant::now() + PATIENCE;
    let ops = capture_diff_slices_deadline(Algorithm::Myers, &old_lines, &new_lines, Some(deadline));
    let mut out = Vec::new();
    if old_lines != new_lines {
        out.extend_from_slice(format!("--- {}\n+++ {}\n", old.0, new.0).as_bytes());
    }
    for group in group_diff_ops(ops, AROUND) {
        hunk(&group, &old_lines, &new_lines, &mut out);
    }
    out
}

fn hunk(ops: &[DiffOp], old: &[Vec<u8>], new: &[Vec<u8>], out: &mut Vec<u8>) {
    let (Some(first), Some(last)) = (ops.first(), ops.last()) else { return };
    let range = |start: usize, end: usize| match end - start {
        1 => format!("{}", start + 1),
        // An empty range is named by the line before it.
        0 => format!("{start},0"),
        count => format!("{},{count}", start + 1),
    };
    let old_range = range(first.old_range().start, last.old_range().end);
    let new_range = range(first.new_range().start, last.new_range().end);
    out.extend_from_slice(format!("@@ -{old_range} +{new_range} @@\n").as_bytes());
    let mut tell = |sign: u8, lines: &[Vec<u8>]| {
        for line in lines {
            out.push(sign);
            out.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    };
    for op in ops {
        if let DiffOp::Equal { .. } = op {
            tell(b' ', &old[op.old_range()]);
        } else {
            tell(b'-', &old[op.old_range()]);
            tell(b'+', &new[op.new_range()]);
        }
    }
}

/// A line of two texts beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Side {
    /// Lines that both have are left out here.
    Skipped,
    /// A line that both have.
    Same(Vec<u8>),
    /// A line of the old text, of the new one, or of both.
    Differs(Option<Vec<u8>>, Option<Vec<u8>>),
}

/// Two texts beside each other: what differs, and a few lines around it.
pub(crate) fn side_by_side(old: &[u8], new: &[u8]) -> Vec<Side> {
    let lines = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    let (old, new) = (lines(old), lines(new));
    let deadline = Instant::now() + PATIENCE;
    let ops = capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline));
    let mut sides = Vec::new();
    let mut shown = 0;
    for group in group_diff_ops(ops, AROUND) {
        if group.first().is_some_and(|op| op.new_range().start > shown) {
            sides.push(Side::Skipped);
        }
        for op in group {
            shown = op.new_range().end;
            let (before, after) = (&old[op.old_range()], &new[op.new_range()]);
            if let DiffOp::Equal { .. } = op {
                sides.extend(after.iter().cloned().map(Side::Same));
            } else {
                let longer = before.len().max(after.len());
                let line = |number: usize| (before.get(number).cloned(), after.get(number).cloned());
                sides.extend((0..longer).map(line).map(|(old, new)| Side::Differs(old, new)));
            }
        }
    }
    if !sides.is_empty() && shown < new.len() {
        sides.push(Side::Skipped);
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_those_of_diff_u() {
        let numbers = (1..=20).map(|number| number.to_string() + "\n").collect::<Vec<_>>().concat();
        for (old, new, hunks) in [
            ("a\n", "a\n", ""),
            ("", "a\n", "@@ -0,0 +1 @@\n+a\n"),
            ("a\n", "", "@@ -1 +0,0 @@\n-a\n"),
            ("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"),
            ("a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"),
            (&numbers, &numbers.replace("\n10\n", "\n"), "@@ -7,7 +7,6 @@\n 7\n 8\n 9\n-10\n 11\n 12\n 13\n"),
        ] {
            let expected = if hunks.is_empty() { String::new() } else { format!("--- x\n+++ y\n{hunks}") };
            let told = unified(("x", old.as_bytes()), ("y", new.as_bytes()));
            assert_eq!(String::from_utf8(told).unwrap(), expected);
        }
    }

    #[test]
    fn lines_that_hold_a_word_are_counted() {
        assert_eq!(lines_with(b"milk\nmilk milk\nMilk\nno milk", b"milk"), 3);
        assert_eq!(lines_with(b"", b"milk"), 0);
    }

    #[test]
    fn texts_stand_beside_each_other() {
        let numbers = (1..=20).map(|number| number.to_string() + "\n").collect::<Vec<_>>().concat();
        let other = numbers.replace("\n2\n", "\ntwo\n").replace("20\n", "");
        let shown: Vec<String> = side_by_side(numbers.as_bytes(), other.as_bytes())
            .iter()
            .map(|side| {
                let text = |line: &Option<Vec<u8>>| {
                    line.as_ref()
                        .map_or("-".to_owned(), |line| String::from_utf8_lossy(line).trim().to_owned())
                };
                match side {
                    Side::Skipped => "...".to_owned(),
                    Side::Same(line) => text(&Some(line.clone())),
                    Side::Differs(old, new) => format!("{}|{}", text(old), text(new)),
                }
            })
            .collect();
        assert_eq!(shown.join(" "), "1 2|two 3 4 5 ... 17 18 19 20|-");
        let middle = numbers.replace("\n10\n", "\nten\n");
        let sides = side_by_side(numbers.as_bytes(), middle.as_bytes());
        assert_eq!((sides.first(), sides.last()), (Some(&Side::Skipped), Some(&Side::Skipped)));
    }
}
