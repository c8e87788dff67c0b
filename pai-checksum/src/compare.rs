//! Manifest against folder: what each difference is called. Pure: it sees names, digests and stamps.

use std::collections::{HashMap, VecDeque};

use pai_common::sha256::Digest;

use crate::manifest::Recorded;
use crate::record::{Name, Record};
use crate::stamp::Stamp;
use pai_common::checksum_line;

/// The state of a listed file now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Now {
    /// Its digest, and its stamp if it is a regular file that held still.
    Hashed(Digest, Option<Stamp>),
    /// Its stamp is the recorded one; it was not read.
    Untouched,
    /// There is no such file.
    Missing,
    /// It could not be read; that was reported already.
    Unreadable,
}

/// A listed file, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As listed, or not known to differ.
    Same,
    /// The content differs, and so does what the file system says about it (or nothing was recorded).
    Changed,
    /// The content differs though size and mtime are those recorded: nobody wrote it.
    Rotted,
    /// Gone.
    Missing,
    /// Gone, but an unlisted file, of this number, has its content.
    Moved(usize),
}

/// A file that is not listed, and its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unlisted {
    /// Its name.
    pub name: Vec<u8>,
    /// The digest of its content.
    pub digest: Digest,
    /// Its stamp, if it held still.
    pub stamp: Option<Stamp>,
}

/// The verdicts on all listed files, and the unlisted ones that are new rather than moved here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// One for each listed file.
    pub verdicts: Vec<Verdict>,
    /// Numbers of unlisted files.
    pub new: Vec<usize>,
}

/// Compares the listed files, as they are now, and the unlisted ones with what was recorded. Moves are matched
/// one to one, in order: one of two copies that is gone is missing, not moved.
pub(crate) fn compare(listed: &[Recorded], now: &[Now], unlisted: &[Unlisted]) -> Comparison {
    let mut by_digest: HashMap<Digest, VecDeque<usize>> = HashMap::new();
    for (n, file) in unlisted.iter().enumerate() {
        by_digest.entry(file.digest).or_default().push_back(n);
    }
    let verdict = |(recorded, now): (&Recorded, &Now)| match *now {
        Now::Untouched | Now::Unreadable => Verdict::Same,
        Now::Hashed(digest, _) if digest == recorded.entry.digest => Verdict::Same,
        Now::Hashed(_, stamp) => {
            let unwritten = recorded.stamp.zip(stamp).is_some_and(|(then, now)| then.same_content(&now));
            if unwritten { Verdict::Rotted } else { Verdict::Changed }
        }
        Now::Missing => by_digest
            .get_mut(&recorded.entry.digest)
            .and_then(VecDeque::pop_front)
            .map_or(Verdict::Missing, Verdict::Moved),
    };
    let verdicts = listed.iter().zip(now).map(verdict).collect();
    let mut new: Vec<usize> = by_digest.into_values().flatten().collect();
    new.sort_unstable();
    Comparison { verdicts, new }
}

/// One difference, ready to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding<'a> {
    kind: &'static str,
    name: &'a [u8],
    to: Option<&'a [u8]>,
}

impl Comparison {
    /// Every difference: the listed files in their order, then the new ones in theirs.
    pub(crate) fn findings<'a>(&self, listed: &'a [Recorded], unlisted: &'a [Unlisted]) -> Vec<Finding<'a>> {
        let of_listed = self.verdicts.iter().zip(listed).filter_map(|(verdict, recorded)| {
            let (kind, to) = match verdict {
                Verdict::Same => return None,
                Verdict::Changed => ("CHANGED", None),
                Verdict::Rotted => ("ROTTED", None),
                Verdict::Missing => ("MISSING", None),
                Verdict::Moved(n) => ("MOVED", Some(&unlisted[*n].name[..])),
            };
            Some(Finding { kind, name: &recorded.entry.name, to })
        });
        let new = self.new.iter().map(|&n| Finding { kind: "NEW", name: &unlisted[n].name, to: None });
        of_listed.chain(new).collect()
    }
}

impl Finding<'_> {
    /// The finding as text: `CHANGED a`, `MOVED a -> b`; names escaped as in checksum lines, and a backslash ahead
    /// of it all if one of them needed that.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let (mark, name) = checksum_line::escape(self.name);
        let mut out = [self.kind.as_bytes(), b" ", &name].concat();
        let mut escaped = !mark.is_empty();
        if let Some(to) = self.to {
            let (mark, to) = checksum_line::escape(to);
            escaped |= !mark.is_empty();
            out.extend_from_slice(b" -> ");
            out.extend_from_slice(&to);
        }
        if escaped {
            out.insert(0, b'\\');
        }
        out
    }

    /// The finding as a record.
    pub(crate) fn to_record(&self) -> Record<'_> {
        let kind = self.kind.to_ascii_lowercase();
        Record::Finding { kind, name: Name::of(self.name), to: self.to.map(Name::of) }
    }

    /// `CHANGED`, `ROTTED`, `MISSING`, `MOVED` or `NEW`.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pai_common::checksum_line::{Entry, Style};

    fn stamp(mtime: i64) -> Stamp {
        Stamp { size: 1, mtime: (mtime, 0), ctime: (mtime, 0) }
    }

    fn recorded(name: &str, digest: u8, stamp: Option<Stamp>) -> Recorded {
        let entry = Entry { digest: [digest; 32], name: name.into(), style: Style::Text };
        Recorded { entry, stamp }
    }

    fn hashed(digest: u8, stamp: Option<Stamp>) -> Now {
        Now::Hashed([digest; 32], stamp)
    }

    fn unlisted(name: &str, digest: u8) -> Unlisted {
        Unlisted { name: name.into(), digest: [digest; 32], stamp: None }
    }

    fn report(listed: &[Recorded], now: &[Now], unlisted: &[Unlisted]) -> Vec<String> {
        let comparison = compare(listed, now, unlisted);
        let lines = comparison.findings(listed, unlisted).into_iter().map(|finding| finding.to_line());
        lines.map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn a_difference_is_rot_only_if_size_and_mtime_are_those_recorded() {
        let later_ctime = Stamp { ctime: (9, 9), ..stamp(5) };
        for (then, now, digest, expected) in [
            (Some(stamp(5)), Some(stamp(5)), 1, None),
            (Some(stamp(5)), Some(stamp(6)), 1, None),
            (Some(stamp(5)), Some(stamp(5)), 2, Some("ROTTED a")),
            (Some(stamp(5)), Some(later_ctime), 2, Some("ROTTED a")),
            (Some(stamp(5)), Some(stamp(6)), 2, Some("CHANGED a")),
            (Some(stamp(5)), Some(Stamp { size: 2, ..stamp(5) }), 2, Some("CHANGED a")),
            (Some(stamp(5)), None, 2, Some("CHANGED a")),
            (None, Some(stamp(5)), 2, Some("CHANGED a")),
        ] {
            let found = report(&[recorded("a", 1, then)], &[hashed(digest, now)], &[]);
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{then:?} {now:?} {digest}");
        }
    }

    #[test]
    fn moves_are_matched_one_to_one() {
        let two_copies = [recorded("a", 1, None), recorded("b", 1, None)];
        let gone = [Now::Missing, Now::Missing];
        assert_eq!(report(&two_copies, &gone, &[unlisted("c", 1)]), ["MOVED a -> c", "MISSING b"]);
        assert_eq!(
            report(&two_copies, &gone, &[unlisted("c", 1), unlisted("d", 1), unlisted("e", 1)]),
            ["MOVED a -> c", "MOVED b -> d", "NEW e"]
        );
        // A copy of a file that is still there is new, not a move.
        assert_eq!(report(&two_copies[..1], &[hashed(1, None)], &[unlisted("c", 1)]), ["NEW c"]);
    }

    #[test]
    fn listed_files_come_first_and_in_their_order() {
        let listed = [recorded("z", 1, None), recorded("a", 2, None), recorded("m", 3, None)];
        let now = [Now::Missing, hashed(9, None), Now::Unreadable];
        let found = report(&listed, &now, &[unlisted("y", 7), unlisted("b\nc", 8)]);
        assert_eq!(found, ["MISSING z", "CHANGED a", "NEW y", "\\NEW b\\nc"]);
    }
}
