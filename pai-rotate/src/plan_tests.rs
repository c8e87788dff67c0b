use std::time::Duration;

use pai_common::retention::{Limit, Period, Rule};
use proptest::prelude::*;

use super::*;
use crate::reading::Reading;
use crate::series::Grouping;

const NOW: &str = "2025-09-17T00:00:00Z";

fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

fn last(count: u32) -> Policy {
    let rule = Rule { period: Period::Last, limit: Limit::Count(count) };
    Policy { rules: vec![rule], min_keep: 1, zone: Zone::Utc, ..Policy::default() }
}

fn entries<'a>(names: &[&'a str]) -> Vec<Entry<'a>> {
    entries_as(names, &reading())
}

fn entries_as<'a>(names: &[&'a str], reading: &Reading) -> Vec<Entry<'a>> {
    names.iter().map(|name| reading.entry(name.as_bytes(), || None)).collect()
}

fn reading() -> Reading {
    Reading { zone: Zone::Utc, ..Reading::default() }
}

/// The names that go, in the order of the input.
fn going<'a>(names: &[&'a str], policy: &Policy) -> Vec<&'a str> {
    let plan = plan(&entries(names), policy, now());
    (0..names.len()).filter(|&i| !plan.keeps(i)).map(|i| names[i]).collect()
}

#[test]
fn names_that_differ_only_in_the_stamp_are_a_series_of_their_own() {
    let names =
        ["a-20250901-000000.gz", "a-20250902-000000.gz", "b-20200101-000000.gz", "a-20200101-000000.sql"];
    assert_eq!(going(&names, &last(1)), ["a-20250901-000000.gz"]);
    let plan = plan(&entries(&names), &last(1), now());
    assert_eq!(plan.series, [vec![1, 0], vec![3], vec![2]]);
    assert_eq!(entries(&names)[0].series_name().unwrap(), b"a-*.gz");
}

#[test]
fn a_sidecar_lives_and_dies_with_its_file() {
    let names = [
        "a-20250901-000000.gz.sha256",
        "a-20250901-000000.gz",
        "a-20250901-000000.gz.sha256.asc",
        "a-20250902-000000.gz.sha256",
        "a-20250902-000000.gz",
    ];
    assert_eq!(going(&names, &last(1)), names[..3]);
    let plan = plan(&entries(&names), &last(1), now());
    assert_eq!(plan.listing(), [4, 3, 1, 0, 2], "each file before its sidecars");
    assert_eq!(plan.tally(), (2, 1));
}

#[test]
fn a_sidecar_without_its_file_falls_to_the_policy() {
    let names = ["a-20250901-000000.gz.sha256", "a-20250902-000000.gz.sha256"];
    assert_eq!(going(&names, &last(1)), names[..1]);
}

#[test]
fn names_without_a_time_and_unfinished_ones_stay() {
    let names =
        ["README.md", "a-20250901-000000.gz.partial", "a-20250902-000000.gz.partial", "b-20250101.tmp"];
    assert_eq!(going(&names, &last(1)), [""; 0]);
}

#[test]
fn a_name_given_twice_is_one_item_and_goes_once() {
    let names = [
        "a-20250901-000000.gz",
        "a-20250902-000000.gz",
        "a-20250901-000000.gz",
        "a-20250902-000000.gz",
        "a-20250901-000000.gz.md5",
        "a-20250901-000000.gz.md5",
    ];
    assert_eq!(going(&names, &last(1)).len(), 2);
    assert_eq!(going(&names, &last(2)), [""; 0]);
    // The newest, named twice, takes one slot of the floor and is not deleted as the second.
    let none = Policy { older_than: Some(Duration::ZERO), min_keep: 1, ..Policy::default() };
    assert!(!going(&names, &none).contains(&"a-20250902-000000.gz"));
}

#[test]
fn of_equal_times_the_name_that_sorts_later_stays() {
    let mut files = entries(&["a", "b", "c"]);
    for file in &mut files {
        file.time = Some(now());
    }
    let plan = plan(&files, &last(1), now());
    assert_eq!([0, 1, 2].map(|i| plan.keeps(i)), [false, false, true]);
}

#[test]
fn folders_keep_series_apart() {
    let mut files = entries(&["a-20250901-000000.gz", "a-20250902-000000.gz"]);
    files[0].folder = 1;
    let plan = plan(&files, &last(1), now());
    assert!(plan.keeps(0) && plan.keeps(1));
}

#[test]
fn a_random_part_scatters_the_names_until_it_is_said_what_makes_a_series() {
    let names = [
        "dump-20250901-020000-11e2d8.sql.gz",
        "dump-20250902-020000-9a03c1.sql.gz",
        "dump-20250903-020000-0fd2e7.sql.gz",
        "other-20250101-020000.sql.gz",
    ];
    let scattered = plan(&entries(&names), &last(1), now());
    assert_eq!((scattered.tally(), scattered.is_scattered()), ((4, 0), true));
    let gone = |series: Grouping| {
        let entries = entries_as(&names, &Reading { series, ..reading() });
        let plan = plan(&entries, &last(1), now());
        assert!(!plan.is_scattered());
        (0..4).filter(|&i| !plan.keeps(i)).collect::<Vec<_>>()
    };
    assert_eq!(gone(Grouping::Pattern(Grouping::pattern("^[a-z]+").unwrap())), [0, 1]);
    assert_eq!(gone(Grouping::One), [0, 1, 3]);
    // What does not match is of no series, and stays.
    assert_eq!(gone(Grouping::Pattern(Grouping::pattern("^dump").unwrap())), [0, 1]);
}

fn names() -> impl Strategy<Value = Vec<String>> {
    let name = (
        prop::sample::select(vec!["pai-", "db_", "x/y-"]),
        (2023_i32..2027, 1_u32..13, 1_u32..30, 0_u32..24),
        prop::sample::select(vec![".gz", ".sql", ".gz.sha256", ".gz.partial", ""]),
        0_u32..20,
    )
        .prop_map(|(prefix, (year, month, day, hour), ending, kind)| match kind {
            0 => format!("{prefix}{ending}"),
            1 => format!("{prefix}{year}-{month:02}-{day:02}{ending}"),
            _ => format!("{prefix}{year}{month:02}{day:02}-{hour:02}0000{ending}"),
        });
    prop::collection::vec(name, 0..60)
}

fn policies() -> impl Strategy<Value = Policy> {
    let period = prop::sample::select(vec![Period::Last, Period::Daily, Period::Weekly, Period::Monthly]);
    let rule = (period, 1_u32..5).prop_map(|(period, n)| Rule { period, limit: Limit::Count(n) });
    let age = prop::option::of((0_u64..600).prop_map(|days| Duration::from_secs(days * 86_400)));
    (age, prop::collection::vec(rule, 1..4), 1_usize..3).prop_map(|(older_than, rules, min_keep)| Policy {
        older_than,
        rules,
        min_keep,
        zone: Zone::Utc,
    })
}

/// The names that stay and those that go, sorted, each once.
fn split(names: &[String], policy: &Policy) -> (Vec<String>, Vec<String>) {
    let texts: Vec<&str> = names.iter().map(String::as_str).collect();
    let plan = plan(&entries(&texts), policy, now());
    let of = |keep: bool| {
        let verdict = |i: &usize| plan.verdicts[*i] != Verdict::Duplicate && plan.keeps(*i) == keep;
        let mut names: Vec<String> = (0..names.len()).filter(verdict).map(|i| names[i].clone()).collect();
        names.sort();
        names
    };
    (of(true), of(false))
}

fn once(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

#[test]
fn a_sidecar_goes_with_its_file_however_often_that_is_named() {
    let mut names = vec!["a-20250101-000000.tar"; 200];
    names.extend(["a-20250101-000000.tar.md5", "a-20250916-000000.tar"]);
    let policy = Policy { older_than: Some(Duration::from_secs(86_400)), ..Policy::default() };
    let plan = plan(&entries(&names), &policy, now());
    assert!(!plan.keeps(0) && plan.keeps(1) && !plan.keeps(200) && plan.keeps(201));
    assert_eq!(plan.listing(), [201, 0, 200]);
}

proptest! {
    #[test]
    fn what_stays_and_what_goes_is_what_came_in(names in names(), policy in policies()) {
        let (kept, deleted) = split(&names, &policy);
        let mut together = [kept, deleted].concat();
        together.sort();
        // Names without a stamp are never decided on, so they may stand there twice.
        let undated = |name: &String| reading().stamped(name.as_bytes()).1.is_none() || name.ends_with(".partial");
        let (left, right): (Vec<_>, Vec<_>) = together.into_iter().partition(undated);
        prop_assert_eq!(once(left), once(names.iter().filter(|name| undated(name)).cloned().collect()));
        prop_assert_eq!(right, once(names.iter().filter(|name| !undated(name)).cloned().collect()));
    }

    #[test]
    fn a_name_without_a_stamp_never_goes(names in names(), policy in policies()) {
        let (_, deleted) = split(&names, &policy);
        prop_assert!(deleted.iter().all(|name| reading().stamped(name.as_bytes()).1.is_some()));
    }

    #[test]
    fn planning_what_stayed_deletes_nothing(names in names(), policy in policies()) {
        let (kept, _) = split(&names, &policy);
        prop_assert_eq!(split(&kept, &policy).1, Vec::<String>::new());
    }

    #[test]
    fn the_order_of_the_names_does_not_matter(names in names(), policy in policies(), turn in 0_usize..60) {
        let mut turned = names.clone();
        turned.rotate_left(turn % names.len().max(1));
        turned.reverse();
        let (straight, turned) = (split(&names, &policy), split(&turned, &policy));
        prop_assert_eq!(once(straight.0), once(turned.0));
        prop_assert_eq!(straight.1, turned.1);
    }

    #[test]
    fn the_newest_of_each_series_that_is_not_from_the_future_stays(names in names(), policy in policies()) {
        let texts: Vec<&str> = names.iter().map(String::as_str).collect();
        let entries = entries(&texts);
        let plan = plan(&entries, &policy, now());
        for members in &plan.series {
            let past = members.iter().filter(|&&i| entries[i].time.unwrap() <= now());
            let newest = past.max_by_key(|&&i| (entries[i].time, entries[i].name));
            prop_assert!(newest.is_none_or(|&i| plan.keeps(i)));
        }
    }

    #[test]
    fn a_listing_names_each_entry_once(names in names(), policy in policies()) {
        let texts: Vec<&str> = names.iter().map(String::as_str).collect();
        let plan = plan(&entries(&texts), &policy, now());
        let mut listing = plan.listing();
        listing.sort_unstable();
        let all = (0..names.len()).filter(|&i| plan.verdicts[i] != Verdict::Duplicate);
        prop_assert_eq!(listing, all.collect::<Vec<_>>());
    }
}
