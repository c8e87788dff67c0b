//! What differs, as a tree of folders with their sums.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Deeper folders are shown by their whole path.
const DEEPEST: usize = 60;

/// A path that differs, with its sizes before and after. A size is `None` where the path did not exist.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) path: PathBuf,
    pub(super) old: Option<u64>,
    pub(super) new: Option<u64>,
    /// Whether it is a folder, or was one before it was deleted.
    pub(super) is_folder: bool,
    /// Whether only mode, owner or time differ.
    pub(super) outside: bool,
}

/// A name, what differs at it, and what differs below it.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) below: BTreeMap<OsString, Node>,
    pub(super) difference: Option<Difference>,
    /// The sums of this path and all below it.
    pub(super) sum: Sum,
}

/// The number of paths that differ, and their summed sizes before and after. Paths that do not differ are not counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: usize,
    pub(super) old: Option<u64>,
    pub(super) new: Option<u64>,
}

impl Sum {
    fn add(&mut self, other: Self) {
        let both = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.count += other.count;
        self.old = both(self.old, other.old);
        self.new = both(self.new, other.new);
    }
}

impl Node {
    /// The tree of these differences.
    pub(super) fn of(differences: impl IntoIterator<Item = Difference>) -> Self {
        let mut top = Self::default();
        for difference in differences {
            top.insert(difference);
        }
        top
    }

    fn insert(&mut self, difference: Difference) {
        let sum = Sum { count: 1, old: difference.old, new: difference.new };
        let parts: Vec<OsString> =
            difference.path.components().map(|part| part.as_os_str().to_owned()).collect();
        let (shallow, rest) = parts.split_at(parts.len().min(DEEPEST));
        let rest = (!rest.is_empty()).then(|| rest.iter().collect::<PathBuf>().into_os_string());
        let mut node = self;
        node.sum.add(sum);
        for part in shallow.iter().cloned().chain(rest) {
            node = node.below.entry(part).or_default();
            node.sum.add(sum);
        }
        node.difference = Some(difference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn difference(path: impl Into<PathBuf>, old: Option<u64>, new: Option<u64>) -> Difference {
        Difference { path: path.into(), old, new, is_folder: false, outside: false }
    }

    #[test]
    fn a_folder_has_the_sums_of_what_differs_below_it() {
        let top = Node::of([
            difference("a/b/one", Some(5), Some(7)),
            difference("a/b/two", None, Some(10)),
            difference("a/three", Some(100), None),
            difference("new", None, Some(0)),
            difference("new/four", None, Some(3)),
        ]);
        assert_eq!(top.sum, Sum { count: 5, old: Some(105), new: Some(20) });
        let a = &top.below[Path::new("a").as_os_str()];
        assert_eq!(a.sum, Sum { count: 3, old: Some(105), new: Some(17) });
        assert!(a.difference.is_none());
        assert_eq!(a.below[Path::new("b").as_os_str()].sum, Sum { count: 2, old: Some(5), new: Some(17) });
        let new = &top.below[Path::new("new").as_os_str()];
        assert_eq!(new.sum, Sum { count: 2, old: None, new: Some(3) });
        assert!(new.difference.is_some());
    }

    #[test]
    fn sums_of_claimed_sizes_do_not_overflow() {
        let top = Node::of(["a", "b"].map(|path| difference(path, None, Some(u64::MAX))));
        assert_eq!(top.sum.new, Some(u64::MAX));
    }

    #[test]
    fn a_path_deeper_than_any_page_ends_in_one_name() {
        let deep: PathBuf = std::iter::repeat_n("d", 2 * DEEPEST).collect();
        let top = Node::of([difference(&deep, Some(1), Some(2))]);
        let (mut node, mut depth) = (&top, 0);
        while let Some(below) = node.below.values().next() {
            (node, depth) = (below, depth + 1);
        }
        assert_eq!(depth, DEEPEST + 1);
        assert_eq!(node.difference.as_ref().map(|difference| &difference.path), Some(&deep));
    }
}
