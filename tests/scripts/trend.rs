//! Whether a column grows: the statistics, on generated series.

use std::f64::consts::TAU;
use std::fmt::Write as _;

use pai_tests::{command, repository, run_with_input};

/// `SplitMix64`, so that every run sees the same series.
pub(crate) struct Noise(pub(crate) u64);

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
pub(crate) fn noise(random: &mut Noise, length: usize, deviation: f64, likeness: f64) -> Vec<f64> {
    let mut state = random.gauss();
    (0..length)
        .map(|_| {
            state = likeness * state + (1.0 - likeness * likeness).sqrt() * random.gauss();
            500.0 + deviation * state
        })
        .collect()
}

#[allow(clippy::cast_precision_loss)]
pub(crate) fn leaking(mut series: Vec<f64>, each: f64) -> Vec<f64> {
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
