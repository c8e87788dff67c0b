//! How names are read: where their time comes from, which stamps count, what makes a series.

use std::ops::Range;

use pai_common::clock::{Timestamp, Zone};
use pai_common::stamp::Forms;

use crate::cli::{By, Names};
use crate::plan::Entry;
use crate::series::Grouping;

/// Settings for reading names: times, stamps, series.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Where an item's time comes from.
    pub by: By,
    /// The clock that stamps show.
    pub zone: Zone,
    /// Which stamps count.
    pub stamps: Forms,
    /// How names are grouped into series.
    pub series: Grouping,
}

impl Reading {
    /// The settings that the command line asks for.
    pub(crate) fn of(names: &Names, zone: Zone) -> Self {
        let series = match &names.series {
            Some(pattern) => Grouping::Pattern(pattern.clone()),
            None if names.one_series => Grouping::One,
            None => Grouping::Name,
        };
        let stamps = names.stamp.clone().map_or(Forms::Automatic, Forms::Of);
        Self { by: names.by, zone, stamps, series }
    }

    /// The stamp in a name: where, and when. A name too long to be one has none.
    pub fn stamped(&self, name: &[u8]) -> (Option<Range<u32>>, Option<Timestamp>) {
        let found = self.stamps.find(name, self.zone).and_then(|stamp| {
            let range = u32::try_from(stamp.range.start).ok()?..u32::try_from(stamp.range.end).ok()?;
            Some((range, stamp.time))
        });
        found.unzip()
    }

    /// The name as what a policy decides on. `mtime` is asked for when the time does not come from the name.
    pub fn entry<'a>(&self, name: &'a [u8], mtime: impl FnOnce() -> Option<Timestamp>) -> Entry<'a> {
        let (stamp, time) = self.stamped(name);
        let time = match self.by {
            By::Name => time,
            By::Mtime => mtime(),
            By::Auto => time.or_else(mtime),
        };
        let series = self.series.series_of(name, stamp.as_ref());
        Entry { folder: 0, name, series, time, good: true }
    }
}
