//! Which days survive, at a glance: months as rows, days as cells. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use pai_common::clock::{Timestamp, Zone};

/// The meaning of the letters, printed once below the calendars.
pub(crate) const LEGEND: &str = "K kept   d deleted   + some of each   F from the future, kept";

/// One day's items.
#[derive(Debug, Clone, Copy, Default)]
struct Day {
    kept: bool,
    deleted: bool,
    future: bool,
}

impl Day {
    fn mark(self) -> char {
        match self {
            Self { future: true, .. } => 'F',
            Self { kept: true, deleted: true, .. } => '+',
            Self { kept: true, .. } => 'K',
            Self { deleted: true, .. } => 'd',
            Self { .. } => ' ',
        }
    }
}

/// The calendar of one series: each item's time and whether it stays. Months without items are left out.
pub(crate) fn render(items: &[(Timestamp, bool)], now: Timestamp, zone: Zone) -> String {
    let mut months: BTreeMap<(i32, u32), [Day; 31]> = BTreeMap::new();
    for &(time, keep) in items {
        let civil = time.civil(zone);
        let days = months.entry((civil.year, civil.month)).or_default();
        let day = &mut days[civil.day as usize - 1];
        day.kept |= keep;
        day.deleted |= !keep;
        day.future |= time > now;
    }
    let mut text = heading();
    let mut expected = None;
    for (&(year, month), days) in &months {
        let number = i64::from(year) * 12 + i64::from(month);
        if expected.is_some_and(|expected| expected != number) {
            text.push_str("  ...\n");
        }
        expected = Some(number + 1);
        let cells: String = days.iter().flat_map(|day| [' ', day.mark()]).collect();
        // A String takes every write.
        let _ = writeln!(text, "{year:04}-{month:02}{}", cells.trim_end());
    }
    text
}

/// The numbers of some days, above their cells.
fn heading() -> String {
    let mut line = " ".repeat(7);
    for day in [1, 5, 10, 15, 20, 25, 30] {
        let cell = 7 + 2 * day;
        let _ = write!(line, "{day:>width$}", width = cell - line.len());
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_rows_and_days_are_cells() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let items = [
            (at("2025-09-16T09:00:00Z"), true),
            (at("2025-09-16T08:00:00Z"), false),
            (at("2025-09-01T09:00:00Z"), true),
            (at("2025-08-31T09:00:00Z"), false),
            (at("2024-02-29T09:00:00Z"), false),
            (at("2099-01-02T00:00:00Z"), true),
        ];
        let expected = [
            "        1       5        10        15        20        25        30",
            "2024-02                                                         d",
            "  ...",
            "2025-08                                                             d",
            "2025-09 K                             +",
            "  ...",
            "2099-01   F",
            "",
        ]
        .join("\n");
        assert_eq!(render(&items, at("2025-09-17T00:00:00Z"), Zone::Utc), expected);
    }
}
