//! Which logs are due and which copies have had their time. Pure.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::time::Duration;

use pai_common::clock::{Timestamp, Zone};
use pai_common::retention::{self, Decision, Limit, Period, Policy, Rule};
use pai_common::units::human_size;

use super::log::{Log, LogCopy, stamp_of};
use crate::cli::Logs;

/// Rotated at this size if neither a size nor an age was given.
const DEFAULT_SIZE: u64 = 10 << 20;

/// The plan for one log and its copies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LogPlan {
    pub(super) log: Log,
    pub(super) rotation: Rotation,
    /// Copies that an earlier run left as they were.
    pub(super) uncompressed: Vec<LogCopy>,
    pub(super) expired: Vec<Expired>,
}

/// Whether the log itself is rotated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    Due { stamp: String, reason: String },
    NotYet { reason: String },
}

/// A copy that goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) copy: LogCopy,
    pub(super) reason: String,
}

pub(super) fn plan(log: Log, copies: Vec<LogCopy>, args: &Logs, now: Timestamp) -> LogPlan {
    let rotation = rotation(&log, &copies, args, now);
    // The copy that this run makes is the newest: it takes one of the places.
    let new = matches!(rotation, Rotation::Due { .. }).then_some(now);
    let times: BTreeSet<Timestamp> = copies.iter().map(|copy| copy.time).chain(new).collect();
    let times: Vec<Timestamp> = times.into_iter().collect();
    let reasons = expiry(&times, args, now);
    let (mut expired, mut uncompressed) = (Vec::new(), Vec::new());
    for copy in copies {
        // A compressed copy and its original, left by a crash, have one time and share one fate.
        let reason = times.binary_search(&copy.time).ok().and_then(|at| reasons[at].clone());
        match reason {
            Some(reason) => expired.push(Expired { copy, reason }),
            None if !copy.is_compressed => uncompressed.push(copy),
            None => {}
        }
    }
    LogPlan { log, rotation, uncompressed, expired }
}

fn rotation(log: &Log, copies: &[LogCopy], args: &Logs, now: Timestamp) -> Rotation {
    let size_limit = args.size.or(args.age.is_none().then_some(DEFAULT_SIZE));
    let size = human_size(log.size);
    let last = copies.iter().map(|copy| copy.time).filter(|time| *time <= now).max();
    let began = last.max(log.made).unwrap_or(log.written);
    let reason = if log.size == 0 {
        return Rotation::NotYet { reason: "empty".to_owned() };
    } else if let Some(limit) = size_limit.filter(|limit| log.size >= *limit) {
        format!("{size}, at least {}", human_size(limit))
    } else if args.age.is_some_and(|age| is_old(now.since(began), age)) {
        format!("begun {}", began.rfc3339(Zone::Local))
    } else {
        let began = args.age.map(|_| format!(", begun {}", began.rfc3339(Zone::Local)));
        return Rotation::NotYet { reason: size + &began.unwrap_or_default() };
    };
    Rotation::Due { stamp: free_stamp(log, copies, now), reason }
}

/// A hundredth sooner counts too: a weekly job that starts a second early must not wait another week.
fn is_old(age: Duration, limit: Duration) -> bool {
    age + limit / 100 >= limit
}

/// The stamp of `now`, or of the first second after it whose name is free.
fn free_stamp(log: &Log, copies: &[LogCopy], now: Timestamp) -> String {
    let taken: HashSet<&OsString> = copies.iter().map(|copy| &copy.name).collect();
    let mut time = now;
    loop {
        let stamp = stamp_of(time);
        let name = log.copy(&stamp).name;
        let mut compressed = name.clone();
        compressed.push(".gz");
        if !taken.contains(&name) && !taken.contains(&compressed) {
            return stamp;
        }
        time = Timestamp::new(time.secs() + 1, time.nanos());
    }
}

/// Why the copy of each time goes, if it does: too many of them, or too old.
fn expiry(times: &[Timestamp], args: &Logs, now: Timestamp) -> Vec<Option<String>> {
    let count = args.keep.map(|keep| Rule { period: Period::Last, limit: Limit::Count(keep) });
    let by_count = Policy { rules: count.into_iter().collect(), ..Policy::default() };
    let by_age = Policy { older_than: Some(args.days), ..Policy::default() };
    let because = |decision: &Decision, why: String| (!decision.keep).then_some(why);
    let by_count = retention::decide(times, &by_count, now);
    let by_age = retention::decide(times, &by_age, now);
    by_count
        .iter()
        .zip(&by_age)
        .map(|(count, age)| {
            because(age, age.explain(Zone::Local))
                .or_else(|| because(count, format!("more than {} copies", args.keep.unwrap_or_default())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn args() -> Logs {
        Logs {
            paths: Vec::new(),
            size: None,
            age: None,
            keep: None,
            days: Duration::from_secs(30 * DAY),
            archive_dir: None,
            copytruncate: false,
            postrotate: None,
            dry_run: false,
            json: false,
            missing_ok: false,
            wait: None,
        }
    }

    fn log(size: u64) -> Log {
        let written = at("2025-09-16T00:00:00Z");
        Log { folder: "logs".into(), name: "app.log".into(), size, made: None, written }
    }

    fn copy(stamp: &str, time: &str, ending: &str) -> LogCopy {
        LogCopy {
            folder: "logs".into(),
            name: format!("app.log-{stamp}{ending}").into(),
            time: at(time),
            is_compressed: !ending.is_empty(),
            identity: None,
        }
    }

    fn is_due(size: u64, copies: &[LogCopy], args: &Logs, now: &str) -> bool {
        matches!(rotation(&log(size), copies, args, at(now)), Rotation::Due { .. })
    }

    #[test]
    fn a_log_is_due_at_its_size_or_past_its_age() {
        let now = "2025-09-16T01:00:00Z";
        assert!(is_due(10 << 20, &[], &args(), now));
        assert!(!is_due((10 << 20) - 1, &[], &args(), now));
        let small = Logs { size: Some(1), ..args() };
        assert!(is_due(1, &[], &small, now));
        assert!(!is_due(0, &[], &small, now), "an empty log is never rotated");
        let weekly = Logs { age: Some(Duration::from_secs(7 * DAY)), ..args() };
        assert!(!is_due(1 << 30, &[], &weekly, now), "with an age alone, size does not count");
        assert!(is_due(1, &[], &weekly, "2025-09-23T00:00:00Z"));
        assert!(is_due(1, &[], &weekly, "2025-09-22T23:59:00Z"), "a job that starts a minute early");
        assert!(!is_due(1, &[], &weekly, "2025-09-22T12:00:00Z"));
        let last = [copy("20250920-000000", "2025-09-20T00:00:00Z", ".gz")];
        assert!(!is_due(1, &last, &weekly, "2025-09-24T00:00:00Z"), "the last rotation began it");
    }

    #[test]
    fn a_taken_stamp_is_passed_over() {
        let now = at("2025-09-16T00:00:00Z");
        let [first, second, third] = [0, 1, 2].map(|after| stamp_of(Timestamp::new(now.secs() + after, 0)));
        let copies = [copy(&first, "2025-09-16T00:00:00Z", ".gz"), copy(&second, "2025-09-16T00:00:01Z", "")];
        assert_eq!(free_stamp(&log(1), &copies, now), third);
    }

    #[test]
    fn copies_go_when_they_are_too_many_or_too_old() {
        let args = Logs { keep: Some(2), size: Some(1), ..args() };
        let copies = vec![
            copy("20250801-000000", "2025-08-01T00:00:00Z", ".gz"),
            copy("20250914-000000", "2025-09-14T00:00:00Z", ".gz"),
            copy("20250914-000000", "2025-09-14T00:00:00Z", ""),
            copy("20250915-000000", "2025-09-15T00:00:00Z", ""),
        ];
        let plan = plan(log(1), copies, &args, at("2025-09-16T00:00:00Z"));
        let expired: Vec<_> =
            plan.expired.iter().map(|expired| expired.copy.name.to_str().unwrap()).collect();
        assert_eq!(
            expired,
            ["app.log-20250801-000000.gz", "app.log-20250914-000000.gz", "app.log-20250914-000000"]
        );
        assert!(plan.expired[0].reason.starts_with("older than 30d"), "{:?}", plan.expired[0]);
        assert_eq!(plan.expired[1].reason, "more than 2 copies");
        assert_eq!(plan.uncompressed.len(), 1);
    }
}
