//! `create --format zip`: for readers that know nothing else, such as replay capsules.
//!
//! Paths are kept relative to the root, so two files of one name in two folders stay two. What a zip cannot
//! hold (FIFOs, devices, names that are not UTF-8) is complained of.

mod settled;

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

use anyhow::Context;
use pai_common::clock::{Timestamp, Zone};
use pai_common::console::Console;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::archive::index::Totals;
use crate::entry::{Entry, Identity, Kind};
use crate::source::Source;
use crate::zip::settled::Settled;

/// Sizes from here on need Zip64 records.
const ZIP64: u64 = 0xffff_ffff;

/// Writes entries into a zip.
#[derive(Debug)]
pub(crate) struct ZipArchive<'a, W: Write + Seek> {
    zip: ZipWriter<Settled<W>>,
    root: &'a Path,
    level: u8,
    console: &'a Console,
    totals: Totals,
}

impl<'a, W: Write + Seek> ZipArchive<'a, W> {
    /// Starts a zip of entries below `root`.
    pub(crate) fn new(out: W, root: &'a Path, level: u8, console: &'a Console) -> Self {
        Self { zip: ZipWriter::new(Settled::new(out)), root, level, console, totals: Totals::default() }
    }

    /// Adds one entry. An entry that cannot be read or held is complained of; an error is the zip's own.
    pub(crate) fn add(&mut self, source: &Source) -> anyhow::Result<()> {
        let entry = &source.entry;
        let Some(name) = entry.path.to_str() else {
            self.console
                .complain(format_args!("could not archive {}: its name is not UTF-8", entry.path.display()));
            return Ok(());
        };
        let written = match entry.kind {
            Kind::Folder => self.zip.add_directory(name, self.options(entry, false)),
            Kind::Symlink => {
                let Some(target) = entry.link.to_str() else {
                    self.cannot(entry, "its target is not UTF-8");
                    return Ok(());
                };
                self.zip.add_symlink(name, target, self.options(entry, false))
            }
            Kind::File | Kind::HardLink => return self.file(source, name),
            kind => {
                self.cannot(entry, &format!("a zip holds no {}", kind.word()));
                return Ok(());
            }
        };
        self.totals.count(entry);
        written.map_err(cause).with_context(|| format!("could not archive {}", entry.path.display()))
    }

    /// Ends the zip.
    pub(crate) fn finish(self) -> anyhow::Result<(W, Totals)> {
        let out = self.zip.finish().map_err(cause).context("could not write the zip")?;
        Ok((out.into_inner(), self.totals))
    }

    fn cannot(&self, entry: &Entry, why: &str) {
        self.console.complain(format_args!("could not archive {}: {why}", entry.path.display()));
    }

    fn file(&mut self, source: &Source, name: &str) -> anyhow::Result<()> {
        let path = &source.entry.path;
        let full = self.root.join(path);
        let opened = File::open(&full).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        let (mut file, before) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.cannot(&source.entry, &error.to_string());
                return Ok(());
            }
        };
        let entry = Entry::of(path.clone(), Kind::File, &before);
        let mut write = |zip: &mut ZipWriter<Settled<W>>, options| -> Result<u64, ZipError> {
            zip.start_file(name, options)?;
            Ok(io::copy(&mut file, zip)?)
        };
        // A file may grow past the limit while it is read, so the choice leaves room.
        let options = self.options(&entry, entry.size > ZIP64 / 2);
        let copied = write(&mut self.zip, options)
            .map_err(cause)
            .with_context(|| format!("could not archive {}", path.display()))?;
        let after = file.metadata().ok();
        if copied != entry.size || after.is_none_or(|after| Identity::of(&after) != Identity::of(&before)) {
            self.console.complain(format_args!("{} changed while it was read", path.display()));
        }
        self.totals.count(&entry);
        Ok(())
    }

    fn options(&self, entry: &Entry, large: bool) -> SimpleFileOptions {
        SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(i64::from(self.level)))
            .last_modified_time(dos_time(entry.mtime))
            .unix_permissions(entry.mode)
            .large_file(large)
    }
}

/// What the system said: `ZipError` says it once itself and once as its source.
fn cause(error: ZipError) -> anyhow::Error {
    match error {
        ZipError::Io(error) => error.into(),
        other => other.into(),
    }
}

/// Zips tell local time, from 1980 on, in steps of two seconds.
fn dos_time(time: Timestamp) -> DateTime {
    let civil = time.civil(Zone::Local);
    let small = |number: u32| u8::try_from(number).unwrap_or(0);
    u16::try_from(civil.year)
        .ok()
        .and_then(|year| {
            let (month, day, hour) = (small(civil.month), small(civil.day), small(civil.hour));
            DateTime::from_date_and_time(year, month, day, hour, small(civil.minute), small(civil.second))
                .ok()
        })
        .unwrap_or_default()
}
