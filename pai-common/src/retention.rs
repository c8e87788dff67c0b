//! Which items of a series a policy keeps, and why. Pure: items, policy and now in, decisions out.
//!
//! The algorithm is restic's (`internal/data/snapshot_policy.go`), which borg and rustic users know too:
//!
//! - Items are walked newest first. A rule puts each item into a bucket (its hour, day, ISO week, month or
//!   year); the first item of a bucket, its newest, takes one of the rule's slots.
//! - Each rule counts alone, and one item may take a slot of several rules. It stays if any rule keeps it.
//! - Periods without an item do not count: seven daily slots may span months.
//! - The oldest item of all fills a rule that still has slots, so history grows until the rule is full.
//!
//! Where tools disagree, this one deletes less: items from the future stay, take no slot and are no
//! reference; `min_keep` items survive whatever the rules say; equal times keep the order they came in.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use crate::clock::{Timestamp, Zone};

mod slots;
mod span;
#[cfg(test)]
mod tests;

use slots::{Slots, kept_by};
pub use span::Span;

/// One candidate, as far as a policy looks at it. A bare [`Timestamp`] is a good item of that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// When it was made.
    pub time: Timestamp,
    /// Whether the item is fit to be the last good copy, which is never deleted. An empty dump is not.
    pub good: bool,
}

impl From<Timestamp> for Item {
    fn from(time: Timestamp) -> Self {
        Self { time, good: true }
    }
}

/// The rules that keep items. One rule that keeps an item is enough. A policy without rules keeps everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Items older than this may go (strictly older: one of exactly this age stays).
    pub older_than: Option<Duration>,
    /// Slots by count or by window.
    pub rules: Vec<Rule>,
    /// This number of the newest items, and of the newest good items, stays whatever the rules say.
    pub min_keep: usize,
    /// The clock whose hours, days, weeks and months are the buckets.
    pub zone: Zone,
}

/// The newest item of each period, as far as the limit reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Items of one such period share a bucket.
    pub period: Period,
    /// How far back the rule reaches.
    pub limit: Limit,
}

/// The length of a bucket: of the items in one bucket a rule keeps the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Nothing: each item has its own.
    Last,
    /// An hour of the wall clock. The hour that summer time's end repeats is one bucket.
    Hourly,
    /// A calendar day.
    Daily,
    /// An ISO 8601 week: 2018-12-31 is in the first week of 2019.
    Weekly,
    /// A calendar month.
    Monthly,
    /// A calendar year.
    Yearly,
}

/// How far a rule reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// This number of buckets. 0 means no rule.
    Count(u32),
    /// Every bucket.
    Unlimited,
    /// Buckets of items later than the newest item (that is not from the future) less this span.
    Within(Span),
}

/// Why an item stays or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Takes slot `slot` (from 1) of a rule; `of` is `None` for an unlimited one.
    Slot {
        /// The rule's period.
        period: Period,
        /// Which slot.
        slot: u32,
        /// Of how many.
        of: Option<u32>,
    },
    /// The newest of its bucket, inside the rule's window.
    Within {
        /// The rule's period.
        period: Period,
        /// The rule's window.
        span: Span,
    },
    /// The oldest item of all, and this rule still has slots.
    Oldest(Period),
    /// Not older than the policy's age.
    Young(Age),
    /// Would go, but is one of the newest (good) items that must stay.
    Floor,
    /// Stamped later than now: kept, and no reference for anything.
    Future,
    /// The policy has no rule.
    NoPolicy,
    /// Goes: older than the policy's age, and no rule keeps it.
    Older(Age),
    /// Goes: no rule keeps it.
    Unclaimed,
}

/// An age limit at the moment of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// The limit.
    pub limit: Duration,
    /// Now less the limit: what is earlier is older.
    pub cutoff: Timestamp,
}

/// The verdict on one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the item stays.
    pub keep: bool,
    /// Why, at least one: every rule that keeps it, or what lets it go.
    pub reasons: Vec<Reason>,
}

impl Decision {
    fn keep(reason: Reason) -> Self {
        Self { keep: true, reasons: vec![reason] }
    }

    fn delete(reason: Reason) -> Self {
        Self { keep: false, reasons: vec![reason] }
    }

    /// The reasons for people, `daily 1/7, weekly 1/4`; instants are shown in `zone`.
    pub fn explain(&self, zone: Zone) -> String {
        self.reasons.iter().map(|reason| reason.explain(zone)).collect::<Vec<_>>().join(", ")
    }
}

/// Decides on the items of one series; the answers come in the same order.
pub fn decide<I: Copy + Into<Item>>(items: &[I], policy: &Policy, now: Timestamp) -> Vec<Decision> {
    let item = |i: usize| -> Item { items[i].into() };
    let (mut newest_first, future): (Vec<usize>, Vec<usize>) =
        (0..items.len()).partition(|&i| item(i).time <= now);
    newest_first.sort_by_key(|&i| Reverse(item(i).time));
    let mut decisions = vec![Decision { keep: true, reasons: Vec::new() }; items.len()];
    for i in future {
        decisions[i] = Decision::keep(Reason::Future);
    }
    let Some(&newest) = newest_first.first() else { return decisions };
    let age = policy.age(now);
    let mut slots: Vec<Slots> =
        policy.rules.iter().map(|rule| Slots::new(rule, item(newest).time, policy.zone)).collect();
    let mut good = 0;
    for (rank, &i) in newest_first.iter().enumerate() {
        let Item { time, good: is_good } = item(i);
        let is_oldest = rank + 1 == newest_first.len();
        let on_floor = rank < policy.min_keep || (is_good && good < policy.min_keep);
        good += usize::from(is_good);
        let mut reasons = kept_by(&mut slots, time, is_oldest, policy.zone);
        reasons.extend(age.filter(|age| time >= age.cutoff).map(Reason::Young));
        decisions[i] = if !reasons.is_empty() {
            Decision { keep: true, reasons }
        } else if policy.is_empty() {
            Decision::keep(Reason::NoPolicy)
        } else if on_floor {
            Decision::keep(Reason::Floor)
        } else {
            Decision::delete(age.map_or(Reason::Unclaimed, Reason::Older))
        };
    }
    decisions
}

impl Policy {
    /// Whether the policy has no rule. A tool that deletes refuses such a policy.
    pub fn is_empty(&self) -> bool {
        self.older_than.is_none() && self.rules.iter().all(|rule| rule.limit == Limit::Count(0))
    }

    /// The age limit as it stands at `now`.
    pub fn age(&self, now: Timestamp) -> Option<Age> {
        self.older_than.map(|limit| Age { limit, cutoff: now.minus(limit) })
    }
}

/// `RETENTION_DAYS` and `--days`: a whole number of days of 86,400 seconds. 0 is refused: some tools read it
/// as "keep for ever", others as "delete everything".
pub fn parse_days(text: &str) -> Result<Duration, String> {
    let days = Some(text).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match days.and_then(|text| text.parse::<u32>().ok()) {
        Some(days) if days > 0 => Ok(Duration::from_secs(u64::from(days) * 86_400)),
        _ => Err(format!("{text:?} is not a number of days such as 30")),
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        })
    }
}

impl Reason {
    /// The reason for people, `daily 3/7`; instants are shown in `zone`.
    pub fn explain(&self, zone: Zone) -> String {
        match self {
            Self::Slot { period, slot, of: Some(of) } => format!("{period} {slot}/{of}"),
            Self::Slot { period, slot, of: None } => format!("{period} {slot}"),
            Self::Within { period: Period::Last, span } => format!("within {span}"),
            Self::Within { period, span } => format!("{period} within {span}"),
            Self::Oldest(period) => format!("oldest {period}"),
            Self::Young(age) => format!("not older than {}", age.explain(zone)),
            Self::Floor => "newest that must stay".into(),
            Self::Future => "from the future".into(),
            Self::NoPolicy => "no policy".into(),
            Self::Older(age) => format!("older than {}", age.explain(zone)),
            Self::Unclaimed => "no rule keeps it".into(),
        }
    }
}

impl Age {
    fn explain(&self, zone: Zone) -> String {
        format!("{} (cut-off {})", span::short(self.limit), self.cutoff.rfc3339(zone))
    }
}
