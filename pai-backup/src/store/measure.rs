//! How large the archives of a series were. Each list carries it on to the next: a machine that may only write to the store has
//! nothing else from which it could notice that its workspace is not mounted.

use std::path::PathBuf;

use pai_common::sha256;

use crate::archive::index::{About, Totals};
use crate::create::shrink::{self, Shrunk};

/// Folders and selections that one series remembers.
const MOST: usize = 8;

/// What archives of one folder and selection held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Size {
    /// A short digest of the folder and the selection.
    pub(crate) of: String,
    /// Number of regular files.
    pub(crate) files: u64,
    /// Bytes of their content.
    pub(crate) bytes: u64,
    /// The archive that held them.
    pub(crate) archive: String,
}

impl Size {
    /// What an archive holds.
    pub(crate) fn new(archive: &str, about: &About, totals: Totals) -> Self {
        let of = format!("{}\0{}", about.root, about.selection.paths.join("\0"));
        let of = sha256::to_hex(&sha256::digest(of.as_bytes()))[..16].to_owned();
        Self { of, files: totals.files, bytes: totals.bytes, archive: archive.to_owned() }
    }

    /// The size as text, as a list holds it.
    pub(crate) fn text(&self) -> String {
        format!("{} {} {} {}", self.of, self.files, self.bytes, self.archive)
    }

    /// Reads what [`Size::text`] made.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, ' ');
        let of = words.next()?.to_owned();
        let (files, bytes) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { of, files, bytes, archive: words.next()?.to_owned() })
    }

    /// The larger number of files and the larger number of bytes of two archives, under the name of the one with more files.
    fn or_larger(self, other: &Self) -> Self {
        let archive = if self.files >= other.files { self.archive } else { other.archive.clone() };
        let (files, bytes) = (self.files.max(other.files), self.bytes.max(other.bytes));
        Self { of: self.of, files, bytes, archive }
    }
}

/// What a list tells of sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// What the archive itself holds.
    pub(crate) own: Option<Size>,
    /// The largest so far, one of each folder and selection: the archive itself or one before it.
    pub(crate) largest: Vec<Size>,
    /// Whether the archive was found suspiciously small.
    pub(crate) shrunk: bool,
}

impl Sizes {
    /// Judges an archive, and measures it for those that come after it. `before` is what the last list tells, and `is_there`
    /// whether an archive is still kept.
    pub(crate) fn judge(
        archive: &str,
        about: &About,
        totals: Totals,
        before: Option<&Self>,
        is_there: impl Fn(&str) -> bool,
    ) -> (Self, Option<Shrunk>) {
        let own = Size::new(archive, about, totals);
        let mut largest = before.map(|before| before.largest.clone()).unwrap_or_default();
        let same = largest.iter().position(|size| size.of == own.of).map(|at| largest.remove(at));
        // What retention took no longer counts, as in the archive folder; the archive just before does.
        let last = before.and_then(|before| before.own.clone()).filter(|last| last.of == own.of);
        let earlier = same.filter(|size| is_there(&size.archive)).or(last);
        let shown = earlier.iter().map(|size| {
            let totals = Totals { entries: 0, files: size.files, bytes: size.bytes };
            (PathBuf::from(&size.archive), About { shrink_allowed: false, ..about.clone() }, totals)
        });
        let shrunk = shrink::judge(about, totals, shown.collect());
        let kept = earlier.filter(|_| !about.shrink_allowed);
        largest.insert(0, kept.map_or_else(|| own.clone(), |kept| kept.or_larger(&own)));
        largest.truncate(MOST);
        (Self { own: Some(own), largest, shrunk: shrunk.is_some() }, shrunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(root: &str, shrink_allowed: bool) -> About {
        About { root: root.to_owned(), shrink_allowed, ..About::default() }
    }

    /// Judges nights one after another: root, files, bytes, whether it was allowed, whether it is suspicious.
    #[track_caller]
    fn nights(nights: &[(&str, u64, u64, bool, bool)], gone: &[&str]) {
        let mut before: Option<Sizes> = None;
        for (number, &(root, files, bytes, allowed, expected)) in nights.iter().enumerate() {
            let totals = Totals { entries: files, files, bytes };
            let is_there = |archive: &str| !gone.contains(&archive);
            let name = format!("pai-{number}");
            let (sizes, shrunk) =
                Sizes::judge(&name, &about(root, allowed), totals, before.as_ref(), is_there);
            assert_eq!(shrunk.is_some(), expected, "night {number} of {nights:?}");
            assert_eq!(sizes.shrunk, expected);
            for size in &sizes.largest {
                assert_eq!(Size::parse(&size.text()).as_ref(), Some(size));
            }
            before = Some(sizes);
        }
    }

    #[test]
    fn the_largest_counts_however_many_small_ones_follow() {
        nights(&[("/w", 0, 0, false, true)], &[]);
        nights(
            &[("/w", 10, 100, false, false), ("/w", 5, 50, false, false), ("/w", 4, 99, false, true)],
            &[],
        );
        let mut long = vec![("/w", 10, 100, false, false)];
        long.extend([("/w", 1, 1, false, true); 40]);
        nights(&long, &[]);
        long.extend([("/w", 1, 1, true, false), ("/w", 1, 1, false, false), ("/w", 0, 0, false, true)]);
        nights(&long, &[]);
    }

    #[test]
    fn another_folder_is_measured_by_itself() {
        let other = ("/o", 1, 1, false, false);
        nights(&[("/w", 10, 100, false, false), other, ("/w", 1, 1, false, true), other], &[]);
    }

    #[test]
    fn what_retention_took_does_not_count_but_the_night_before_does() {
        let first = ("/w", 100, 100, false, false);
        nights(&[first, ("/w", 60, 60, false, false), ("/w", 40, 40, false, false)], &["pai-0"]);
        nights(&[first, ("/w", 60, 60, false, false), ("/w", 29, 60, false, true)], &["pai-0"]);
    }
}
