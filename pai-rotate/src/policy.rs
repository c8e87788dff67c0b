//! The policy that a command line and `RETENTION_DAYS` ask for.

use std::ffi::OsStr;

use anyhow::anyhow;
use pai_common::clock::Zone;
use pai_common::hint::Hinted;
use pai_common::retention::{Period, Policy, Rule, parse_days};

use crate::cli::{PolicyArgs, Prune};

/// The policy, or why there is none: an empty one is refused, since it would mean everything or nothing.
pub(crate) fn of(stays: &PolicyArgs, args: &Prune, retention_days: Option<&OsStr>) -> anyhow::Result<Policy> {
    let mut policy = Policy {
        older_than: stays.days.or(stays.older_than),
        rules: rules(stays),
        min_keep: args.min_keep,
        zone: if args.utc { Zone::Utc } else { Zone::Local },
    };
    if policy.is_empty()
        && let Some(days) = retention_days
    {
        let days = parse_days(&days.to_string_lossy())
            .map_err(|why| anyhow!("could not read RETENTION_DAYS: {why}"))?;
        policy.older_than = Some(days);
    }
    if policy.is_empty() {
        return Err(Hinted::new(
            anyhow!("could not decide without a policy"),
            "say what stays, for example --days 30, --keep-last 5 or --keep-daily 7 --keep-weekly 4",
        )
        .into());
    }
    Ok(policy)
}

fn rules(args: &PolicyArgs) -> Vec<Rule> {
    [
        (Period::Last, args.keep_last),
        (Period::Hourly, args.keep_hourly),
        (Period::Daily, args.keep_daily),
        (Period::Weekly, args.keep_weekly),
        (Period::Monthly, args.keep_monthly),
        (Period::Yearly, args.keep_yearly),
        (Period::Last, args.keep_within),
        (Period::Hourly, args.keep_within_hourly),
        (Period::Daily, args.keep_within_daily),
        (Period::Weekly, args.keep_within_weekly),
        (Period::Monthly, args.keep_within_monthly),
        (Period::Yearly, args.keep_within_yearly),
    ]
    .into_iter()
    .filter_map(|(period, limit)| limit.map(|limit| Rule { period, limit }))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pai_common::retention::Limit;
    use std::time::Duration;

    fn policy(stays: &PolicyArgs, days: Option<&str>) -> anyhow::Result<Policy> {
        of(stays, &Prune { min_keep: 1, ..Prune::default() }, days.map(OsStr::new))
    }

    #[test]
    fn retention_days_counts_only_without_another_policy() {
        let month = Duration::from_secs(30 * 86_400);
        let none = PolicyArgs::default();
        assert_eq!(policy(&none, Some("30")).unwrap().older_than, Some(month));
        let daily = PolicyArgs { keep_daily: Some(Limit::Count(7)), ..PolicyArgs::default() };
        assert_eq!(policy(&daily, Some("30")).unwrap().older_than, None);
        assert!(policy(&none, Some("thirty")).is_err());
    }

    #[test]
    fn an_empty_policy_is_refused() {
        let none = PolicyArgs { keep_daily: Some(Limit::Count(0)), ..PolicyArgs::default() };
        for stays in [PolicyArgs::default(), none] {
            assert!(policy(&stays, None).is_err());
        }
    }
}
