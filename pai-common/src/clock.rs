//! Instants and civil time. Only here is chrono named, whose maintainers point to a successor.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{
    DateTime, Datelike, FixedOffset, Local, MappedLocalTime, NaiveDate, SecondsFormat, TimeZone, Timelike,
    Utc, Weekday,
};

mod format;

pub use self::format::Format;

/// An instant: seconds since 1970-01-01T00:00:00Z (negative before) and nanoseconds after that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    secs: i64,
    nanos: u32,
}

/// Which wall clock shows an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zone {
    /// The machine's (or `TZ`'s) local time.
    #[default]
    Local,
    /// Coordinated universal time.
    Utc,
}

/// Date and time of day, as a calendar and a wall clock show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Year of the calendar.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// The year the ISO week belongs to; it differs from `year` around New Year.
    pub iso_year: i32,
    /// ISO 8601 week, 1 to 53.
    pub iso_week: u32,
}

impl Civil {
    /// `YYYY-MM-DD`.
    pub fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `HH:MM:SS`.
    pub fn time(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

impl Timestamp {
    /// From seconds since the epoch and nanoseconds (below 1,000,000,000) after that second.
    pub const fn new(secs: i64, nanos: u32) -> Self {
        Self { secs, nanos }
    }

    /// The machine's clock. Tools take a [`Clock`] instead, so that tests can set the time.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// Parses RFC 3339, `2025-09-16T09:00:03+03:00`; a space instead of the `T` is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        DateTime::parse_from_rfc3339(text.trim())
            .map(|time| Self::new(time.timestamp(), time.timestamp_subsec_nanos()))
            .map_err(|error| {
                format!("{text:?} is not an RFC 3339 instant such as 2025-09-16T09:00:03+03:00: {error}")
            })
    }

    /// The instant a wall clock in `zone` shows these figures; `None` for an impossible date or time.
    /// A time that occurs twice (the end of summer time) is its first occurrence; one that is skipped
    /// (the start) counts from the moment of the jump.
    pub fn from_civil(
        zone: Zone,
        (year, month, day): (i32, u32, u32),
        (hour, minute, second): (u32, u32, u32),
    ) -> Option<Self> {
        let naive = NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(hour, minute, second)?;
        let secs = match zone {
            Zone::Utc => naive.and_utc().timestamp(),
            Zone::Local => match Local.from_local_datetime(&naive) {
                MappedLocalTime::Single(time) => time.timestamp(),
                // chrono gives the two in the order of their offsets, not of their instants.
                MappedLocalTime::Ambiguous(one, other) => one.timestamp().min(other.timestamp()),
                MappedLocalTime::None => {
                    // Read with the offset in force before the jump, as mktime(3) does.
                    let before = naive - chrono::TimeDelta::hours(3);
                    let offset = Local.offset_from_local_datetime(&before).earliest()?;
                    naive.and_utc().timestamp() - i64::from(chrono::Offset::fix(&offset).local_minus_utc())
                }
            },
        };
        Some(Self::new(secs, 0))
    }

    /// Seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.secs
    }

    /// Nanoseconds after [`Timestamp::secs`].
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// The instant that is `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let secs = self.secs.saturating_sub(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX));
        match self.nanos.checked_sub(duration.subsec_nanos()) {
            Some(nanos) => Self { secs, nanos },
            None => Self {
                secs: secs.saturating_sub(1),
                nanos: self.nanos + 1_000_000_000 - duration.subsec_nanos(),
            },
        }
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        if self <= earlier {
            return Duration::ZERO;
        }
        let nanos = i128::from(self.nanos) - i128::from(earlier.nanos);
        let total = (i128::from(self.secs) - i128::from(earlier.secs)) * 1_000_000_000 + nanos;
        Duration::new((total / 1_000_000_000) as u64, (total % 1_000_000_000) as u32)
    }

    /// Date and time of day in `zone`.
    pub fn civil(self, zone: Zone) -> Civil {
        let time = self.in_zone(zone);
        Civil {
            year: time.year(),
            month: time.month(),
            day: time.day(),
            hour: time.hour(),
            minute: time.minute(),
            second: time.second(),
            iso_year: time.iso_week().year(),
            iso_week: time.iso_week().week(),
        }
    }

    /// RFC 3339 in whole seconds, `2025-09-16T09:00:03+03:00`; UTC shows as `+00:00`.
    pub fn rfc3339(self, zone: Zone) -> String {
        self.in_zone(zone).to_rfc3339_opts(SecondsFormat::Secs, false)
    }

    /// The same instant as the type of the standard library.
    pub fn to_system(self) -> SystemTime {
        let nanos = Duration::from_nanos(u64::from(self.nanos));
        match u64::try_from(self.secs) {
            Ok(secs) => UNIX_EPOCH + Duration::from_secs(secs) + nanos,
            Err(_) => UNIX_EPOCH - Duration::from_secs(self.secs.unsigned_abs()) + nanos,
        }
    }

    fn in_zone(self, zone: Zone) -> DateTime<FixedOffset> {
        // Only instants some 260,000 years away fall outside chrono's range.
        let utc = DateTime::<Utc>::from_timestamp(self.secs, self.nanos).unwrap_or_default();
        match zone {
            Zone::Utc => utc.fixed_offset(),
            Zone::Local => utc.with_timezone(&Local).fixed_offset(),
        }
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::new(after.as_secs() as i64, after.subsec_nanos()),
            Err(before) => Self::default().minus(before.duration()),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339(Zone::Local))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The date of an ISO 8601 week's Monday; `None` for a week that the year does not have.
pub fn monday_of(iso_year: i32, iso_week: u32) -> Option<(i32, u32, u32)> {
    let monday = NaiveDate::from_isoywd_opt(iso_year, iso_week, Weekday::Mon)?;
    Some((monday.year(), monday.month(), monday.day()))
}

/// Where a run gets its now from: the machine, or one fixed instant (`PAI_NOW`, `--now`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    fixed: Option<Timestamp>,
}

impl Clock {
    /// A clock that stands at `fixed`, or the machine's.
    pub const fn new(fixed: Option<Timestamp>) -> Self {
        Self { fixed }
    }

    /// Now.
    pub fn now(self) -> Timestamp {
        self.fixed.unwrap_or_else(Timestamp::now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_read_and_written() {
        let time = Timestamp::parse("2025-09-16T09:00:03+03:00").unwrap();
        assert_eq!(time, Timestamp::new(1_758_002_403, 0));
        assert_eq!(time.rfc3339(Zone::Utc), "2025-09-16T06:00:03+00:00");
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59.5Z").unwrap(), Timestamp::new(-1, 500_000_000));
        assert!(Timestamp::parse("2025-13-01T00:00:00Z").is_err());
        assert!(Timestamp::parse("yesterday").is_err());
    }

    #[test]
    fn iso_weeks_at_year_ends() {
        for (day, week) in
            [((2018, 12, 31), (2019, 1)), ((2021, 1, 2), (2020, 53)), ((2021, 1, 4), (2021, 1))]
        {
            let civil = Timestamp::from_civil(Zone::Utc, day, (12, 0, 0)).unwrap().civil(Zone::Utc);
            assert_eq!((civil.iso_year, civil.iso_week), week, "{day:?}");
        }
        assert_eq!(monday_of(2019, 1), Some((2018, 12, 31)));
        assert_eq!((monday_of(2020, 53), monday_of(2021, 53)), (Some((2020, 12, 28)), None));
    }

    #[test]
    fn impossible_dates_are_none() {
        assert_eq!(Timestamp::from_civil(Zone::Utc, (2025, 2, 30), (0, 0, 0)), None);
        assert_eq!(Timestamp::from_civil(Zone::Utc, (2025, 2, 3), (24, 0, 0)), None);
    }

    #[test]
    fn arithmetic_carries_nanoseconds_on_both_sides_of_the_epoch() {
        let time = Timestamp::new(0, 250_000_000);
        assert_eq!(time.minus(Duration::from_millis(500)), Timestamp::new(-1, 750_000_000));
        assert_eq!(time.since(Timestamp::new(-1, 750_000_000)), Duration::from_millis(500));
        assert_eq!(Timestamp::new(-5, 0).since(time), Duration::ZERO);
        for time in [Timestamp::new(-1, 750_000_000), Timestamp::new(7, 1), Timestamp::new(-3, 0)] {
            assert_eq!(Timestamp::from(time.to_system()), time);
        }
    }
}
