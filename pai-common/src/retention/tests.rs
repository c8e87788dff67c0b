use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn utc(rules: Vec<Rule>) -> Policy {
    Policy { rules, min_keep: 1, zone: Zone::Utc, ..Policy::default() }
}

fn count(period: Period, count: u32) -> Rule {
    Rule { period, limit: Limit::Count(count) }
}

fn within(period: Period, span: &str) -> Rule {
    Rule { period, limit: Limit::Within(Span::parse(span).unwrap()) }
}

/// `+` and the reason for what stays, `-` and the reason for what goes.
fn verdicts(times: &[&str], policy: &Policy, now: &str) -> Vec<String> {
    let times: Vec<Timestamp> = times.iter().map(|text| at(text)).collect();
    decide(&times, policy, at(now))
        .iter()
        .map(|decision| format!("{}{}", if decision.keep { '+' } else { '-' }, decision.explain(Zone::Utc)))
        .collect()
}

#[test]
fn exactly_the_age_stays_and_a_second_older_goes() {
    let day = Duration::from_secs(86_400);
    let policy = Policy { older_than: Some(30 * day), min_keep: 1, ..Policy::default() };
    let now = at("2025-10-16T00:00:00Z");
    let times = [now, now.minus(30 * day), now.minus(30 * day + Duration::from_secs(1))];
    let keeps: Vec<bool> = decide(&times, &policy, now).iter().map(|decision| decision.keep).collect();
    assert_eq!(keeps, [true, true, false]);
}

#[test]
fn each_rule_counts_alone_and_names_its_slot() {
    assert_eq!(
        verdicts(
            &[
                "2025-09-16T09:00:00Z",
                "2025-09-16T08:00:00Z",
                "2025-09-15T09:00:00Z",
                "2025-09-14T09:00:00Z",
                "2025-08-01T09:00:00Z"
            ],
            &utc(vec![count(Period::Daily, 2), count(Period::Monthly, 2)]),
            "2025-09-16T10:00:00Z",
        ),
        ["+daily 1/2, monthly 1/2", "-no rule keeps it", "+daily 2/2", "-no rule keeps it", "+monthly 2/2"]
    );
}

#[test]
fn the_oldest_item_fills_a_rule_with_slots_left() {
    assert_eq!(
        verdicts(
            &["2025-09-16T09:00:00Z", "2025-09-10T09:00:00Z", "2025-09-09T09:00:00Z"],
            &utc(vec![count(Period::Monthly, 3)]),
            "2025-09-16T10:00:00Z",
        ),
        ["+monthly 1/3", "-no rule keeps it", "+oldest monthly"]
    );
}

#[test]
fn weeks_and_their_years_are_isos() {
    // 2018-12-31 opens the first week of 2019; 2021-01-02 is in the last week of 2020.
    assert_eq!(
        verdicts(
            &[
                "2021-01-04T00:00:00Z",
                "2021-01-02T00:00:00Z",
                "2020-12-31T00:00:00Z",
                "2019-01-01T00:00:00Z",
                "2018-12-31T00:00:00Z",
                "2018-12-30T00:00:00Z"
            ],
            &utc(vec![count(Period::Weekly, 4)]),
            "2021-01-05T00:00:00Z",
        ),
        [
            "+weekly 1/4",
            "+weekly 2/4",
            "-no rule keeps it",
            "+weekly 3/4",
            "-no rule keeps it",
            "+weekly 4/4"
        ]
    );
}

#[test]
fn windows_reach_back_from_the_newest_item_and_their_edge_is_outside() {
    let times =
        ["2025-09-16T00:00:00Z", "2025-09-09T00:00:01Z", "2025-09-09T00:00:00Z", "2025-09-01T00:00:00Z"];
    let now = "2026-01-01T00:00:00Z";
    assert_eq!(
        verdicts(&times, &utc(vec![within(Period::Last, "7d")]), now),
        ["+within 7d", "+within 7d", "-no rule keeps it", "-no rule keeps it"]
    );
    assert_eq!(
        verdicts(&times, &utc(vec![within(Period::Daily, "8d")]), now),
        ["+daily within 8d", "+daily within 8d", "-no rule keeps it", "-no rule keeps it"]
    );
    assert_eq!(
        verdicts(&times, &utc(vec![within(Period::Monthly, "1y")]), now),
        ["+monthly within 1y", "-no rule keeps it", "-no rule keeps it", "+oldest monthly"]
    );
}

#[test]
fn the_future_stays_takes_no_slot_and_is_no_reference() {
    assert_eq!(
        verdicts(
            &["2099-01-01T00:00:00Z", "2025-09-16T00:00:00Z", "2025-09-15T00:00:00Z", "2025-09-14T00:00:00Z"],
            &utc(vec![count(Period::Last, 1), within(Period::Last, "1d")]),
            "2025-09-16T10:00:00Z",
        ),
        ["+from the future", "+last 1/1, within 1d", "-no rule keeps it", "-no rule keeps it"]
    );
    assert_eq!(
        verdicts(&["2099-01-01T00:00:00Z"], &utc(vec![]), "2025-01-01T00:00:00Z"),
        ["+from the future"]
    );
}

#[test]
fn the_floor_holds_the_newest_and_the_newest_good() {
    let policy = Policy { older_than: Some(Duration::ZERO), min_keep: 1, ..Policy::default() };
    let item = |text, good| Item { time: at(text), good };
    let items = [
        item("2025-09-16T00:00:00Z", false),
        item("2025-09-15T00:00:00Z", false),
        item("2025-09-14T00:00:00Z", true),
        item("2025-09-13T00:00:00Z", true),
    ];
    let keeps: Vec<bool> =
        decide(&items, &policy, at("2025-10-01T00:00:00Z")).iter().map(|decision| decision.keep).collect();
    assert_eq!(keeps, [true, false, true, false]);
}

#[test]
fn equal_times_keep_the_order_they_came_in() {
    let times = ["2025-09-16T00:00:00Z"; 3];
    assert_eq!(
        verdicts(&times, &utc(vec![count(Period::Last, 1)]), "2025-09-16T00:00:00Z"),
        ["+last 1/1", "-no rule keeps it", "-no rule keeps it"]
    );
}

#[test]
fn a_policy_without_rules_keeps_everything_and_says_so() {
    for policy in [utc(vec![]), utc(vec![count(Period::Daily, 0)])] {
        assert!(policy.is_empty());
        let times = ["2001-01-01T00:00:00Z", "2000-01-01T00:00:00Z"];
        assert_eq!(verdicts(&times, &policy, "2025-01-01T00:00:00Z"), ["+no policy"; 2]);
    }
}

#[test]
fn an_unlimited_rule_keeps_every_bucket() {
    let policy = utc(vec![Rule { period: Period::Yearly, limit: Limit::Unlimited }]);
    assert_eq!(
        verdicts(
            &["2025-01-01T00:00:00Z", "2024-12-31T00:00:00Z", "2024-01-01T00:00:00Z", "2023-12-31T00:00:00Z"],
            &policy,
            "2025-01-01T00:00:00Z"
        ),
        ["+yearly 1", "+yearly 2", "-no rule keeps it", "+yearly 3"]
    );
}

#[test]
fn junk_days_are_refused() {
    assert_eq!(parse_days("30"), Ok(Duration::from_secs(2_592_000)));
    for text in ["", "0", "-1", "+30", "30d", "30.5", " 30", "thirty", "99999999999"] {
        assert!(parse_days(text).is_err(), "{text:?}");
    }
}

const NOW: i64 = 1_758_000_000;

fn policies() -> impl Strategy<Value = Policy> {
    let period = prop::sample::select(vec![
        Period::Last,
        Period::Hourly,
        Period::Daily,
        Period::Weekly,
        Period::Monthly,
        Period::Yearly,
    ]);
    let limit = prop_oneof![
        (0_u32..6).prop_map(Limit::Count),
        Just(Limit::Unlimited),
        (0_u32..800).prop_map(|days| Limit::Within(Span { days, ..Span::default() })),
    ];
    let rule = (period, limit).prop_map(|(period, limit)| Rule { period, limit });
    let age = prop::option::of((0_u64..900).prop_map(|days| Duration::from_secs(days * 86_400)));
    (age, prop::collection::vec(rule, 0..4), 1_usize..4).prop_map(|(older_than, rules, min_keep)| Policy {
        older_than,
        rules,
        min_keep,
        zone: Zone::Utc,
    })
}

/// Times over some three years around now, crowded enough to share buckets, now and then equal.
fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = (-1_100_i64..40, 0_i64..30, any::<bool>()).prop_map(|(day, hour, good)| Item {
        time: Timestamp::new(NOW + day * 86_400 + hour * 3_600, 0),
        good,
    });
    prop::collection::vec(item, 0..80)
}

fn kept(items: &[Item], policy: &Policy) -> Vec<Item> {
    let decisions = decide(items, policy, Timestamp::new(NOW, 0));
    items.iter().zip(decisions).filter(|(_, decision)| decision.keep).map(|(item, _)| *item).collect()
}

proptest! {
    #[test]
    fn every_item_gets_one_verdict_with_a_reason(items in items(), policy in policies()) {
        let decisions = decide(&items, &policy, Timestamp::new(NOW, 0));
        prop_assert_eq!(decisions.len(), items.len());
        prop_assert!(decisions.iter().all(|decision| !decision.reasons.is_empty()));
    }

    #[test]
    fn deciding_again_on_what_stayed_deletes_nothing(items in items(), policy in policies()) {
        let once = kept(&items, &policy);
        prop_assert_eq!(kept(&once, &policy), once);
    }

    #[test]
    fn the_newest_and_the_newest_good_item_always_stay(items in items(), policy in policies()) {
        let kept = kept(&items, &policy);
        let now = Timestamp::new(NOW, 0);
        let newest = |good: bool| {
            items.iter().filter(|item| item.time <= now && (item.good || !good)).map(|item| item.time).max()
        };
        for time in newest(true).into_iter().chain(newest(false)) {
            prop_assert!(kept.iter().any(|item| item.time == time));
        }
        prop_assert!(items.iter().filter(|item| item.time > now).all(|item| kept.contains(item)));
    }

    #[test]
    fn a_larger_policy_keeps_at_least_as_much(
        items in items(), policy in policies(), which in 0_usize..6, more in 1_u32..5,
    ) {
        let mut larger = policy.clone();
        match larger.rules.get_mut(which) {
            Some(rule) => rule.limit = match rule.limit {
                Limit::Count(count) => Limit::Count(count + more),
                Limit::Within(span) => Limit::Within(Span { days: span.days + more, ..span }),
                Limit::Unlimited => Limit::Unlimited,
            },
            None if which == 4 => larger.min_keep += more as usize,
            None => larger.older_than = larger.older_than.map(|age| age * (more + 1)),
        }
        // A rule of no slots is no rule: with the first real one, a policy stops keeping everything.
        prop_assume!(!policy.is_empty());
        let now = Timestamp::new(NOW, 0);
        for (small, large) in decide(&items, &policy, now).iter().zip(decide(&items, &larger, now)) {
            prop_assert!(large.keep || !small.keep);
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(items in items(), policy in policies(), turn in 0_usize..80) {
        let sort = |mut items: Vec<Item>| {
            items.sort_by_key(|item| (item.time, item.good));
            items
        };
        // Items that are equal in all a policy sees may stand for each other.
        let mut turned = items.clone();
        turned.sort_by_key(|item| (item.time, item.good));
        turned.dedup_by_key(|item| item.time);
        let straight = turned.clone();
        turned.rotate_left(if straight.is_empty() { 0 } else { turn % straight.len() });
        prop_assert_eq!(sort(kept(&straight, &policy)), sort(kept(&turned, &policy)));
    }

    #[test]
    fn the_walk_agrees_with_the_rules_read_literally(items in items(), policy in policies()) {
        let now = Timestamp::new(NOW, 0);
        let decisions = decide(&items, &policy, now);
        for (i, decision) in decisions.iter().enumerate() {
            prop_assert_eq!(decision.keep, literally_kept(&items, i, &policy, now), "item {}", i);
        }
    }
}

/// The oracle: each rule looked at from one item, with no state carried along.
fn literally_kept(items: &[Item], i: usize, policy: &Policy, now: Timestamp) -> bool {
    let item = items[i];
    if item.time > now || policy.is_empty() {
        return true;
    }
    let newer = |j: &usize| {
        items[*j].time <= now && (items[*j].time > item.time || (items[*j].time == item.time && *j < i))
    };
    let newer: Vec<usize> = (0..items.len()).filter(newer).collect();
    let is_oldest = newer.len() + 1 == items.iter().filter(|item| item.time <= now).count();
    let latest = items.iter().map(|item| item.time).filter(|time| *time <= now).max().unwrap();
    let by_rule = policy.rules.iter().any(|rule| {
        let key = |j: usize| match rule.period {
            Period::Last => i64::try_from(j).unwrap(),
            period => period.bucket(&items[j].time.civil(policy.zone)),
        };
        let reaches = |time: Timestamp| match rule.limit {
            Limit::Within(span) => time > latest.minus(Duration::from_secs(u64::from(span.days) * 86_400)),
            _ => true,
        };
        let buckets: std::collections::HashSet<i64> =
            newer.iter().filter(|j| reaches(items[**j].time)).map(|j| key(*j)).collect();
        let has_slot = match rule.limit {
            Limit::Count(count) => buckets.len() < count as usize,
            _ => true,
        };
        reaches(item.time) && has_slot && (is_oldest || !buckets.contains(&key(i)))
    });
    let young = policy.older_than.is_some_and(|age| now.since(item.time) <= age);
    let floor = newer.len() < policy.min_keep
        || (item.good && newer.iter().filter(|j| items[**j].good).count() < policy.min_keep);
    by_rule || young || floor
}
