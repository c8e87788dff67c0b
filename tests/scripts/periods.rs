//! `maintenance.sh`: which tasks a period has, and when they are due.

use std::ffi::OsStr;

use pai_tests::{has, run, skip, through};

use crate::maintenance::{maintenance, summary, with_tasks};
use crate::stack::Stack;

#[test]
fn row_1_1_the_daily_tasks_are_the_documented_ones_in_their_order() {
    assert_eq!(dry_run_order("--daily"), DAILY);
}

const DAILY: [&str; 6] = [
    "health-check",
    "log-rotation",
    "docker-cleanup",
    "database-maintenance",
    "defragment",
    "performance-check",
];
const WEEKLY: [&str; 5] = [
    "backup-verification",
    "configuration-audit",
    "performance-analysis",
    "system-update",
    "security-review",
];
const MONTHLY: [&str; 4] =
    ["security-update", "performance-optimization", "comprehensive-cleanup", "capacity-planning"];
const YEARLY: [&str; 3] = ["image-update", "monitoring-setup", "disaster-recovery-test"];

/// The names of the real tasks, in the order in which a dry run takes them; stubs for what it would call.
fn dry_run_order(period: &str) -> Vec<String> {
    let stack = Stack::new();
    let stubs = stack.programs(&[("apt-get", "exit 0"), ("crontab", "exit 0"), ("journalctl", "exit 0")]);
    run(stack.script_with("maintenance.sh", &[&stubs]).args([period, "--dry-run", "--timeout", "60s"]));
    stack.outcomes().into_iter().map(|(task, _)| task).collect()
}

#[test]
fn row_1_2_weekly_is_daily_and_its_own_tasks() {
    assert_eq!(dry_run_order("--weekly"), [&DAILY[..], &WEEKLY].concat());
}

#[test]
fn row_1_3_monthly_adds_its_own_tasks() {
    assert_eq!(dry_run_order("--monthly"), [&DAILY[..], &WEEKLY, &MONTHLY].concat());
}

#[test]
fn row_1_4_yearly_adds_its_own_and_takes_no_task_twice() {
    assert_eq!(dry_run_order("--yearly"), [&DAILY[..], &WEEKLY, &MONTHLY, &YEARLY].concat());
}

#[test]
fn row_1_4_a_task_of_two_periods_learns_which_one_it_runs_for() {
    let stack = with_tasks(&[("verify", "weekly 10\n# run: yearly 10", "echo period=$MAINTENANCE_PERIOD")]);
    let weekly = run(&mut maintenance(&stack, &["--weekly", "--verbose"])).expect(0);
    assert!(weekly.stdout.contains("period=weekly"), "{}", weekly.stdout);
    let yearly = run(&mut maintenance(&stack, &["--yearly", "--verbose"])).expect(0);
    assert!(yearly.stdout.contains("period=yearly"), "{}", yearly.stdout);
    let again = run(&mut maintenance(&stack, &["--monthly", "--verbose"])).expect(0);
    assert_eq!(summary(&again.stdout), ["skipped verify"], "the yearly run counts for the week");
}

#[test]
fn row_1_6_each_documented_word_is_a_task_and_an_unknown_one_is_answered_with_the_list() {
    let stack = Stack::new();
    let list = run(stack.script("maintenance.sh").arg("--list")).expect(0).stdout;
    for task in [&DAILY[..], &WEEKLY, &MONTHLY, &YEARLY].concat() {
        assert!(list.lines().any(|line| line.starts_with(&format!("{task} "))), "{task} in\n{list}");
        let alone = run(stack.script(&format!("tasks/{task}.sh")).arg("--help")).expect(0);
        assert!(
            alone.stdout.contains("Usage:") && alone.stdout.contains("--dry-run"),
            "{task}: {}",
            alone.stdout
        );
    }
    let unknown = run(stack.script("maintenance.sh").arg("helth-check")).expect(2);
    assert!(unknown.stderr.contains("no such task: helth-check") && unknown.stderr.contains("log-rotation"));
    run(stack.script("maintenance.sh").args(["--daily", "--skip", "system-udate"])).expect(2);
}

/// The clock moved by faketime; the scripts use date(1) and nothing else for the time.
fn at(stack: &Stack, instant: &str, options: &[&str]) -> Vec<String> {
    let faketime = ["faketime", instant].map(OsStr::new);
    summary(&run(&mut through(&faketime, &maintenance(stack, options))).stdout)
}

#[test]
fn row_1_31b_the_sunday_run_does_not_repeat_what_the_daily_one_did_an_hour_before() {
    if !has("faketime") {
        return skip("no faketime");
    }
    let stack = with_tasks(&[
        ("day", "daily 1", "true"),
        ("sick", "daily 2", "exit 1"),
        ("week", "weekly 1", "true"),
    ]);
    assert_eq!(at(&stack, "2026-11-22 02:00:00", &["--daily"]), ["ok day", "FAILED sick"]);
    assert_eq!(
        at(&stack, "2026-11-22 03:00:00", &["--weekly"]),
        ["skipped day", "FAILED sick", "ok week"],
        "what failed is tried again"
    );
    assert_eq!(at(&stack, "2026-11-23 03:00:00", &["--weekly"])[0], "ok day", "another day");
}

#[test]
fn row_1_31c_on_a_first_that_is_a_sunday_all_three_fire_and_nothing_is_done_twice() {
    if !has("faketime") {
        return skip("no faketime");
    }
    let stack = with_tasks(&[
        ("day", "daily 1", "true"),
        ("week", "weekly 1", "true"),
        ("month", "monthly 1", "true"),
    ]);
    assert_eq!(at(&stack, "2026-11-01 02:00:00", &["--daily"]), ["ok day"]);
    assert_eq!(at(&stack, "2026-11-01 03:00:00", &["--weekly"]), ["skipped day", "ok week"]);
    assert_eq!(
        at(&stack, "2026-11-01 04:00:00", &["--monthly"]),
        ["skipped day", "skipped week", "ok month"]
    );
}

#[test]
fn a_period_that_was_missed_is_made_up_for_by_the_next_smaller_run() {
    if !has("faketime") {
        return skip("no faketime");
    }
    let stack = with_tasks(&[("day", "daily 1", "true"), ("week", "weekly 1", "true")]);
    // Met for the first time: noted, not run.
    assert_eq!(at(&stack, "2026-11-01 02:00:00", &["--daily"]), ["ok day"]);
    assert_eq!(at(&stack, "2026-11-08 02:00:00", &["--daily"]), ["ok day"], "not yet late");
    assert_eq!(at(&stack, "2026-11-10 02:00:00", &["--daily"]), ["ok day", "ok week"], "late");
    assert_eq!(at(&stack, "2026-11-11 02:00:00", &["--daily"]), ["ok day"]);
    assert_eq!(at(&stack, "2026-11-17 02:00:00", &["--daily", "--dry-run"]), ["ok day"]);

    let stack = with_tasks(&[("month", "monthly 1", "true"), ("year", "yearly 1", "true")]);
    for (when, made_up) in [
        ("2026-01-01", &[][..]),
        ("2026-02-01", &[]),
        ("2026-02-04", &["ok month"]),
        ("2027-01-01", &["ok month"]),
        ("2027-01-04", &["ok year"]),
    ] {
        assert_eq!(at(&stack, &format!("{when} 02:00:00"), &["--daily"]), made_up, "{when}");
    }
}

#[test]
fn due_runs_what_this_day_and_week_have_not_seen() {
    if !has("faketime") {
        return skip("no faketime");
    }
    let stack = with_tasks(&[("day", "daily 1", "true"), ("week", "weekly 1", "true")]);
    assert_eq!(at(&stack, "2026-11-18 10:00:00", &["--due"]), ["ok day", "ok week"]);
    assert_eq!(at(&stack, "2026-11-18 11:00:00", &["--due"]), ["skipped day", "skipped week"]);
    assert_eq!(at(&stack, "2026-11-19 10:00:00", &["--due"]), ["ok day", "skipped week"]);
    assert_eq!(at(&stack, "2026-11-23 10:00:00", &["--due"]), ["ok day", "ok week"], "a Monday");
}
