//! The forms of stamps that are read unasked: what can hardly be anything else.

use super::Stamp;
use crate::clock::{Timestamp, Zone, monday_of};

type Date = (i32, u32, u32);
type Time = (u32, u32, u32);

/// A date at the start of some bytes.
struct Dated {
    date: Date,
    length: usize,
    shape: Shape,
}

/// How a date is written, which tells what may follow it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `20250916`
    Figures,
    /// `20250916` and a time in the same run of figures
    Run,
    /// `2025-09-16`
    Dashed,
    /// `2025_09_16`
    Underscored,
    /// `2025-W38`
    Week,
}

/// The stamp in one component of a path.
pub(super) fn find(name: &[u8], zone: Zone) -> Option<Stamp> {
    let mut best: Option<(bool, Stamp)> = None;
    let mut at = 0;
    while at < name.len() {
        let run = digits(&name[at..]);
        let Some((exact, stamp)) = stamp_at(name, at, run, zone) else {
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
fn stamp_at(name: &[u8], at: usize, run: usize, zone: Zone) -> Option<(bool, Stamp)> {
    let rest = &name[at..];
    let Dated { date, length, shape } = date_at(rest, run)?;
    if let Some((time, more)) = time_after(&rest[length..], shape) {
        let takes_offset = rest[length] == b'T';
        let length = length + more;
        let (offset, more) = offset_after(&rest[length..], takes_offset).unwrap_or_default();
        let civil = Timestamp::from_civil(if offset.is_some() { Zone::Utc } else { zone }, date, time);
        if let Some(time) = civil {
            let time = Timestamp::new(time.secs() - offset.unwrap_or(0), time.nanos());
            return Some((true, Stamp { range: at..at + length + more, time }));
        }
    }
    if shape == Shape::Run || (shape == Shape::Figures && date.0 > 2099) {
        return None;
    }
    let time = Timestamp::from_civil(zone, date, (0, 0, 0))?;
    Some((false, Stamp { range: at..at + length, time }))
}

fn date_at(rest: &[u8], run: usize) -> Option<Dated> {
    let figures = |shape| Some(Dated { date: date_of(&rest[..8])?, length: 8, shape });
    match run {
        8 => figures(Shape::Figures),
        14 => figures(Shape::Run),
        // YYMMDDHHMMSS of 2020 begins like the years 2001 to 2012, and of later years like none of ours.
        12 => figures(Shape::Run).filter(|dated| (2013..=2099).contains(&dated.date.0)),
        4 => week(rest).or_else(|| separated(rest, b'-', Shape::Dashed)).or_else(|| {
            separated(rest, b'_', Shape::Underscored).filter(|dated| is_year_of_ours(dated.date.0))
        }),
        _ => None,
    }
}

/// `YYYY-MM-DD` or the like.
fn separated(rest: &[u8], separator: u8, shape: Shape) -> Option<Dated> {
    let text = rest.get(..10)?;
    let is_one = text[4] == separator && text[7] == separator && digits(&rest[8..]) == 2;
    is_one.then_some(())?;
    let date = (number(&text[..4])? as i32, number(&text[5..7])?, number(&text[8..10])?);
    Some(Dated { date, length: 10, shape })
}

/// `YYYY-Www`: its Monday.
fn week(rest: &[u8]) -> Option<Dated> {
    let is_one = rest.get(4..6)? == b"-W" && digits(&rest[6..]) == 2;
    is_one.then_some(())?;
    let year = number(&rest[..4])? as i32;
    let date = monday_of(year, number(&rest[6..8])?).filter(|_| is_year_of_ours(year))?;
    Some(Dated { date, length: 8, shape: Shape::Week })
}

fn date_of(digits: &[u8]) -> Option<Date> {
    let year = number(&digits[..4])?;
    // Four digits that cannot be a year of ours: 1807 in snapshot-180731150101, 0000 in a counter.
    (1970..=9999).contains(&year).then_some(())?;
    Some((year as i32, number(&digits[4..6])?, number(&digits[6..8])?))
}

fn is_year_of_ours(year: i32) -> bool {
    (1970..=2099).contains(&year)
}

/// The time of day that follows a date, and its length with what joins it.
fn time_after(rest: &[u8], shape: Shape) -> Option<(Time, usize)> {
    let joint = match rest.first()? {
        _ if shape == Shape::Run => return figures_of_time(rest).map(|time| (time, digits(rest))),
        _ if shape == Shape::Week => return None,
        b' ' if shape != Shape::Dashed => return None,
        joint @ (b'-' | b'_' | b'T' | b' ') => *joint,
        _ => return None,
    };
    let rest = &rest[1..];
    let (time, length) = match digits(rest) {
        count @ (4 | 6) if !is_date(rest) => (figures_of_time(rest)?, count),
        2 => separated_time(rest, joint)?,
        _ => return None,
    };
    Some((time, 1 + length))
}

/// Whether a second date begins here, as in `2025-01-01-2025-01-31`, or at least its month.
fn is_date(rest: &[u8]) -> bool {
    let is_year = digits(rest) == 4 && number(&rest[..4]).is_some_and(|year| (1970..=2099).contains(&year));
    let goes_on = is_year && matches!(rest.get(4), Some(b'-' | b'_'));
    let is_month = |rest: &[u8]| digits(rest) == 2 && number(&rest[..2]).is_some_and(|month| month <= 12);
    goes_on && (is_month(&rest[5..]) || rest.get(5) == Some(&b'W'))
}

/// `HHMMSS` or `HHMM`.
fn figures_of_time(rest: &[u8]) -> Option<Time> {
    let figures = &rest[..digits(rest)];
    let second = if figures.len() == 4 { 0 } else { number(figures.get(4..6)?)? };
    valid((number(&figures[..2])?, number(&figures[2..4])?, second))
}

/// `HH:MM:SS`, `HH-MM` and the like after a date and `joint`, and the length.
fn separated_time(rest: &[u8], joint: u8) -> Option<(Time, usize)> {
    let separator = *rest.get(2)?;
    matches!(separator, b':' | b'-' | b'_' | b'.' | b'h').then_some(())?;
    let two_at =
        |at: usize| rest.get(at..).filter(|rest| digits(rest) == 2).and_then(|rest| number(&rest[..2]));
    let (hour, minute) = (two_at(0)?, two_at(3)?);
    if separator == b'h' {
        let unit = |at: usize, unit: u8| usize::from(rest.get(at) == Some(&unit));
        let m = unit(5, b'm');
        let Some(second) = two_at(5 + m).filter(|_| m == 1) else {
            return Some((valid((hour, minute, 0))?, 5 + m));
        };
        return Some((valid((hour, minute, second))?, 8 + unit(8, b's')));
    }
    let second = two_at(6).filter(|_| rest[5] == separator);
    if let Some(time) = second.and_then(|second| valid((hour, minute, second))) {
        return Some((time, 8));
    }
    // 20.04 is a version, 01-02 after a dash the first part of two, and 09_00 may go on as _16.04.
    let is_mistakable = matches!(separator, b'.' | b'_') || separator == joint;
    Some((valid((hour, minute, 0)).filter(|_| !is_mistakable)?, 5))
}

fn valid(time: Time) -> Option<Time> {
    (time.0 < 24 && time.1 < 60 && time.2 < 60).then_some(time)
}

/// What follows a time of day and says which clock showed it: seconds east of UTC, and the length.
fn offset_after(rest: &[u8], takes_offset: bool) -> Option<(Option<i64>, usize)> {
    let fraction = match rest.first()? {
        b'.' | b',' if (1..=9).contains(&digits(&rest[1..])) => 1 + digits(&rest[1..]),
        _ => 0,
    };
    let rest = &rest[fraction..];
    let sign = match rest.first()? {
        b'Z' => return Some((Some(0), fraction + 1)),
        b'+' if takes_offset => 1,
        b'-' if takes_offset => -1,
        _ => return None,
    };
    let colon = usize::from(rest.get(3) == Some(&b':'));
    let minutes = rest.get(3 + colon..).filter(|rest| digits(rest) == 2)?;
    let is_whole = digits(&rest[1..]) == if colon == 1 { 2 } else { 4 };
    is_whole.then_some(())?;
    let (hours, minutes) = (number(&rest[1..3])?, number(&minutes[..2])?);
    // Offsets are quarters of an hour, at most 14 hours; other figures count something else.
    let is_offset = hours <= 14 && minutes < 60 && minutes % 15 == 0;
    is_offset.then(|| (Some(sign * i64::from(hours * 3600 + minutes * 60)), fraction + 5 + colon))
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
}
