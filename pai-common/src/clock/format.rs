//! Instants in a form of somebody's own, in the words of strptime(3).

use std::fmt::Write;

use chrono::format::{Fixed, Item, Parsed, StrftimeItems, parse_and_remainder};
use chrono::{DateTime, FixedOffset, NaiveDateTime, NaiveTime, TimeZone, Timelike, Weekday};

use super::{Timestamp, Zone};

/// How a time is written: `%d-%m-%Y`, `%Y%m%d_%H%M`, `%s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    items: Vec<Item<'static>>,
}

impl Format {
    /// Reads a format. One that does not tell a day, or that nothing can be read back by, is an error.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("{text:?} {why}");
        let items = StrftimeItems::new(text)
            .parse_to_owned()
            .map_err(|_| bad("has a word after % that strptime does not know"))?;
        if items.contains(&Item::Fixed(Fixed::TimezoneName)) {
            return Err(bad("has the name of a time zone, which tells no time: %z reads an offset"));
        }
        let format = Self { items };
        let sample = DateTime::from_timestamp(1_758_013_203, 0).map(|time| time.fixed_offset());
        let written = sample.and_then(|sample| format.write(sample)).unwrap_or_default();
        match format.read(written.as_bytes(), Zone::Utc) {
            Some((_, length)) if length == written.len() => Ok(format),
            _ => Err(bad("does not tell a day and its year, as %Y-%m-%d, %G-W%V and %s do")),
        }
    }

    /// The instant that `text` begins with, and how many bytes tell it. `zone` is the clock the figures were read from,
    /// unless the format has an offset. A date without a time of day is its midnight, a month its first day, a week
    /// its Monday.
    pub fn read(&self, text: &[u8], zone: Zone) -> Option<(Timestamp, usize)> {
        let text = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).ok()?,
        };
        let mut parsed = Parsed::new();
        let rest = parse_and_remainder(&mut parsed, text, self.items.iter()).ok()?;
        let read = &text[..text.len() - rest.len()];
        let offset = FixedOffset::east_opt(parsed.offset().unwrap_or(0))?;
        let shown = match parsed.timestamp() {
            Some(secs) => DateTime::from_timestamp(secs, 0)?.with_timezone(&offset),
            None => offset.from_local_datetime(&civil(&parsed)?).single()?,
        };
        // chrono reads 1 for 01, and spaces before numbers: only what it would write is what was meant.
        if !self.write(shown)?.eq_ignore_ascii_case(read) {
            return None;
        }
        let time = if parsed.timestamp().is_some() || parsed.offset().is_some() {
            Timestamp::new(shown.timestamp(), shown.timestamp_subsec_nanos())
        } else {
            let civil = Timestamp::new(shown.timestamp(), 0).civil(Zone::Utc);
            let date = (civil.year, civil.month, civil.day);
            let time = Timestamp::from_civil(zone, date, (civil.hour, civil.minute, civil.second))?;
            Timestamp::new(time.secs(), shown.nanosecond() % 1_000_000_000)
        };
        Some((time, read.len()))
    }

    fn write(&self, time: DateTime<FixedOffset>) -> Option<String> {
        let mut written = String::new();
        write!(written, "{}", time.format_with_items(self.items.iter())).ok()?;
        Some(written)
    }
}

/// The date and time that were read. Parts that the format leaves out are zero, or the first.
fn civil(parsed: &Parsed) -> Option<NaiveDateTime> {
    let with = |fill: fn(&mut Parsed) -> chrono::ParseResult<()>| {
        let mut filled = parsed.clone();
        fill(&mut filled).ok()?;
        filled.to_naive_date().ok()
    };
    let date = with(|_| Ok(()))
        .or_else(|| with(|week| week.set_weekday(Weekday::Mon)))
        .or_else(|| with(|month| month.set_day(1)))
        .or_else(|| with(|year| year.set_month(1).and_then(|()| year.set_day(1))))?;
    let has_hour = parsed.hour_div_12().is_some() || parsed.hour_mod_12().is_some();
    let time = match (has_hour, parsed.minute()) {
        (false, _) => NaiveTime::MIN,
        (true, Some(_)) => parsed.to_naive_time().ok()?,
        (true, None) => {
            let mut filled = parsed.clone();
            filled.set_minute(0).ok()?;
            filled.to_naive_time().ok()?
        }
    };
    Some(date.and_time(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_format_says_is_read_to_its_end_and_no_further() {
        for (format, text, time, read) in [
            ("%d-%m-%Y", "16-09-2025.sql", "2025-09-16T00:00:00Z", "16-09-2025"),
            ("%y%m%d", "250916-x", "2025-09-16T00:00:00Z", "250916"),
            ("%y%m%d%H%M%S", "180731150101", "2018-07-31T15:01:01Z", "180731150101"),
            ("%s", "1757998803.tar", "2025-09-16T05:00:03Z", "1757998803"),
            ("%G-W%V", "2025-W38.tar", "2025-09-15T00:00:00Z", "2025-W38"),
            ("%G-W%V-%u", "2025-W38-2", "2025-09-16T00:00:00Z", "2025-W38-2"),
            ("%Y.%m", "2025.09.tar", "2025-09-01T00:00:00Z", "2025.09"),
            ("%Y", "2025", "2025-01-01T00:00:00Z", "2025"),
            ("%Y%m%d_%H", "20250916_09", "2025-09-16T09:00:00Z", "20250916_09"),
            ("%d%b%Y", "16sep2025", "2025-09-16T00:00:00Z", "16sep2025"),
            ("%Y%m%d%H%M%S%3f", "20250916090003123", "2025-09-16T09:00:03.123Z", "20250916090003123"),
            ("%FT%T%z", "2025-09-16T09:00:03+0300", "2025-09-16T06:00:03Z", "2025-09-16T09:00:03+0300"),
            ("%I.%M%p %F", "09.30pm 2025-09-16", "2025-09-16T21:30:00Z", "09.30pm 2025-09-16"),
            ("%j-%Y", "259-2025", "2025-09-16T00:00:00Z", "259-2025"),
        ] {
            let found = Format::parse(format).unwrap().read(text.as_bytes(), Zone::Utc);
            assert_eq!(found, Some((Timestamp::parse(time).unwrap(), read.len())), "{format} on {text}");
        }
    }

    #[test]
    fn what_a_format_would_not_write_is_not_read() {
        for (format, text) in [
            ("%d-%m-%Y", "1-9-2025"),
            ("%d-%m-%Y", " 16-09-2025"),
            ("%d-%m-%Y", "32-01-2025"),
            ("%d-%m-%Y", "16-09-25"),
            ("%Y-%m-%d", "x2025-09-16"),
            ("%Y-%m-%d", "\u{e9}"),
            ("%Y-%m-%d", ""),
        ] {
            assert_eq!(
                Format::parse(format).unwrap().read(text.as_bytes(), Zone::Utc),
                None,
                "{format} on {text}"
            );
        }
        assert_eq!(Format::parse("%Y").unwrap().read(b"\xff2025", Zone::Utc), None);
        assert_eq!(
            Format::parse("%Y").unwrap().read(b"2025\xff", Zone::Utc).map(|(_, length)| length),
            Some(4)
        );
    }

    #[test]
    fn a_format_that_tells_no_day_is_refused() {
        for format in ["", "backup", "%m-%d", "%H%M", "%A", "%Q", "%Y%", "%Y-%m-%d %Z"] {
            assert!(Format::parse(format).is_err(), "{format}");
        }
    }
}
