//! A listing on stdin and the plan made of it, on any bytes.

use pai_common::clock::{Timestamp, Zone};
use pai_common::console::Console;
use pai_common::retention::{Limit, Period, Policy, Rule};
use pai_rotate::cli::By;
use pai_rotate::plan::Verdict;
use pai_rotate::reading::Reading;
use pai_rotate::series::Series;
use pai_rotate::{listing, plan};

/// Every name stands in the plan once, and what goes has a stamp and leaves something of its series.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((&how, text)) = bytes.split_first() else { return };
    let null = how & 1 == 1;
    let end = if null { 0 } else { b'\n' };
    let reading = Reading { by: By::Name, zone: Zone::Utc, ..Reading::default() };
    let entries = listing::entries(text, null, &reading, &Console::silent("fuzz"));
    let names: Vec<&[u8]> = text.split(|&byte| byte == end).filter(|name| !name.is_empty()).collect();
    assert_eq!(entries.iter().map(|entry| entry.name).collect::<Vec<_>>(), names);
    for entry in &entries {
        let is_dated = entry.time.is_some();
        assert_eq!(matches!(entry.series, Some(Series::Around(_))), is_dated);
        assert!(entry.series_name().is_some_and(|series| series.len() <= entry.name.len() + 1));
    }
    let now = Timestamp::new(1_758_002_403, 0);
    let plan = plan::plan(&entries, &policy(how), now);
    assert_eq!(plan.verdicts.len(), entries.len());
    let mut shown = plan.listing();
    shown.sort_unstable();
    let all = (0..entries.len()).filter(|&i| plan.verdicts[i] != Verdict::Duplicate);
    assert_eq!(shown, all.collect::<Vec<_>>());
    for i in (0..entries.len()).filter(|&i| !plan.keeps(i)) {
        let dated = |i: usize| entries[i].time.is_some();
        assert!(dated(i) || matches!(plan.verdicts[i], Verdict::With(owner) if dated(owner)));
    }
    for series in &plan.series {
        assert!(series.is_empty() || series.iter().any(|&i| plan.keeps(i)), "the last copy went");
    }
}

fn policy(how: u8) -> Policy {
    let rule = |period, count| Rule { period, limit: Limit::Count(count) };
    Policy {
        older_than: (how & 2 != 0).then(|| std::time::Duration::from_secs(30 * 86_400)),
        rules: vec![rule(Period::Last, u32::from(how >> 4)), rule(Period::Daily, u32::from(how >> 2 & 3))],
        min_keep: 1,
        zone: Zone::Utc,
    }
}
