//! What a run says of sections that it leaves alone.

use crate::date::Date;
use crate::journal::Journal;
use crate::memory::{Document, Kind};

/// One line for everything that stays though somebody might expect otherwise.
pub(super) fn tell(document: &Document<'_>, today: Date, journal: &mut Journal<'_>) -> anyhow::Result<()> {
    let mut future = Vec::new();
    for section in &document.sections {
        let heading = || document.heading(section);
        let line = || document.line_number(section.range.start);
        match section.kind {
            Kind::Undated => {
                journal
                    .remark(format_args!("Skipping section with unrecognized date heading: {}", heading()))?;
            }
            Kind::Impossible => journal.warn(format_args!(
                "Skipping section with unrecognized date heading: {} (line {}: there is no such day)",
                heading(),
                line()
            ))?,
            Kind::Titled(_) => journal.warn(format_args!(
                "Skipping section with a title behind its date: {} (line {}; --titles archives these too)",
                heading(),
                line()
            ))?,
            Kind::Dated(date) if date > today => future.push(date.to_string()),
            _ => {}
        }
        if section.in_doubt {
            journal.warn(format_args!(
                "Leaving everything from line {} on as it is: a code fence or comment there is never closed",
                line()
            ))?;
        }
    }
    if future.is_empty() {
        return Ok(());
    }
    journal.warn(format_args!("Keeping sections dated in the future: {}", future.join(", ")))
}
