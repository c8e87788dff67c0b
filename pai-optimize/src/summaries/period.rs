//! How much time a summary line stands for: a day, a month or a year.

use std::cmp::Reverse;
use std::fmt;

use crate::date::Date;

/// The time that one summary line stands for. Newer ones sort first; a day before its month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    start: Reverse<Date>,
    span: Span,
}

/// The length of a [`Period`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// One day.
    Day,
    /// A calendar month, or as much of it as is old enough.
    Month,
    /// A calendar year, or as much of it as is old enough.
    Year,
}

impl Period {
    /// Returns the period of one day.
    pub fn day(date: Date) -> Self {
        Self { start: Reverse(date), span: Span::Day }
    }

    /// Returns the period that the line of `date` belongs to: a day of its own, a month once it is `roll_up` days old,
    /// a year once the month is more than a year back.
    pub fn of(date: Date, today: Date, roll_up: u32) -> Self {
        if date > today.minus(roll_up) {
            return Self::day(date);
        }
        let (year, month, _) = date.civil();
        let (this_year, this_month, _) = today.civil();
        let months = |year: i32, month: u32| i64::from(year) * 12 + i64::from(month);
        let (first_month, span) = if months(year, month) >= months(this_year, this_month) - 12 {
            (month, Span::Month)
        } else {
            (1, Span::Year)
        };
        Self { start: Reverse(Date::new(year, first_month, 1).unwrap_or(date)), span }
    }

    /// Reads `YYYY-MM-DD`, `YYYY-MM` or `YYYY`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let whole = |rest: &[u8]| Date::parse(&[text, rest].concat());
        let (date, span) = match text.len() {
            10 => (Date::parse(text)?, Span::Day),
            7 => (whole(b"-01")?, Span::Month),
            4 => (whole(b"-01-01")?, Span::Year),
            _ => return None,
        };
        Some(Self { start: Reverse(date), span })
    }

    /// Returns its first day.
    pub(super) fn start(self) -> Date {
        self.start.0
    }

    /// Returns its length.
    pub fn span(self) -> Span {
        self.span
    }

    /// Returns the day, if it is a single one.
    pub fn only_day(self) -> Option<Date> {
        (self.span == Span::Day).then_some(self.start.0)
    }

    /// Says whether `date` lies in it.
    pub fn covers(self, date: Date) -> bool {
        let (year, month, _) = date.civil();
        let (my_year, my_month, _) = self.start.0.civil();
        match self.span {
            Span::Day => date == self.start.0,
            Span::Month => (year, month) == (my_year, my_month),
            Span::Year => year == my_year,
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.start.0.to_string();
        f.write_str(match self.span {
            Span::Day => &whole,
            Span::Month => &whole[..7],
            Span::Year => &whole[..4],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        Date::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn old_days_share_a_month_and_old_months_a_year() {
        let today = date("2025-09-16");
        for (day, period) in [
            ("2025-09-01", "2025-09-01"),
            ("2025-07-19", "2025-07-19"),
            ("2025-07-18", "2025-07"),
            ("2024-09-01", "2024-09"),
            ("2024-08-31", "2024"),
            ("1999-12-31", "1999"),
        ] {
            let found = Period::of(date(day), today, 60);
            assert_eq!(found.to_string(), period, "{day}");
            assert_eq!(Period::parse(period.as_bytes()), Some(found));
            assert!(found.covers(date(day)));
        }
    }

    #[test]
    fn newer_periods_stand_first() {
        let mut periods: Vec<Period> = ["2024", "2025-08", "2025-09-02", "2025-09", "2025-09-01"]
            .iter()
            .map(|text| Period::parse(text.as_bytes()).unwrap())
            .collect();
        periods.sort();
        let shown: Vec<String> = periods.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["2025-09-02", "2025-09-01", "2025-09", "2025-08", "2024"]);
    }
}
