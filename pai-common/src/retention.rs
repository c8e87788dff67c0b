//! Which items of a series a policy keeps, and why. Pure: items, policy and now in, decisions out.

use std::time::Duration;

use crate::clock::Timestamp;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Items older than this may go (strictly older: one of exactly this age stays).
    pub older_than: Option<Duration>,
    /// So many of the newest items stay whatever their age.
    pub min_keep: usize,
}

/// Why an item stays or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Not older than the policy's age.
    Young,
    /// Older than the policy's age; the instant is the cut-off.
    Older(Timestamp),
    /// Would go, but the series must keep its newest items.
    Floor,
    /// Stamped later than now: kept, and no reference for anything.
    Future,
}

/// The verdict on one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it stays.
    pub keep: bool,
    /// Why.
    pub reason: Reason,
}

/// Decides on the items of one series, given their times; the answers come in the same order.
pub fn decide(times: &[Timestamp], policy: &Policy, now: Timestamp) -> Vec<Decision> {
    let mut newest_first: Vec<usize> = (0..times.len()).filter(|&i| times[i] <= now).collect();
    newest_first.sort_by_key(|&i| std::cmp::Reverse(times[i]));
    let mut decisions = vec![Decision { keep: true, reason: Reason::Future }; times.len()];
    for (rank, &i) in newest_first.iter().enumerate() {
        decisions[i] = match policy.older_than.map(|age| now.minus(age)) {
            Some(cutoff) if times[i] < cutoff && rank < policy.min_keep => {
                Decision { keep: true, reason: Reason::Floor }
            }
            Some(cutoff) if times[i] < cutoff => Decision { keep: false, reason: Reason::Older(cutoff) },
            _ => Decision { keep: true, reason: Reason::Young },
        };
    }
    decisions
}
