//! Whether a column grows: the statistics on generated series, and the tasks that use them.

use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::fs;

use pai_tests::{Outcome, command, has, repository, run, run_with_input, skip};

use crate::stack::Stack;

/// `SplitMix64`, so that every run sees the same series.
struct Noise(u64);

impl Noise {
    /// Uniform in (0, 1).
    #[allow(clippy::cast_precision_loss)] // 53 bits fit
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Gaussian with standard deviation 1 (Box and Muller).
    fn gauss(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }

    /// Below `end`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }
}

/// The figures of a process of 500 MB: `length` samples whose noise has `deviation` MB and resembles the sample
/// before by `likeness`.
fn noise(random: &mut Noise, length: usize, deviation: f64, likeness: f64) -> Vec<f64> {
    let mut state = random.gauss();
    (0..length)
        .map(|_| {
            state = likeness * state + (1.0 - likeness * likeness).sqrt() * random.gauss();
            500.0 + deviation * state
        })
        .collect()
}

#[allow(clippy::cast_precision_loss)]
fn leaking(mut series: Vec<f64>, each: f64) -> Vec<f64> {
    for (at, value) in series.iter_mut().enumerate() {
        *value += each * at as f64;
    }
    series
}

fn raised(mut series: Vec<f64>, from: usize, length: usize, by: f64) -> Vec<f64> {
    series[from..from + length].iter_mut().for_each(|value| *value += by);
    series
}

/// What the statistics say of a series.
#[derive(Debug)]
struct Verdict {
    points: usize,
    slope: f64,
    /// The height of the line at the last point.
    level: f64,
    word: String,
}

/// The verdicts on many series, from one process; a unit of time from sample to sample.
fn verdicts(many: &[Vec<f64>]) -> Vec<Verdict> {
    verdicts_at(many, 1.0)
}

#[allow(clippy::cast_precision_loss)]
fn verdicts_at(many: &[Vec<f64>], step: f64) -> Vec<Verdict> {
    let mut text = String::new();
    for series in many {
        for (at, value) in series.iter().enumerate() {
            writeln!(text, "{:.6} {value:.3}", at as f64 * step).unwrap();
        }
        text.push('\n');
    }
    let mut awk = command("awk");
    let outcome =
        run_with_input(awk.arg("-f").arg(repository().join("scripts/figures/trend.awk")), text.as_bytes())
            .expect(0);
    let lines = outcome.stdout.lines().map(|line| {
        let cell: Vec<&str> = line.split(' ').collect();
        Verdict {
            points: cell[0].parse().unwrap(),
            slope: cell[1].parse().unwrap(),
            level: cell[3].parse().unwrap(),
            word: cell[6].to_owned(),
        }
    });
    let found: Vec<Verdict> = lines.collect();
    assert_eq!(found.len(), many.len());
    found
}

/// How many of 500 series of a kind are said to do this.
fn count(word: &str, seed: u64, make: impl Fn(&mut Noise) -> Vec<f64>) -> usize {
    let mut random = Noise(seed);
    let many: Vec<Vec<f64>> = (0..500).map(|_| make(&mut random)).collect();
    verdicts(&many).iter().filter(|verdict| verdict.word == word).count()
}

/// False alarms in 500, in either direction.
fn alarms(seed: u64, make: impl Fn(&mut Noise) -> Vec<f64>) -> usize {
    500 - count("stays", seed, make)
}

#[test]
fn row_3_8_of_500_flat_series_at_most_2_percent_alarm_and_of_autocorrelated_ones_5() {
    for length in [50, 100] {
        let flat = alarms(1, |random| noise(random, length, 5.0, 0.0));
        assert!(flat <= 10, "flat, {length} points: {flat} of 500");
        let alike = alarms(2, |random| noise(random, length, 5.0, 0.8));
        assert!(alike <= 25, "autocorrelation 0.8, {length} points: {alike} of 500");
        let spike = alarms(3, |random| {
            let at = length - 1 - random.below(5);
            raised(noise(random, length, 5.0, 0.0), at, 1, 100.0)
        });
        assert!(spike <= 10, "one late spike, {length} points: {spike} of 500");
    }
}

#[test]
fn row_3_8_of_500_leaks_of_a_fifth_of_a_megabyte_with_a_dip_99_percent_are_found() {
    // The documented 50 rows show so small a leak only through little noise, 100 through that of the flat series.
    for (length, deviation) in [(50, 2.0), (100, 5.0)] {
        let found = count("grows", 4, |random| {
            let at = random.below(length - 3);
            raised(leaking(noise(random, length, deviation, 0.0), 0.2), at, 3, -60.0)
        });
        assert!(found >= 495, "{length} points: {found} of 500");
    }
    let alike = count("grows", 5, |random| leaking(noise(random, 168, 5.0, 0.8), 0.2));
    assert!(alike >= 495, "autocorrelated, 168 points: {alike} of 500");
}

#[test]
fn row_3_8_a_restart_begins_a_new_window_and_a_dip_a_hump_or_a_daily_cycle_does_not() {
    let mut random = Noise(6);
    let mut points = |make: &dyn Fn(&mut Noise) -> Vec<f64>| {
        let many: Vec<Vec<f64>> = (0..50).map(|_| make(&mut random)).collect();
        verdicts(&many)
    };
    let sawtooth = points(&|random| {
        let one = leaking(noise(random, 80, 2.0, 0.0), 0.7);
        [one.clone(), one[..70].to_vec()].concat()
    });
    assert!(
        sawtooth.iter().all(|it| it.points == 70 && it.word == "grows" && (it.slope - 0.7).abs() < 0.1),
        "{sawtooth:?}"
    );
    let mended =
        points(&|random| [leaking(noise(random, 80, 2.0, 0.0), 0.7), noise(random, 60, 2.0, 0.0)].concat());
    assert!(mended.iter().filter(|it| it.points == 60 && it.word == "stays").count() >= 48, "{mended:?}");
    for (name, found) in [
        ("dip", points(&|random| raised(noise(random, 120, 2.0, 0.0), 60, 12, -80.0))),
        ("hump", points(&|random| raised(noise(random, 120, 2.0, 0.0), 60, 12, 80.0))),
        (
            "days",
            points(&|random| {
                let start = random.below(24);
                let mut series = noise(random, 168, 2.0, 0.0);
                for (hour, value) in series.iter_mut().enumerate() {
                    *value += if (hour + start) % 24 < 10 { 60.0 } else { 0.0 };
                }
                series
            }),
        ),
    ] {
        assert!(found.iter().all(|it| it.points == 120 || it.points == 168), "{name}: {found:?}");
        assert!(found.iter().filter(|it| it.word == "stays").count() >= 48, "{name}: {found:?}");
    }
}

#[test]
fn row_3_8_a_daily_cycle_hides_no_leak_and_is_none() {
    let mut random = Noise(10);
    let mut words = |each: f64| {
        let many: Vec<Vec<f64>> = (0..200)
            .map(|_| {
                let start = random.below(24);
                let mut series = leaking(noise(&mut random, 130, 5.0, 0.0), each);
                for (hour, value) in series.iter_mut().enumerate() {
                    *value +=
                        40.0 * (TAU * f64::from(u8::try_from((hour + start) % 24).unwrap()) / 24.0).sin();
                }
                series
            })
            .collect();
        let found = verdicts_at(&many, 1.0 / 24.0);
        assert!(found.iter().all(|verdict| (verdict.level - 500.0 - each * 129.0).abs() < 15.0), "{found:?}");
        found.iter().filter(|verdict| verdict.word == "grows").count()
    };
    assert!(words(0.0) <= 4);
    assert!(words(0.2) >= 198);
}

#[test]
fn slopes_are_those_of_theil_and_sen_and_ties_and_short_series_are_no_trouble() {
    let cases: [(&[f64], usize, f64, &str); 6] = [
        (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0], 12, 1.0, "grows"),
        (&[5.0, 1.0, 5.0, 9.0, 5.0, 100.0, 5.0, 9.0, 5.0, 1.0, 5.0], 11, 0.0, "stays"),
        (&[40.0; 30], 30, 0.0, "stays"),
        (&[7.0], 1, 0.0, "stays"),
        (&[3.0, 2.0], 2, -1.0, "stays"),
        (&[12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 12, -1.0, "shrinks"),
    ];
    for (series, points, slope, word) in cases {
        let found = verdicts(&[series.to_vec()]).remove(0);
        assert_eq!((found.points, found.slope, found.word.as_str()), (points, slope, word), "{series:?}");
    }
}

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
    for (limit, label) in [("600", "limit 600<"), ("99999", "limit 99999 is far above")] {
        run(stack.script("tasks/trend-analysis.sh").args(["--plot", plot]).env("TREND_MEMORY_LIMIT", limit))
            .expect(1);
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
