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

/// The stamp in `name`, in one of the forms `YYYYMMDD-HHMMSS`, `YYYYMMDD_HHMMSS`, `YYYYMMDDTHHMMSSZ`,
/// `YYYYMMDDHHMMSS`, `YYYY-MM-DD`. Figures that are no date (`20251399`) are no stamp.
/// `zone` is the clock the figures were read from; a form that ends in `Z` is UTC whatever `zone` says.
pub fn find(name: &[u8], zone: Zone) -> Option<Stamp> {
    (0..name.len())
        .filter(|&at| at == 0 || !name[at - 1].is_ascii_digit())
        .find_map(|at| parse_at(name, at, zone))
}

fn parse_at(name: &[u8], at: usize, zone: Zone) -> Option<Stamp> {
    let rest = &name[at..];
    let run = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (date, time, length, zone) = match run {
        14 => (date_of(&rest[..8])?, time_of(&rest[8..14])?, 14, zone),
        8 => {
            let time = rest.get(9..15)?;
            let ended = !rest.get(15).is_some_and(u8::is_ascii_digit);
            match rest[8] {
                b'T' if rest.get(15) == Some(&b'Z') => (date_of(&rest[..8])?, time_of(time)?, 16, Zone::Utc),
                b'-' | b'_' | b'T' if ended => (date_of(&rest[..8])?, time_of(time)?, 15, zone),
                _ => return None,
            }
        }
        4 => {
            let text = rest.get(..10)?;
            if text[4] != b'-' || text[7] != b'-' || rest.get(10).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            let date = (number(&text[..4])? as i32, number(&text[5..7])?, number(&text[8..10])?);
            (date, (0, 0, 0), 10, zone)
        }
        _ => return None,
    };
    let time = Timestamp::from_civil(zone, date, time)?;
    Some(Stamp { range: at..at + length, time })
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
    fn what_is_written_is_found_again() {
        let time = Timestamp::parse("2025-09-16T09:00:03Z").unwrap();
        let name = format!("pai-{}.tar.gz", compact(time, Zone::Utc));
        assert_eq!(find(name.as_bytes(), Zone::Utc), Some(Stamp { range: 4..19, time }));
    }
}
