//! Sets of bytes: ranges in order, none of which touch.

use std::ops::Range;

/// Some bytes of a pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds a range. Parts of it may be in the set already.
    pub(crate) fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|other| other.end < range.start);
        let behind = self.0.partition_point(|other| other.start <= range.end);
        let mut joined = range;
        for other in &self.0[first..behind] {
            joined = joined.start.min(other.start)..joined.end.max(other.end);
        }
        self.0.splice(first..behind, [joined]);
    }

    /// Whether all bytes of a range are in the set.
    pub(crate) fn hold(&self, range: &Range<u64>) -> bool {
        let at = self.0.partition_point(|other| other.end < range.end);
        range.is_empty() || self.0.get(at).is_some_and(|other| other.start <= range.start)
    }

    /// The ranges in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }

    /// The number of bytes in the set.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// Where the last range ends.
    pub(crate) fn end(&self) -> u64 {
        self.0.last().map_or(0, |range| range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_the_bytes_that_were_added(added in proptest::collection::vec((0..60_u64, 0..20_u64), 0..12)) {
            let mut ranges = Ranges::default();
            let mut bytes = [false; 100];
            for (start, length) in added {
                ranges.add(start..start + length);
                bytes[start as usize..(start + length) as usize].fill(true);
            }
            prop_assert!(ranges.0.iter().zip(ranges.0.iter().skip(1)).all(|(a, b)| a.end < b.start));
            prop_assert_eq!(ranges.total(), bytes.iter().filter(|&&byte| byte).count() as u64);
            prop_assert_eq!(ranges.end(), bytes.iter().rposition(|&byte| byte).map_or(0, |at| at as u64 + 1));
            for start in 0..100 {
                for end in start..100 {
                    let expected = bytes[start as usize..end as usize].iter().all(|&byte| byte);
                    prop_assert_eq!(ranges.hold(&(start..end)), expected, "{}..{}", start, end);
                }
            }
        }
    }
}
