//! Which packs may go: decided from what a store was seen to hold, and the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pai_common::clock::Timestamp;
use pai_common::sha256::Digest;

use crate::store::needs::Needs;

/// How long a mark stands before its pack goes, and how long a push may look as if it were dead.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a store holds.
#[derive(Debug, Default)]
pub(in crate::store) struct Seen {
    /// The store's time.
    pub(super) now: Timestamp,
    /// Packs, each with the time it was written.
    pub(super) packs: BTreeMap<Digest, Timestamp>,
    /// Marked packs, each with the time it was marked.
    pub(super) marks: BTreeMap<Digest, Timestamp>,
    /// Archives, each with the SHA-256 of its list.
    pub(super) lists: BTreeMap<String, Digest>,
    /// The `.packs` files by archive.
    pub(super) claims: BTreeMap<String, Claim>,
    /// Marks of rewritten lists whose archive is gone, each with the time it was written.
    pub(super) stale: Vec<(String, Timestamp)>,
}

/// A `.packs` file.
#[derive(Debug)]
pub(in crate::store) struct Claim {
    /// What the file says, if no byte of it has changed.
    pub(super) needs: Option<Needs>,
    /// When it was written.
    pub(super) since: Timestamp,
}

/// What `prune` will do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Plan {
    /// Why it is not certain which packs are needed. If there is a reason, nothing else is planned.
    pub(super) problems: Vec<String>,
    /// Packs to mark.
    pub(super) mark: Vec<Digest>,
    /// Packs whose mark is not a day old yet.
    pub(super) wait: Vec<Digest>,
    /// Packs to delete, with their marks.
    pub(super) delete: Vec<Digest>,
    /// Marks of packs that are needed after all, or are gone.
    pub(super) unmark: Vec<Digest>,
    /// Archives whose push was interrupted: their `.packs` files will be deleted.
    pub(super) abandoned: Vec<String>,
    /// Marks of lists that are gone.
    pub(super) stale: Vec<String>,
}

impl Plan {
    pub(super) fn make(seen: &Seen) -> Self {
        let problems = problems(seen);
        if !problems.is_empty() {
            return Self { problems, ..Self::default() };
        }
        let mut plan = Self::default();
        let gone = seen.stale.iter().filter(|(_, since)| seen.is_a_day_old(*since));
        plan.stale = gone.map(|(name, _)| name.clone()).collect();
        let mut needed = BTreeSet::new();
        for (archive, claim) in &seen.claims {
            let under_way = !seen.is_a_day_old(claim.since);
            if seen.lists.contains_key(archive) || under_way {
                needed.extend(claim.needs.iter().flat_map(|needs| &needs.packs).copied());
            } else {
                plan.abandoned.push(archive.clone());
            }
        }
        for (pack, since) in &seen.packs {
            match seen.marks.get(pack) {
                _ if needed.contains(pack) => {}
                Some(&mark) if seen.is_a_day_old(mark) => plan.delete.push(*pack),
                Some(_) => plan.wait.push(*pack),
                // It may be of a push under way.
                None if seen.is_a_day_old(*since) => plan.mark.push(*pack),
                None => {}
            }
        }
        let useless = |pack: &&Digest| needed.contains(*pack) || !seen.packs.contains_key(*pack);
        plan.unmark = seen.marks.keys().filter(useless).copied().collect();
        plan
    }
}

impl Seen {
    fn is_a_day_old(&self, time: Timestamp) -> bool {
        time <= self.now.minus(DAY)
    }
}

fn problems(seen: &Seen) -> Vec<String> {
    let mut problems = Vec::new();
    for (archive, list) in &seen.lists {
        match seen.claims.get(archive).map(|claim| &claim.needs) {
            None => problems.push(format!("{archive}.packs is missing")),
            Some(None) => problems.push(format!("{archive}.packs is damaged")),
            Some(Some(needs)) if needs.list != *list => {
                problems.push(format!("{archive}.packs belongs to another list than {archive}.list.gz"));
            }
            Some(Some(_)) => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn at(hours: i64) -> Timestamp {
        Timestamp::new(hours * HOUR, 0)
    }

    fn pack(number: u8) -> Digest {
        [number; 32]
    }

    fn claim(packs: &[u8], hours: i64) -> Claim {
        let needs = Needs {
            packs: packs.iter().map(|&number| pack(number)).collect(),
            list: [7; 32],
            ..Needs::default()
        };
        Claim { needs: Some(needs), since: at(hours) }
    }

    /// Packs 1 to 4, of hour 0; archive `a` needs 1. It is hour 100.
    fn seen() -> Seen {
        Seen {
            now: at(100),
            packs: (1..=4).map(|number| (pack(number), at(0))).collect(),
            marks: BTreeMap::new(),
            lists: [("a".to_owned(), [7; 32])].into(),
            claims: [("a".to_owned(), claim(&[1], 0))].into(),
            stale: Vec::new(),
        }
    }

    #[test]
    fn what_no_archive_needs_is_marked_and_a_day_later_deleted() {
        let mut seen = seen();
        seen.marks = [(pack(2), at(76)), (pack(3), at(77))].into();
        let plan = Plan::make(&seen);
        let expected =
            Plan { delete: vec![pack(2)], wait: vec![pack(3)], mark: vec![pack(4)], ..Plan::default() };
        assert_eq!(plan, expected);
    }

    #[test]
    fn what_is_needed_after_all_loses_its_mark() {
        let mut seen = seen();
        seen.marks = [(pack(1), at(0)), (pack(9), at(0))].into();
        assert_eq!(Plan::make(&seen).unmark, [pack(1), pack(9)]);
        assert!(Plan::make(&seen).delete.is_empty());
    }

    #[test]
    fn a_young_pack_may_be_of_a_push_under_way() {
        let mut seen = seen();
        seen.packs.insert(pack(4), at(77));
        assert_eq!(Plan::make(&seen).mark, [pack(2), pack(3)]);
    }

    #[test]
    fn packs_without_a_list_are_needed_for_a_day() {
        for (hour, mark, abandoned) in
            [(77, vec![pack(3), pack(4)], 0), (76, vec![pack(2), pack(3), pack(4)], 1)]
        {
            let mut seen = seen();
            seen.claims.insert("b".to_owned(), claim(&[2], hour));
            let plan = Plan::make(&seen);
            assert_eq!((plan.mark, plan.abandoned.len()), (mark, abandoned), "{hour}");
        }
    }

    #[test]
    fn nothing_goes_while_it_is_not_certain_what_is_needed() {
        type Change = fn(&mut Seen);
        let cases: [(Change, &str); 3] = [
            (|seen| drop(seen.claims.remove("a")), "a.packs is missing"),
            (|seen| seen.claims.get_mut("a").unwrap().needs = None, "a.packs is damaged"),
            (
                |seen| seen.lists.extend([("a".to_owned(), [8; 32])]),
                "a.packs belongs to another list than a.list.gz",
            ),
        ];
        for (change, problem) in cases {
            let mut seen = seen();
            seen.marks = [(pack(2), at(0))].into();
            change(&mut seen);
            let expected = Plan { problems: vec![problem.to_owned()], ..Plan::default() };
            assert_eq!(Plan::make(&seen), expected);
        }
    }
}
