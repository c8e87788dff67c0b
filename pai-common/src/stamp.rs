//! Timestamps inside file names: write one, find one.

use std::ops::Range;

use crate::clock::{Format, Timestamp, Zone};

mod automatic;
#[cfg(test)]
mod tests;

/// A stamp found in a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Where in the name it stands; names that agree outside it form a series.
    pub range: Range<usize>,
    /// The instant it names.
    pub time: Timestamp,
}

/// Which stamps are looked for.
#[derive(Debug, Clone, Default)]
pub enum Forms {
    /// The stamps that [`find`] knows.
    #[default]
    Automatic,
    /// Only stamps of this format.
    Of(Format),
}

impl Forms {
    /// The stamp in `name`, as [`find`] looks for it: in the last component that has one. Of several stamps of a
    /// given format the latest counts.
    pub fn find(&self, name: &[u8], zone: Zone) -> Option<Stamp> {
        match self {
            Self::Automatic => find(name, zone),
            Self::Of(format) => in_last_component(name, |component| latest(component, format, zone)),
        }
    }
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
/// | date | then a time of day |
/// | --- | --- |
/// | `YYYYMMDD`, `YYYY-MM-DD`, `YYYY_MM_DD` | after `T`, `_`, `-` (after dashes also a space): `HHMMSS`, `HHMM`, `HH:MM:SS`, `HH-MM-SS`, `HH_MM_SS`, `HH.MM.SS`, `HH:MM`, `HH-MM`, `06h25m` |
/// | `YYYYMMDDHHMMSS`, `YYYYMMDDHHMM` | |
/// | `YYYY-Www`, an ISO week | |
///
/// A time of day may end in `Z`, after `T` also in an offset (`+02:00`, `-0400`); before either, in a fraction.
///
/// Only what can hardly be anything else is a stamp: with some forms, versions, counters and ranges would be read as
/// times, and files that have nothing to do with each other as one series. So `20.04` is never a time of day, nor
/// `01-02` after a further dash (part 1 of 2); bare figures have a year from 1970 to 2099 (of twelve from 2013,
/// since the year 2020 in two figures begins like 2001 to 2012); seconds of the epoch, dates that begin with their day and
/// years of two figures are for a [`Format`].
///
/// Figures that are no date (`20251399`) are no stamp. `zone` is the clock the figures were read from; a form
/// that ends in `Z` or an offset tells its own. A bare date is its midnight, a week its Monday's. Where summer time's
/// end makes a time occur twice it is the first; a time that its start skips counts from the jump.
///
/// `name` may be a path: its last component with a stamp counts. Of several stamps there, one with a time of
/// day wins over a bare date, and of those the latest: a policy that errs then keeps too much, not too little.
pub fn find(name: &[u8], zone: Zone) -> Option<Stamp> {
    in_last_component(name, |component| automatic::find(component, zone))
}

fn in_last_component(name: &[u8], find: impl Fn(&[u8]) -> Option<Stamp>) -> Option<Stamp> {
    let mut end = name.len();
    loop {
        let start = name[..end].iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        if let Some(stamp) = find(&name[start..end]) {
            return Some(Stamp { range: start + stamp.range.start..start + stamp.range.end, ..stamp });
        }
        end = start.checked_sub(1)?;
    }
}

/// The latest stamp of `format`; figures that go on before or behind it are another number.
fn latest(name: &[u8], format: &Format, zone: Zone) -> Option<Stamp> {
    let is_figure = |at: usize| name.get(at).is_some_and(u8::is_ascii_digit);
    let cuts_number = |border: usize| border > 0 && is_figure(border - 1) && is_figure(border);
    let starts = (0..name.len()).filter(|&start| !cuts_number(start));
    let stamps = starts.filter_map(|start| {
        let (time, length) = format.read(&name[start..], zone)?;
        (!cuts_number(start + length)).then_some(Stamp { range: start..start + length, time })
    });
    // Of equal times the first: where a format may leave figures out, that is the longest.
    stamps.reduce(|best, stamp| if stamp.time > best.time { stamp } else { best })
}
