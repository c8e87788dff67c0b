//! The list of an archive, as text: what it is and the runs it is made of.
//!
//! ```text
//! # pai-backup list 1
//! # archive pai-20261127-020000
//! # size 91840012
//! # added 18220
//! # sha256 DIGEST             of the whole archive, where all its bytes were at hand
//! # holds OF FILES BYTES NAME of which folder and selection, and how much of it
//! # largest OF FILES BYTES NAME  the largest archive so far of each folder and selection
//! # blind                     if whoever sent it could not see the store
//! # shrunk                    if it was found suspiciously small beside that
//! # recipient RECIPIENT       who can open it and every one of its packs, if they are encrypted
//! # head PACK DIGEST          SHA-256 of what comes before the first chunk of an encrypted pack: who reads a part of the pack
//!                             knows by it that it is the one that is meant
//! PACK OFFSET LENGTH          SHA-256 of the pack, first byte, number of bytes
//! ```
//! In the store it is compressed by gzip, and encrypted if the archive is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read, Write};

use anyhow::{Context, bail, ensure};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use pai_common::sha256::{self, Digest};

use super::layout::{self, Form};
use super::measure::{Size, Sizes};
use super::runs::Runs;

/// Longest text of a list that is read: some 600,000 runs.
const LONGEST: u64 = 64 << 20;
/// Largest pack that is read. What we write is at most 16 MiB and one member more.
pub(crate) const LARGEST_PACK: u64 = 32 << 20;
/// Longest archive that a list may describe.
const LARGEST_ARCHIVE: u64 = 1 << 50;

const FIRST_LINE: &str = "# pai-backup list 1";

/// A list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// The archive's name, without what follows its time.
    pub(crate) archive: String,
    /// The runs of packs that it is made of.
    pub(crate) runs: Runs,
    /// Bytes of packs that came into the store with it.
    pub(crate) added: u64,
    /// SHA-256 of the whole archive, if all its bytes were at hand when it was sent.
    pub(crate) digest: Option<Digest>,
    /// Whether it was sent by a machine that may only write.
    pub(crate) blind: bool,
    /// How large it is beside those before it.
    pub(crate) sizes: Sizes,
    /// Whether the list and its packs are encrypted in the store. The object's name tells it, not the text.
    pub(crate) form: Form,
    /// Who can open it and all of its packs, if it is encrypted.
    pub(crate) recipients: BTreeSet<String>,
    /// SHA-256 of the heads of encrypted packs, by pack.
    pub(crate) heads: BTreeMap<Digest, Digest>,
}

impl List {
    /// The list as text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{FIRST_LINE}\n# archive {}\n# size {}\n# added {}\n",
            self.archive,
            self.runs.size(),
            self.added
        );
        // Writing to a String cannot fail.
        if let Some(digest) = &self.digest {
            let _ = writeln!(text, "# sha256 {}", sha256::to_hex(digest));
        }
        for (key, size) in self
            .sizes
            .own
            .iter()
            .map(|own| ("holds", own))
            .chain(self.sizes.largest.iter().map(|size| ("largest", size)))
        {
            let _ = writeln!(text, "# {key} {}", size.text());
        }
        if self.blind {
            text.push_str("# blind\n");
        }
        if self.sizes.shrunk {
            text.push_str("# shrunk\n");
        }
        for recipient in &self.recipients {
            let _ = writeln!(text, "# recipient {recipient}");
        }
        for (pack, head) in &self.heads {
            let _ = writeln!(text, "# head {} {}", sha256::to_hex(pack), sha256::to_hex(head));
        }
        for (pack, run) in self.runs.iter() {
            let _ = writeln!(text, "{} {} {}", sha256::to_hex(pack), run.offset, run.length);
        }
        text
    }

    /// The list as it is put into the store, but not yet encrypted.
    pub(crate) fn pack(&self) -> anyhow::Result<Vec<u8>> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::new(9));
        gzip.write_all(self.text().as_bytes())?;
        Ok(gzip.finish()?)
    }

    /// Reads what [`List::pack`] made. It must be the list of `archive`.
    pub(crate) fn unpack(bytes: &[u8], archive: &str) -> anyhow::Result<Self> {
        let read = || {
            let mut text = String::new();
            let taken = MultiGzDecoder::new(bytes).take(LONGEST + 1).read_to_string(&mut text)?;
            ensure!(taken as u64 <= LONGEST, "it is longer than {LONGEST} bytes");
            let list = Self::parse(&text)?;
            // An old list under a new name would bring back what is long gone.
            ensure!(list.archive == archive, "it is the list of {}", list.archive);
            Ok(list)
        };
        read().with_context(|| format!("could not read the list of {archive}"))
    }

    /// Reads what [`List::text`] made.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        // Not `lines`, which also takes away a carriage return: what is read would not be what is written.
        let mut lines = text.split_terminator('\n');
        ensure!(lines.next() == Some(FIRST_LINE), "its first line is not \"{FIRST_LINE}\"");
        let mut list = Self::default();
        let mut size = None;
        for (number, line) in lines.enumerate() {
            let line_number = number + 2;
            if let Some(comment) = line.strip_prefix("# ") {
                let (key, value) = comment.split_once(' ').unwrap_or((comment, ""));
                match key {
                    "archive" => value.clone_into(&mut list.archive),
                    "size" => size = value.parse::<u64>().ok().filter(|&size| size <= LARGEST_ARCHIVE),
                    "added" => list.added = value.parse().unwrap_or_default(),
                    "sha256" => list.digest = layout::digest(value),
                    "holds" => list.sizes.own = Size::parse(value),
                    "largest" => list.sizes.largest.extend(Size::parse(value)),
                    "blind" => list.blind = true,
                    "shrunk" => list.sizes.shrunk = true,
                    "recipient" => drop(list.recipients.insert(value.to_owned())),
                    "head" => list.heads.extend(parse_head(value)),
                    // Room for what a later version may say.
                    _ => {}
                }
                continue;
            }
            let run = parse_run(line).with_context(|| format!("line {line_number} is no run of a pack"))?;
            list.runs.push(run.0, run.1, run.2);
            if list.runs.size() > LARGEST_ARCHIVE {
                bail!("its runs are longer than any archive");
            }
        }
        match size {
            Some(size) if size == list.runs.size() => Ok(list),
            Some(size) => bail!("its runs come to {} bytes, not to {size}", list.runs.size()),
            None => bail!("it gives no size"),
        }
    }
}

fn parse_head(value: &str) -> Option<(Digest, Digest)> {
    let (pack, head) = value.split_once(' ')?;
    Some((layout::digest(pack)?, layout::digest(head)?))
}

fn parse_run(line: &str) -> Option<(Digest, u64, u64)> {
    let mut words = line.split(' ');
    let pack = layout::digest(words.next()?)?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let (offset, length) = (number()?, number()?);
    let inside = length > 0 && offset.checked_add(length)? <= LARGEST_PACK;
    (inside && words.next().is_none()).then_some((pack, offset, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizes() -> Sizes {
        let size = Size { of: "ab".to_owned(), files: 3, bytes: 9, archive: "pai-1".to_owned() };
        Sizes { own: Some(size.clone()), largest: vec![size], shrunk: true }
    }

    fn list() -> List {
        let mut runs = Runs::default();
        runs.push([0xab; 32], 5, 100);
        runs.push([0xcd; 32], 0, 7);
        List {
            archive: "pai-1".to_owned(),
            runs,
            added: 107,
            digest: Some([1; 32]),
            blind: true,
            sizes: sizes(),
            form: Form::Plain,
            recipients: ["age1x".to_owned(), "ssh-rsa AAAA".to_owned()].into(),
            heads: [([0xab; 32], [3; 32])].into(),
        }
    }

    #[test]
    fn a_list_is_text_that_is_read_back() {
        let text = list().text();
        assert!(text.contains(&format!("\n{} 5 100\n", "ab".repeat(32))), "{text}");
        assert_eq!(List::parse(&text).unwrap(), list());
        assert_eq!(List::unpack(&list().pack().unwrap(), "pai-1").unwrap(), list());
    }

    #[test]
    fn a_value_keeps_its_carriage_returns() {
        let text = list().text().replace("age1x\n", "age1x\r\n");
        assert_eq!(List::parse(&text).unwrap().text(), text);
    }

    #[test]
    fn hostile_lists_are_refused() {
        let run =
            |tail: &str| format!("{FIRST_LINE}\n# archive pai-1\n# size 7\n{} {tail}\n", "ab".repeat(32));
        assert!(List::parse(&run("0 7")).is_ok());
        for (text, why) in [
            (String::new(), "first line"),
            (run("0 8"), "come to 8 bytes"),
            (run("0 7 7"), "line 4 is no run"),
            (run("-1 7"), "line 4"),
            (run("0 0"), "line 4"),
            (run("33554432 7"), "line 4"),
            (run("18446744073709551615 7"), "line 4"),
            (run("0 7").replace("abab", "ABAB"), "line 4"),
            (run("0 7").replace("ab", "../"), "line 4"),
            (run("0 7").replace("# size 7\n", ""), "no size"),
            (run("0 7").replace("size 7", "size 99999999999999999999"), "no size"),
        ] {
            let error = format!("{:#}", List::parse(&text).unwrap_err());
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_list_under_another_name_is_refused() {
        let error = format!("{:#}", List::unpack(&list().pack().unwrap(), "pai-2").unwrap_err());
        assert_eq!(error, "could not read the list of pai-2: it is the list of pai-1");
    }

    #[test]
    fn a_list_that_inflates_without_end_is_not_taken_in() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::new(9));
        let comment = format!("# {}\n", "x".repeat(1 << 20));
        gzip.write_all(format!("{FIRST_LINE}\n").as_bytes()).unwrap();
        for _ in 0..65 {
            gzip.write_all(comment.as_bytes()).unwrap();
        }
        let error = format!("{:#}", List::unpack(&gzip.finish().unwrap(), "pai-1").unwrap_err());
        assert!(error.contains("longer than"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail_badly(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = List::unpack(&bytes, "pai-1");
            let _ = List::parse(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn any_list_is_read_back(
            pieces in proptest::collection::vec((0..9_u8, 0..1000_u64, 1..1000_u64), 0..40),
            added in 0..u64::MAX,
        ) {
            let mut runs = Runs::default();
            for (pack, offset, length) in pieces {
                runs.push([pack; 32], offset, length);
            }
            let list = List { archive: "a".to_owned(), runs, added, ..List::default() };
            prop_assert_eq!(List::parse(&list.text()).unwrap(), list);
        }
    }
}
