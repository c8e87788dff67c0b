//! `NAME.packs`: the packs an archive needs, in lines that `sha256sum -c` checks.
//!
//! The last line is a comment, which sha256sum skips. It tells whether the file is whole, and to which list it belongs:
//! `# packs COUNT sha256 DIGEST list DIGEST`, the SHA-256 of the lines before it and of the list as it lies in the store.
//! A line `# shrunk` before it tells that the archive was found suspiciously small.

use std::collections::BTreeSet;

use pai_common::checksum_line::{self, Style};
use pai_common::sha256::{self, Digest};

use super::layout::{self, Form};
use super::list::List;

const SHRUNK: &[u8] = b"# shrunk\n";

/// The packs that an archive needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The digests of the packs.
    pub(crate) packs: BTreeSet<Digest>,
    /// SHA-256 of the archive's list as it lies in the store.
    pub(crate) list: Digest,
    /// Whether the archive was found suspiciously small.
    pub(crate) shrunk: bool,
    /// Whether the packs are encrypted.
    pub(crate) form: Form,
}

impl Needs {
    /// The packs of a list; `object` is the list as it lies in the store.
    pub(crate) fn of(list: &List, object: &[u8]) -> Self {
        Self {
            packs: list.runs.packs(),
            list: sha256::digest(object),
            shrunk: list.sizes.shrunk,
            form: list.form,
        }
    }

    /// The bytes of the `.packs` file.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for pack in &self.packs {
            text.extend(checksum_line::format(
                pack,
                layout::pack_name(pack, self.form).as_bytes(),
                Style::Text,
            ));
            text.push(b'\n');
        }
        if self.shrunk {
            text.extend(SHRUNK);
        }
        let digest = sha256::to_hex(&sha256::digest(&text));
        let list = sha256::to_hex(&self.list);
        text.extend(format!("# packs {} sha256 {digest} list {list}\n", self.packs.len()).into_bytes());
        text
    }

    /// Reads a `.packs` file; `None` if a byte of it has changed.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let packs: Option<BTreeSet<Digest>> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| layout::digest(line.get(..64)?))
            .collect();
        let list = layout::digest(text.trim_end().rsplit(' ').next()?)?;
        // Whatever else there is to check, it is in what we would write.
        let shrunk = text.lines().any(|line| line.as_bytes() == SHRUNK.trim_ascii_end());
        let form = text.lines().next().map_or(Form::Plain, |line| Form::of(line).0);
        Some(Self { packs: packs?, list, shrunk, form }).filter(|needs| needs.text() == bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn needs(count: u8) -> Needs {
        Needs {
            packs: (0..count).map(|number| [number; 32]).collect(),
            list: [7; 32],
            shrunk: count % 2 == 1,
            form: Form::ALL[usize::from(count / 2 % 2)],
        }
    }

    #[test]
    fn the_lines_are_sha256sums() {
        let zeros = "00".repeat(32);
        for (count, end) in [(1, "gz"), (2, "gz.age")] {
            let text = String::from_utf8(needs(count).text()).unwrap();
            assert!(text.starts_with(&format!("{zeros}  packs/00/{zeros}.{end}\n")), "{text}");
            assert!(text.lines().last().unwrap().starts_with(&format!("# packs {count} sha256 ")), "{text}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_noticed() {
        let text = needs(3).text();
        assert_eq!(Needs::parse(&text), Some(needs(3)));
        for cut in 0..text.len() {
            assert_eq!(Needs::parse(&text[..cut]), None, "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(count in 0..5_u8, at in any::<prop::sample::Index>(), change in 1..=255_u8) {
            let mut text = needs(count).text();
            let at = at.index(text.len());
            text[at] ^= change;
            // The list's digest is only checked against the list.
            prop_assert_ne!(Needs::parse(&text), Some(needs(count)));
        }
    }
}
