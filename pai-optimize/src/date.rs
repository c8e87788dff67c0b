//! Calendar days, as memory files and their archive name them.

use std::fmt;

use pai_common::clock::{Clock, Timestamp, Zone};

/// A day of the calendar: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

const DAY: i64 = 86_400;

impl Date {
    /// A day that exists.
    pub fn new(year: i32, month: u32, day: u32) -> Option<Self> {
        let midnight = Timestamp::from_civil(Zone::Utc, (year, month, day), (0, 0, 0))?;
        Some(Self(midnight.secs().div_euclid(DAY)))
    }

    /// `YYYY-MM-DD`, if that day exists.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (year, month, day) = figures(text)?;
        Self::new(year, month, day)
    }

    /// The local day of `clock`.
    pub fn today(clock: Clock) -> Self {
        let now = clock.now().civil(Zone::Local);
        Self::new(now.year, now.month, now.day).unwrap_or(Self(0))
    }

    /// The day `days` before this one.
    #[must_use]
    pub fn minus(self, days: u32) -> Self {
        Self(self.0 - i64::from(days))
    }

    /// Year, month (1 to 12), day (1 to 31).
    pub fn civil(self) -> (i32, u32, u32) {
        let civil = Timestamp::new(self.0 * DAY, 0).civil(Zone::Utc);
        (civil.year, civil.month, civil.day)
    }
}

/// Year, month and day of `YYYY-MM-DD`, whether or not that day exists (2025-02-30).
pub fn figures(text: &[u8]) -> Option<(i32, u32, u32)> {
    let number = |digits: &[u8]| {
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    };
    match text {
        [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 => {
            Some((number(y)? as i32, number(&[*m1, *m2])?, number(&[*d1, *d2])?))
        }
        _ => None,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl serde::Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(text.as_bytes()).ok_or_else(|| serde::de::Error::custom("not a day such as 2025-09-01"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_that_exist_are_dates() {
        for text in ["2025-09-01", "2024-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(Date::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        for text in ["2025-02-29", "2025-13-01", "2025-9-1", "2025-09-01 ", "20250901", "25-09-01", ""] {
            assert_eq!(Date::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(figures(b"2025-02-30"), Some((2025, 2, 30)));
    }

    #[test]
    fn days_are_counted_across_months_and_years() {
        let date = Date::parse(b"2024-03-01").unwrap();
        assert_eq!(date.minus(1).to_string(), "2024-02-29");
        assert_eq!(date.minus(366).to_string(), "2023-03-01");
    }
}
