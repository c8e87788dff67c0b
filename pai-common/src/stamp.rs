//! Timestamps inside file names: write one, find one.

use std::ops::Range;

use crate::clock::{Timestamp, Zone};

/// A stamp found in a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Where in the name it stands; names that agree outside it form a series.
    pub range: Range<usize>,
    /// The instant it names.
    pub time: Timestamp,
}

/// `YYYYMMDD-HHMMSS`, the stamp this project writes.
pub fn compact(time: Timestamp, zone: Zone) -> String {
    let civil = time.civil(zone);
    format!(
        "{:04}{:02}{:02}-{:02}{:02}{:02}",
        civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second
    )
}

/// The stamp in `name`, in one of these forms:
///
/// | form | also |
/// | --- | --- |
/// | `YYYYMMDD-HHMMSS` | `_` or `T` between, `Z` at the end |
/// | `YYYYMMDDHHMMSS` | `Z` at the end |
/// | `YYYY-MM-DD` | then `T`, `_`, `-` or a space and `HH:MM:SS`, `HH-MM-SS`, `HH.MM.SS` or `HHMMSS`; `Z` |
/// | `YYYYMMDD` | years 1970 to 2099 only, as other numbers have eight figures too |
///
/// Figures that are no date (`20251399`) are no stamp. `zone` is the clock the figures were read from; a form
/// that ends in `Z` is UTC whatever `zone` says. A bare date is its midnight. Where summer time's end makes a
/// time occur twice it is the first; a time that its start skips counts from the jump.
///
/// `name` may be a path: its last component with a stamp counts. Of several stamps there, one with a time of
/// day wins over a bare date, and of those the latest: a policy that errs then keeps too much, not too little.
pub fn find(name: &[u8], zone: Zone) -> Option<Stamp> {
    let mut end = name.len();
    loop {
        let start = name[..end].iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        if let Some(stamp) = find_in_component(&name[start..end], zone) {
            return Some(Stamp { range: start + stamp.range.start..start + stamp.range.end, ..stamp });
        }
        end = start.checked_sub(1)?;
    }
}

fn find_in_component(name: &[u8], zone: Zone) -> Option<Stamp> {
    let mut best: Option<(bool, Stamp)> = None;
    let mut at = 0;
    while at < name.len() {
        let run = digits(&name[at..]);
        let Some((exact, stamp)) = parse_at(name, at, run, zone) else {
            at += run.max(1);
            continue;
        };
        at = stamp.range.end;
        if best.as_ref().is_none_or(|(was, other)| (*was, other.time) <= (exact, stamp.time)) {
            best = Some((exact, stamp));
        }
    }
    best.map(|(_, stamp)| stamp)
}

/// The stamp that begins with the `run` figures at `at`, and whether it has a time of day.
fn parse_at(name: &[u8], at: usize, run: usize, zone: Zone) -> Option<(bool, Stamp)> {
    let rest = &name[at..];
    let (date, length) = match run {
        8 | 14 => (date_of(&rest[..8])?, 8),
        4 => (dashed_date(rest)?, 10),
        _ => return None,
    };
    if let Some((time, more)) = time_after(&rest[length..], run) {
        let length = length + more;
        let (zone, length) =
            if rest.get(length) == Some(&b'Z') { (Zone::Utc, length + 1) } else { (zone, length) };
        if let Some(time) = Timestamp::from_civil(zone, date, time) {
            return Some((true, Stamp { range: at..at + length, time }));
        }
    }
    let is_bare_date = run == 4 || (run == 8 && date.0 <= 2099);
    let time = is_bare_date.then(|| Timestamp::from_civil(zone, date, (0, 0, 0)))??;
    Some((false, Stamp { range: at..at + length, time }))
}

/// The time of day that follows a date written with `run` figures, and its length with what joins it.
fn time_after(rest: &[u8], run: usize) -> Option<((u32, u32, u32), usize)> {
    let joint = match rest.first()? {
        _ if run == 14 => 0,
        b'-' | b'_' | b'T' => 1,
        b' ' if run == 4 => 1,
        _ => return None,
    };
    let rest = &rest[joint..];
    match digits(rest) {
        6 => Some((time_of(&rest[..6])?, joint + 6)),
        2 if run == 4 => {
            let text = rest.get(..8)?;
            let joined =
                matches!(text[2], b':' | b'-' | b'.') && text[5] == text[2] && digits(&rest[6..]) == 2;
            joined.then_some(())?;
            Some(((number(&text[..2])?, number(&text[3..5])?, number(&text[6..8])?), joint + 8))
        }
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn dashed_date(rest: &[u8]) -> Option<(i32, u32, u32)> {
    let text = rest.get(..10)?;
    let dashed = text[4] == b'-' && text[7] == b'-' && digits(&rest[8..]) == 2;
    dashed.then_some(())?;
    Some((number(&text[..4])? as i32, number(&text[5..7])?, number(&text[8..10])?))
}

fn date_of(digits: &[u8]) -> Option<(i32, u32, u32)> {
    let year = number(&digits[..4])?;
    // Four digits that cannot be a year of ours: 1807 in snapshot-180731150101, 0000 in a counter.
    (1970..=9999).contains(&year).then_some(())?;
    Some((year as i32, number(&digits[4..6])?, number(&digits[6..8])?))
}

fn time_of(digits: &[u8]) -> Option<(u32, u32, u32)> {
    Some((number(&digits[..2])?, number(&digits[2..4])?, number(&digits[4..6])?))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_found() {
        let at = |text: &str| Some(Timestamp::parse(text).unwrap());
        for (name, time) in [
            ("pai-20250916-090003.tar.gz", at("2025-09-16T09:00:03Z")),
            ("pa-ecosystem-backup-20250916_090003", at("2025-09-16T09:00:03Z")),
            ("x-20250916T090003Z.gz", at("2025-09-16T09:00:03Z")),
            ("codex_replay_20250916090003.zip", at("2025-09-16T09:00:03Z")),
            ("codexdb_2025-09-16.sql", at("2025-09-16T00:00:00Z")),
            ("snapshot-180731150101", None),
            ("pai-20251399-090003.tar.gz", None),
            ("build-12345678", None),
            ("memory.md", None),
        ] {
            assert_eq!(find(name.as_bytes(), Zone::Utc).map(|stamp| stamp.time), time, "{name}");
        }
    }

    #[test]
    fn forms_that_other_tools_write_are_found_too() {
        for (name, time) in [
            ("x_2025-09-16_09-00-03.sql", "2025-09-16T09:00:03Z"),
            ("x-2025-09-16T09:00:03.sql", "2025-09-16T09:00:03Z"),
            ("x 2025-09-16 09.00.03.sql", "2025-09-16T09:00:03Z"),
            ("x-2025-09-16-090003.sql", "2025-09-16T09:00:03Z"),
            ("app.log-20250916.gz", "2025-09-16T00:00:00Z"),
            ("x-20240229-235959", "2024-02-29T23:59:59Z"),
            ("x-20991231-235959", "2099-12-31T23:59:59Z"),
            // The figures after the date are no time: the date alone counts.
            ("x-20250916-996611", "2025-09-16T00:00:00Z"),
            ("x-2025-09-16-09-00", "2025-09-16T00:00:00Z"),
        ] {
            let stamp = find(name.as_bytes(), Zone::Utc);
            assert_eq!(stamp.map(|stamp| stamp.time), Some(Timestamp::parse(time).unwrap()), "{name}");
        }
        for name in
            ["20250229", "x-12025-09-16", "x-2025-09-161", "x-20250916090003123", "21000101", "2025-9-16"]
        {
            assert_eq!(find(name.as_bytes(), Zone::Utc), None, "{name}");
        }
    }

    #[test]
    fn of_two_stamps_the_exact_one_counts_and_then_the_latest() {
        for (name, found) in [
            ("20250916-090003_data-until-2030-01-01.tar", "20250916-090003"),
            ("dump-of-2019-12-31_20250916-090003.sql", "20250916-090003"),
            ("pre-restore-20251001-080000-pai-20250916-090003.tar.gz", "20251001-080000"),
            ("report-2025-01-01-2025-01-31.csv", "2025-01-31"),
            ("2024-01-01/db-20250916-090003.sql", "20250916-090003"),
            ("20250916-090003/db-2024-01-01.sql", "2024-01-01"),
            ("2025-09-16/db.sql", "2025-09-16"),
            ("/2025-09-16/", "2025-09-16"),
        ] {
            let stamp = find(name.as_bytes(), Zone::Utc).unwrap();
            assert_eq!(&name[stamp.range], found, "{name}");
        }
    }

    #[test]
    fn what_is_written_is_found_again() {
        let time = Timestamp::parse("2025-09-16T09:00:03Z").unwrap();
        let name = format!("pai-{}.tar.gz", compact(time, Zone::Utc));
        assert_eq!(find(name.as_bytes(), Zone::Utc), Some(Stamp { range: 4..19, time }));
    }
}
