//! Stamps and buckets where calendars and clocks are awkward.

use pai_tests::{Outcome, run_with_input};

use crate::{filter, rotate};

/// Filters in Vienna, where summer time ended at 3:00 on 2025-10-26 and began at 2:00 on 2025-03-30.
fn in_vienna(args: &[&str], names: &str, now: &str) -> Outcome {
    let mut command = rotate(&["--stdin", "-q"]);
    run_with_input(command.args(args).env("TZ", "Europe/Vienna").env("PAI_NOW", now), names.as_bytes())
}

#[test]
fn the_day_of_twenty_five_hours_is_one_day_and_the_age_counts_seconds() {
    let names = "a-20251026-003000\na-20251026-233000\na-20251025-233000\n";
    let outcome = in_vienna(&["--keep-daily", "9"], names, "2025-10-28T00:00:00Z").expect(0);
    // The oldest stays because the rule has slots left; of the long day the newest stays.
    assert_eq!(outcome.stdout, "a-20251026-003000\n");
    // 23:30 on the 25th is 25 hours before 23:30 on the 26th (22:30 UTC).
    let now = "2025-10-26T22:30:00Z";
    let older = |age: &str| in_vienna(&["--older-than", age], names, now).expect(0).stdout;
    assert_eq!(older("25h"), "");
    assert_eq!(older("24h 59min"), "a-20251025-233000\n");
}

#[test]
fn a_time_that_occurs_twice_is_its_first_and_one_that_never_was_counts_from_the_jump() {
    let times = |names: &str| {
        let outcome = in_vienna(&["--keep-last", "1", "--json"], names, "2026-01-01T00:00:00Z").expect(0);
        let time = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["time"].clone();
        outcome.stdout.lines().next().map(time).unwrap()
    };
    assert_eq!(times("a-20251026-023000"), "2025-10-26T02:30:00+02:00");
    assert_eq!(times("a-20251026-013000Z"), "2025-10-26T02:30:00+01:00");
    assert_eq!(times("a-20250330-023000"), "2025-03-30T03:30:00+02:00");
}

#[test]
fn hours_across_the_end_of_summer_time() {
    // In UTC the day has 25 hours; a wall clock shows 24 different ones.
    let name = |hour: u32| format!("a-202510{:02}T{:02}0000Z\n", 25 + (22 + hour) / 24, (22 + hour) % 24);
    let names = (0..25).map(name).collect::<Vec<_>>().concat();
    let gone = |args: &[&str]| in_vienna(args, &names, "2025-10-27T00:00:00Z").expect(0).stdout;
    assert_eq!(gone(&["--keep-hourly", "25", "--utc"]), "");
    assert_eq!(gone(&["--keep-hourly", "25"]), "a-20251026T000000Z\n");
}

#[test]
fn days_are_local_unless_utc_is_asked_for() {
    // 23:30 UTC is already the next day in Vienna.
    let names = "a-20250914T233000Z\na-20250914T120000Z\na-20250913T120000Z\n";
    let now = "2025-09-16T00:00:00Z";
    let gone = |args: &[&str]| in_vienna(args, names, now).expect(0).stdout;
    assert_eq!(gone(&["--keep-daily", "2"]), "a-20250913T120000Z\n");
    assert_eq!(gone(&["--keep-daily", "2", "--utc"]), "a-20250914T120000Z\n");
}

#[test]
fn a_bare_date_is_its_local_midnight() {
    let outcome = in_vienna(
        &["--older-than", "14h", "--min-keep", "1"],
        "a-2025-09-16\na-2025-09-15\n",
        "2025-09-16T12:00:00Z",
    );
    // 14:00 in Vienna: today's midnight is exactly 14 hours ago.
    assert_eq!(outcome.expect(0).stdout, "a-2025-09-15\n");
}

#[test]
fn year_ends_and_leap_days() {
    let names = "a-20240229\na-20240228\na-20231231\na-20230101\na-20221231\n";
    let gone = |args: &[&str]| filter(args, names).expect(0).stdout;
    assert_eq!(gone(&["--keep-yearly", "3"]), "a-20240228\na-20230101\n");
    // 2023-01-01 is a Sunday: with 2022-12-31 in the last week of 2022.
    assert_eq!(gone(&["--keep-weekly", "3"]), "a-20240228\na-20221231\n");
    assert_eq!(gone(&["--keep-within", "1y"]), "a-20230101\na-20221231\n");
}

#[test]
fn two_stamps_in_a_name() {
    let names = "pre-restore-20250915-000000-pai-20200101-000000.gz\nx-until-2030-01-01_20250801-000000.gz\nx-until-2030-01-01_20250802-000000.gz\n";
    let outcome = filter(&["--days", "30"], names).expect(0);
    assert_eq!(outcome.stdout, "x-until-2030-01-01_20250801-000000.gz\n");
}
