//! Whether an archive is suspiciously small beside those before it: an unmounted workspace must not age out the good
//! archives, night by night.

use std::fmt;
use std::path::{Path, PathBuf};

use pai_common::units::human_size;

use crate::archive::index::{About, Totals};
use crate::archive::open;
use crate::shelf::Shelf;

/// Why an archive rotates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shrunk {
    /// It holds no file at all.
    Empty,
    /// It holds less than half the files, or half the bytes, of this earlier one.
    Halved { now: Totals, path: PathBuf, then: Totals },
}

/// What to do about it.
pub(crate) const HINT: &str = "is the whole workspace there, and mounted? If it is meant to be smaller now, run pai-backup --allow-shrink once";

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("this archive holds no file; no old archive was removed"),
            Self::Halved { now, path, then } => write!(
                f,
                "this archive holds {}, and {} holds {}; no old archive was removed",
                shown(*now),
                path.display(),
                shown(*then)
            ),
        }
    }
}

fn shown(totals: Totals) -> String {
    let files = if totals.files == 1 { "file" } else { "files" };
    format!("{} {files} ({})", totals.files, human_size(totals.bytes))
}

/// An earlier archive: what it says of itself, and what it holds.
pub(crate) type Earlier = (PathBuf, About, Totals);

/// The archives on the shelf but `new` itself, newest first. One that cannot be read says nothing.
pub(super) fn earlier(shelf: &Shelf, new: &Path) -> anyhow::Result<Vec<Earlier>> {
    let others = shelf.list()?.into_iter().filter(|stored| stored.path != new);
    Ok(others
        .filter_map(|stored| open::summary(&stored.path).map(|(about, totals)| (stored.path, about, totals)))
        .collect())
}

/// Judges an archive with `about` and `now` by the `earlier` ones of the same folder and selection. Those from before it
/// was said that archives may be smaller do not count.
pub(crate) fn judge(about: &About, now: Totals, earlier: Vec<Earlier>) -> Option<Shrunk> {
    if about.shrink_allowed {
        return None;
    }
    if now.files == 0 {
        return Some(Shrunk::Empty);
    }
    let of_same =
        |other: &About| (&other.root, &other.selection.paths) == (&about.root, &about.selection.paths);
    let same = earlier.into_iter().filter(|(_, other, _)| of_same(other));
    let mut allowed = false;
    let counting = same.take_while(|(_, other, _)| !std::mem::replace(&mut allowed, other.shrink_allowed));
    let largest = counting
        .filter(|(.., then)| now.files < then.files.div_ceil(2) || now.bytes < then.bytes.div_ceil(2))
        .max_by_key(|(.., then)| (then.files, then.bytes))?;
    Some(Shrunk::Halved { now, path: largest.0, then: largest.2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(root: &str, shrink_allowed: bool) -> About {
        About { root: root.to_owned(), shrink_allowed, ..About::default() }
    }

    fn totals(files: u64, bytes: u64) -> Totals {
        Totals { entries: files, files, bytes }
    }

    fn earlier(list: &[(&str, u64, u64, bool)]) -> Vec<Earlier> {
        list.iter()
            .map(|&(root, files, bytes, said)| (root.into(), about(root, said), totals(files, bytes)))
            .collect()
    }

    #[test]
    fn less_than_half_of_the_largest_is_suspicious_until_it_is_allowed() {
        let w = "/w";
        // (files, bytes, earlier ones newest first, suspicious)
        for (files, bytes, before, expected) in [
            (10, 100, vec![], false),
            (0, 0, vec![], true),
            (0, 0, vec![(w, 0, 0, false)], true),
            (5, 50, vec![(w, 10, 100, false)], false),
            (4, 99, vec![(w, 10, 100, false)], true),
            (10, 49, vec![(w, 10, 100, false)], true),
            (5, 50, vec![(w, 11, 100, false)], true),
            (1, 1, vec![(w, 1, 1, false), (w, 10, 100, false)], true),
            (1, 1, vec![(w, 1, 1, true), (w, 10, 100, false)], false),
            (1, 1, vec![(w, 1, 1, false), (w, 1, 1, true), (w, 10, 100, false)], false),
            (1, 1, vec![(w, 9, 90, false), (w, 1, 1, true), (w, 10, 100, false)], true),
            (1, 1, vec![("/other", 10, 100, false)], false),
            (1, 1, vec![("/other", 1, 1, true), (w, 10, 100, false)], true),
        ] {
            let judged = judge(&about(w, false), totals(files, bytes), earlier(&before));
            assert_eq!(judged.is_some(), expected, "{files} files, {bytes} bytes after {before:?}");
        }
        let meant = judge(&about(w, true), totals(0, 0), earlier(&[(w, 10, 100, false)]));
        assert_eq!(meant, None);
    }
}
