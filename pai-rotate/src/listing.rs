//! A listing on stdin: one name a line, or NUL after each.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;
use pai_common::clock::Timestamp;
use pai_common::console::Console;

use crate::cli::By;
use crate::plan::Entry;
use crate::reading::Reading;

/// All of stdin.
pub fn read() -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text).context("could not read stdin")?;
    text.shrink_to_fit();
    Ok(text)
}

/// The names in `text`. Their times are those of their stamps, or with [`By::Mtime`] those of the files they name.
pub fn entries<'a>(text: &'a [u8], null: bool, reading: &Reading, console: &Console) -> Vec<Entry<'a>> {
    let end = if null { b'\0' } else { b'\n' };
    let names = || text.split(|&b| b == end).filter(|name| !name.is_empty());
    // Counted first: a vector that grows would hold up to three times the memory.
    let mut entries = Vec::with_capacity(names().count());
    let of_file = |name| if reading.by == By::Mtime { mtime(name, console) } else { None };
    entries.extend(names().map(|name| reading.entry(name, || of_file(name))));
    entries
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
