//! Figures of at most four characters, for the cells of the calendar.

/// `812B`, `1.4M`, `14M`: powers of 1024, as `ls -h` writes them.
pub(super) fn size(bytes: u64) -> String {
    short(bytes, 1024.0, &["B", "K", "M", "G", "T", "P", "E"])
}

/// `812`, `1.4k`, `14k`: powers of 1000.
pub(super) fn count(number: usize) -> String {
    short(number as u64, 1000.0, &["", "k", "M", "G", "T", "P", "E"])
}

fn short(number: u64, step: f64, units: &[&str]) -> String {
    let mut value = number as f64;
    let mut unit = 0;
    // 999.5 would be written in four figures and a unit.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    // 9.95 and more would be rounded to `10.0`, which is too long with a unit.
    let decimals = usize::from(unit > 0 && value < 9.95);
    format!("{value:.decimals$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_letters_at_most() {
        for (bytes, shown) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.0K"),
            (1023, "1.0K"),
            (1500, "1.5K"),
            (10_189, "10K"),
            (10_200, "10K"),
            (1_048_575, "1.0M"),
            (14 << 20, "14M"),
            (999 << 20, "999M"),
            (1000 << 20, "1.0G"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(size(bytes), shown, "{bytes}");
        }
        for (number, shown) in
            [(0, "0"), (999, "999"), (1000, "1.0k"), (9_949, "9.9k"), (9_951, "10k"), (999_600, "1.0M")]
        {
            assert_eq!(count(number), shown, "{number}");
        }
        for power in 0..64 {
            for bytes in [(1_u64 << power) - 1, 1 << power, (1 << power) + (1 << power) / 3] {
                assert!(size(bytes).len() <= 4, "{bytes} is {}", size(bytes));
                assert!(count(bytes as usize).len() <= 4, "{bytes} is {}", count(bytes as usize));
            }
        }
    }
}
