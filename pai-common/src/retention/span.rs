//! Spans of calendar time: `1y 6months 7d 12h`.

use std::fmt;
use std::time::Duration;

use crate::clock::{Timestamp, Zone};

/// A span as people count it: months and days by the calendar, hours and less by the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Calendar months; a year is twelve.
    pub months: u32,
    /// Calendar days, which are 23 or 25 hours long when summer time starts or ends.
    pub days: u32,
    /// Exact time on top.
    pub secs: u32,
}

impl Span {
    /// Parses `2y`, `6months`, `14d`, `1y 6M 3w 12h 30min`. A bare `m` is refused: restic reads it as months,
    /// humantime as minutes, and the difference deletes things.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a span such as 14d, 6months or \"1y 12h\"");
        let mut span = Self::default();
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let number: u32 = rest[..digits].parse().map_err(|_| bad())?;
            let unit = rest[digits..].trim_start();
            let letters = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
            span.add(number, &unit[..letters]).map_err(|why| why.map_or_else(bad, str::to_owned))?;
            rest = unit[letters..].trim_start();
        }
        Ok(span)
    }

    fn add(&mut self, number: u32, unit: &str) -> Result<(), Option<&'static str>> {
        let (field, factor) = match unit {
            "y" | "year" | "years" => (&mut self.months, 12),
            "M" | "month" | "months" => (&mut self.months, 1),
            "w" | "week" | "weeks" => (&mut self.days, 7),
            "d" | "day" | "days" => (&mut self.days, 1),
            "h" | "hr" | "hour" | "hours" => (&mut self.secs, 3600),
            "min" | "mins" | "minute" | "minutes" => (&mut self.secs, 60),
            "s" | "sec" | "secs" | "second" | "seconds" => (&mut self.secs, 1),
            "m" => return Err(Some("m may mean months or minutes: write 6months or 6min")),
            _ => return Err(None),
        };
        *field = number.checked_mul(factor).and_then(|more| field.checked_add(more)).ok_or(None)?;
        Ok(())
    }

    /// `time` less this span. A day that its month lacks is the month's last: a month before 31 March is
    /// 28 February (Go, and so restic, would say 3 March and keep less).
    pub fn before(self, time: Timestamp, zone: Zone) -> Timestamp {
        let exact = Duration::from_secs(u64::from(self.secs));
        if self.months == 0 && self.days == 0 {
            return time.minus(exact);
        }
        let civil = time.civil(zone);
        let months = i64::from(civil.year) * 12 + i64::from(civil.month) - 1 - i64::from(self.months);
        let (year, month) = (months.div_euclid(12) as i32, months.rem_euclid(12) as u32 + 1);
        // Midnights in UTC are 86,400 s apart, so days can be taken off there.
        let midnight = (1..=civil.day)
            .rev()
            .find_map(|day| Timestamp::from_civil(Zone::Utc, (year, month, day), (0, 0, 0)))
            .unwrap_or_default()
            .minus(Duration::from_secs(u64::from(self.days) * 86_400));
        let date = midnight.civil(Zone::Utc);
        let clock = (civil.hour, civil.minute, civil.second);
        Timestamp::from_civil(zone, (date.year, date.month, date.day), clock)
            .map_or(midnight, |earlier| Timestamp::new(earlier.secs(), time.nanos()))
            .minus(exact)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = Duration::from_secs(u64::from(self.days) * 86_400 + u64::from(self.secs));
        let parts = [(self.months / 12, "y"), (self.months % 12, "months")];
        let mut words: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
        if exact > Duration::ZERO || words.is_empty() {
            words.push(short(exact));
        }
        f.write_str(&words.join(" "))
    }
}

/// `30d`, `2h 30min`: the shortest way to write a duration.
pub(super) fn short(duration: Duration) -> String {
    let secs = duration.as_secs();
    let parts = [(secs / 86_400, "d"), (secs / 3600 % 24, "h"), (secs / 60 % 60, "min"), (secs % 60, "s")];
    let words: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if words.is_empty() { "0s".into() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_parse_as_people_write_them() {
        let span = |months, days, secs| Ok(Span { months, days, secs });
        for (text, parsed) in [
            ("14d", span(0, 14, 0)),
            ("2y", span(24, 0, 0)),
            ("1y6M", span(18, 0, 0)),
            ("1y 6months 3w 12h 30min", span(18, 21, 45_000)),
            ("0h", span(0, 0, 0)),
        ] {
            assert_eq!(Span::parse(text), parsed, "{text}");
        }
        for text in ["", "d", "7", "-7d", "7x", "7.5d", "99999999999d", "4000000000y"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
        assert!(Span::parse("3m").unwrap_err().contains("months or minutes"));
    }

    #[test]
    fn months_and_days_go_by_the_calendar() {
        for (time, span, before) in [
            ("2025-03-31T10:00:00Z", "1months", "2025-02-28T10:00:00Z"),
            ("2024-03-31T10:00:00Z", "1months", "2024-02-29T10:00:00Z"),
            ("2024-02-29T10:00:00Z", "1y", "2023-02-28T10:00:00Z"),
            ("2025-01-15T10:00:00Z", "1months", "2024-12-15T10:00:00Z"),
            ("2025-03-01T10:00:00Z", "1d", "2025-02-28T10:00:00Z"),
            ("2025-01-01T00:00:00Z", "1y 1d 1h", "2023-12-30T23:00:00Z"),
            ("2025-01-01T00:00:00.5Z", "36h", "2024-12-30T12:00:00.5Z"),
        ] {
            let [time, before] = [time, before].map(|text| Timestamp::parse(text).unwrap());
            assert_eq!(Span::parse(span).unwrap().before(time, Zone::Utc), before, "{span} before {time}");
        }
    }

    #[test]
    fn spans_are_shown_as_they_can_be_typed() {
        for text in ["14d", "2y", "1y 6months 21d 12h 30min", "0s"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
    }
}
