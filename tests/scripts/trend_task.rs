//! `trend-analysis`: what it says of the figures that metrics kept, and its plot.

use std::fmt::Write as _;
use std::fs;

use pai_tests::{Outcome, command, has, run, skip};

use crate::stack::Stack;
use crate::trend::{Noise, leaking, noise};

/// Writes hourly metrics: the memory of each hour; the disk grows by 0.04 percent an hour if `filling`.
fn metrics(stack: &Stack, memory: &[f64], filling: bool) {
    let mut text =
        "timestamp,memory_mb,cpu_percent,disk_percent,bytes_sent,bytes_recv,gpu_load,gpu_mem\n".to_owned();
    for (hour, value) in memory.iter().enumerate() {
        let (day, of_day) = (1 + hour / 24, hour % 24);
        #[allow(clippy::cast_precision_loss)]
        let disk = 60.0 + if filling { hour as f64 * 0.04 } else { 0.0 };
        writeln!(text, "2026-11-{day:02}T{of_day:02}:07:00+00:00,{value:.1},3.0,{disk:.2},1,2,,").unwrap();
    }
    stack.write("deployment/logs/usage_metrics_log.csv", &text);
}

fn analysis(stack: &Stack, arguments: &[&str]) -> Outcome {
    run(stack.script("tasks/trend-analysis.sh").env("TREND_MEMORY_LIMIT", "1000").args(arguments))
}

#[test]
fn row_3_8_a_leak_is_an_alarm_with_its_days_and_flat_memory_is_none() {
    let stack = Stack::new();
    let mut random = Noise(7);
    metrics(&stack, &noise(&mut random, 168, 5.0, 0.0), false);
    let flat = analysis(&stack, &[]).expect(0);
    let line = |start: &str| flat.stdout.lines().any(|line| line.starts_with(start));
    assert!(line("memory_mb     no trend: ") && line("gpu_mem       no figures"), "{}", flat.stdout);
    metrics(&stack, &leaking(noise(&mut random, 168, 5.0, 0.0), 0.5), false);
    let leak = analysis(&stack, &[]).expect(1);
    // 0.5 MB an hour from 583 MB on: 1000 MB in 35 days.
    assert!(leak.stderr.starts_with("trend-analysis: error: memory_mb grows: +0."), "{}", leak.stderr);
    assert!(
        ["34", "35", "36"].iter().any(|days| leak.stdout.contains(&format!("1000 MB in about {days} days")))
    );
    let full = |days: &str| {
        metrics(&stack, &[500.0; 168], true);
        run(stack.script("tasks/trend-analysis.sh").env("CAPACITY_DAYS", days))
    };
    // 0.96 percent a day from 66.68 on.
    assert!(full("60").expect(1).stdout.contains("100 % in about 35 days"));
    full("30").expect(0);
}

#[test]
fn row_3_8_too_few_points_are_said_and_have_a_status_of_their_own() {
    let stack = Stack::new();
    let none = analysis(&stack, &[]).expect(75);
    assert!(none.stderr.contains("skipped: no figures yet"), "{}", none.stderr);
    metrics(&stack, &[500.0; 19], false);
    let few = analysis(&stack, &[]).expect(75);
    assert!(few.stderr.contains("memory_mb: too few points: 19 of at least 20"), "{}", few.stderr);
    // A restart that metrics saw: what was before does not count.
    let mut random = Noise(8);
    metrics(&stack, &leaking(noise(&mut random, 100, 1.0, 0.0), 0.5), false);
    analysis(&stack, &[]).expect(1);
    stack.write(
        "deployment/logs/usage_metrics_restarts.csv",
        "timestamp,process\n2026-11-04T20:00:00+00:00,4711\n",
    );
    let restarted = analysis(&stack, &[]).expect(75);
    assert!(restarted.stderr.contains("too few points: 8 of at least 20 since 2026-11-04 20:07"));
    assert!(
        restarted.stdout.contains("disk_percent  no trend"),
        "a disk does not restart: {}",
        restarted.stdout
    );
    analysis(&stack, &["--column", "bytes_gone"]).expect(2);
    analysis(&stack, &["--plot"]).expect(2);
}

#[test]
fn row_3_8_memory_is_an_alarm_if_its_limit_is_near_or_it_has_grown_by_a_share_of_it() {
    let stack = Stack::new();
    // 1 MB an hour from 500 MB on, almost without noise; each point a little later than an hour after the last one, as on a
    // machine that is busy.
    let late = |hour: u64| hour * hour * 3 / 100;
    let mut text =
        "timestamp,memory_mb,cpu_percent,disk_percent,bytes_sent,bytes_recv,gpu_load,gpu_mem\n".to_owned();
    for hour in 0..101_u64 {
        let (second, day) = (hour % 24 * 3600 + late(hour), 1 + hour / 24);
        let (minute, second) = (second / 60, second % 60);
        writeln!(
            text,
            "2026-11-{day:02}T{:02}:{:02}:{second:02}+00:00,{},3.0,42.5,1,2,,",
            minute / 60,
            minute % 60,
            500 + hour + 2 - hour % 3
        )
        .unwrap();
    }
    stack.write("deployment/logs/usage_metrics_log.csv", &text);
    let analysis = |settings: &[(&str, &str)], words: &[&str]| {
        run(stack.script("tasks/trend-analysis.sh").envs(settings.iter().copied()).args(words))
    };
    let near = analysis(&[("TREND_MEMORY_LIMIT", "1000")], &[]).expect(1);
    assert!(
        near.stdout.contains("1000 MB in about 17 days") && !near.stdout.contains("autocorrelation"),
        "{}",
        near.stdout
    );
    assert!(analysis(&[("TREND_MEMORY_LIMIT", "1000")], &["-v"]).expect(1).stdout.contains(", z "));
    // Years away; but a tenth of what there is would be grown since the restart; the documented rule is a setting.
    let far = ("TREND_MEMORY_LIMIT", "250000");
    assert!(analysis(&[far], &[]).expect(0).stdout.contains("250000 MB in about 28 years"));
    analysis(&[far, ("TREND_GROWN", "0.01")], &[]).expect(1);
    analysis(&[far, ("TREND_SLOPE", "0.05")], &[]).expect(1);
    analysis(&[far, ("TREND_SLOPE", "1.5")], &[]).expect(0);
}

#[test]
fn row_3_8_the_plot_has_the_points_the_slope_and_the_limit() {
    if !has("gnuplot") {
        return skip("no gnuplot (package gnuplot-nox)");
    }
    let stack = Stack::new();
    let mut random = Noise(9);
    let one = leaking(noise(&mut random, 80, 2.0, 0.0), 0.7);
    metrics(&stack, &[one.clone(), one].concat(), false);
    let file = stack.path("trend.svg");
    let plot = file.to_str().unwrap();
    analysis(&stack, &["--plot", plot, "--dry-run"]).expect(1);
    assert!(!file.exists());
    for (limit, label, status) in [("600", "limit 600<", 1), ("99999", "limit 99999 is far above", 0)] {
        run(stack.script("tasks/trend-analysis.sh").args(["--plot", plot]).env("TREND_MEMORY_LIMIT", limit))
            .expect(status);
        let picture = fs::read_to_string(&file).unwrap();
        for part in
            [label, "restart<", "memory_mb (MB)", "<title>memory_mb grows: ", "prefers-color-scheme:dark"]
        {
            assert!(picture.contains(part), "{part} in {picture}");
        }
        // Points of before and after the restart, slope, limit: one colour each, none of gnuplot's own.
        for colour in [1, 2, 3, 6] {
            assert!(picture.contains(&format!("stroke:var(--plot{colour})")), "{colour}");
        }
        assert!(!picture.contains("rgb(170"));
        run(command("python3").args(["-c", "import sys, xml.dom.minidom as m; m.parse(sys.argv[1])", plot]))
            .expect(0);
    }
}
