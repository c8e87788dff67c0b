//! A rule at work: its slots, and the buckets that take them.

use super::{Limit, Period, Reason, Rule};
use crate::clock::{Civil, Timestamp, Zone};

/// A rule at work: what is left of it as the items pass, newest first.
pub(super) struct Slots {
    period: Period,
    limit: Limit,
    /// For a window: the instant that items must be later than.
    after: Option<Timestamp>,
    used: u32,
    bucket: Option<i64>,
}

impl Slots {
    pub(super) fn new(rule: &Rule, newest: Timestamp, zone: Zone) -> Self {
        let after = match rule.limit {
            Limit::Within(span) => Some(span.before(newest, zone)),
            Limit::Count(_) | Limit::Unlimited => None,
        };
        Self { period: rule.period, limit: rule.limit, after, used: 0, bucket: None }
    }

    fn is_open(&self, time: Timestamp) -> bool {
        match self.limit {
            Limit::Count(count) => self.used < count,
            Limit::Unlimited => true,
            Limit::Within(_) => self.after.is_some_and(|after| time > after),
        }
    }

    fn take(&mut self, bucket: Option<i64>, is_oldest: bool) -> Option<Reason> {
        let is_new = bucket.is_none() || bucket != self.bucket;
        if !is_new && !is_oldest {
            return None;
        }
        self.bucket = bucket;
        self.used = self.used.saturating_add(1);
        Some(match self.limit {
            _ if !is_new => Reason::Oldest(self.period),
            Limit::Count(of) => Reason::Slot { period: self.period, slot: self.used, of: Some(of) },
            Limit::Unlimited => Reason::Slot { period: self.period, slot: self.used, of: None },
            Limit::Within(span) => Reason::Within { period: self.period, span },
        })
    }
}

/// Every reason to keep an item of this time, as the slots pass it.
pub(super) fn kept_by(slots: &mut [Slots], time: Timestamp, is_oldest: bool, zone: Zone) -> Vec<Reason> {
    // The calendar is asked at most once an item, and not at all once every rule is full.
    let mut civil = None;
    slots
        .iter_mut()
        .filter(|slots| slots.is_open(time))
        .filter_map(|slots| {
            let bucket = match slots.period {
                Period::Last => None,
                period => Some(period.bucket(civil.get_or_insert_with(|| time.civil(zone)))),
            };
            slots.take(bucket, is_oldest)
        })
        .collect()
}

impl Period {
    pub(super) fn bucket(self, civil: &Civil) -> i64 {
        let Civil { year, month, day, hour, iso_year, iso_week, .. } = *civil;
        let join = |parts: &[u32], year: i32| {
            parts.iter().fold(i64::from(year), |key, &part| key * 100 + i64::from(part))
        };
        match self {
            Self::Last | Self::Hourly => join(&[month, day, hour], year),
            Self::Daily => join(&[month, day], year),
            Self::Weekly => join(&[iso_week], iso_year),
            Self::Monthly => join(&[month], year),
            Self::Yearly => i64::from(year),
        }
    }
}
