//! A listing on stdin: one name a line, or NUL after each.

use std::ffi::OsStr;
use std::io::Read;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;
use pai_common::clock::{Timestamp, Zone};
use pai_common::console::Console;
use pai_common::stamp;

use crate::cli::By;
use crate::plan::Entry;

/// All of stdin.
pub fn read() -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text).context("could not read stdin")?;
    text.shrink_to_fit();
    Ok(text)
}

/// The names in `text`. Their times are those of their stamps, or with [`By::Mtime`] those of the files they name.
pub fn entries<'a>(text: &'a [u8], null: bool, by: By, zone: Zone, console: &Console) -> Vec<Entry<'a>> {
    let end = if null { b'\0' } else { b'\n' };
    let names = || text.split(|&b| b == end).filter(|name| !name.is_empty());
    // Counted first: a vector that grows would hold up to three times the memory.
    let mut entries = Vec::with_capacity(names().count());
    entries.extend(names().map(|name| {
        let (stamp, time) = stamped(name, zone);
        let time = if by == By::Mtime { mtime(name, console) } else { time };
        Entry { folder: 0, name, stamp, time, good: true }
    }));
    entries
}

/// The stamp in a name: where, and when. A name too long to be one has none.
pub fn stamped(name: &[u8], zone: Zone) -> (Option<Range<u32>>, Option<Timestamp>) {
    let found = stamp::find(name, zone).and_then(|stamp| {
        let range = u32::try_from(stamp.range.start).ok()?..u32::try_from(stamp.range.end).ok()?;
        Some((range, stamp.time))
    });
    found.unzip()
}

fn mtime(name: &[u8], console: &Console) -> Option<Timestamp> {
    let path = Path::new(OsStr::from_bytes(name));
    match path.symlink_metadata().and_then(|metadata| metadata.modified()) {
        Ok(time) => Some(time.into()),
        Err(error) => {
            console.complain(format_args!("could not look up {}: {error}", path.display()));
            None
        }
    }
}
