//! `cat`: one file of an archive to stdout.

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::output::stdout_result;

use crate::Context;
use crate::archive::index::{Group, Record};
use crate::archive::open::Archive;
use crate::archive::reader::TarEntry;
use crate::cli::Cat;
use crate::contents;
use crate::entry::{Kind, without_dots};
use crate::past;

/// A hard link names a file; what takes more steps than this goes round in a circle.
const LINKS: usize = 8;

/// Runs `cat`.
pub(crate) fn run(args: &Cat, run: &Context<'_>) -> anyhow::Result<Exit> {
    let archive = run.open(&args.archive)?;
    let mut out = BufWriter::with_capacity(256 << 10, io::stdout().lock());
    copy(&archive, &args.path, run.threads(), &mut out)?;
    stdout_result(out.flush())?;
    Ok(Exit::Done)
}

/// Writes the content of a file, under whichever of its names.
pub(crate) fn copy(
    archive: &Archive,
    wanted: &Path,
    threads: usize,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let wanted = without_dots(wanted);
    let mut name = wanted.clone();
    for _ in 0..LINKS {
        let link = match archive.index() {
            Ok(_) => cat_indexed(archive, &name, out)?,
            Err(_) => cat_scanned(archive, &name, threads, out)?,
        };
        let Some(link) = link else { return Ok(()) };
        name = without_dots(&link);
    }
    bail!("could not show {}: its hard links lead to no file", wanted.display())
}

/// Writes the file, or says which other one is meant.
fn cat_indexed(archive: &Archive, wanted: &Path, out: &mut impl Write) -> anyhow::Result<Option<PathBuf>> {
    let (offset, group, record) = find(archive, wanted)?;
    match record.entry.kind {
        Kind::File => {
            let (found, mut reader) = contents::open_entry(archive.file(), offset, &group, &record)?;
            write_content(&found, &mut reader.data(), out).map(|()| None)
        }
        Kind::HardLink => Ok(Some(record.entry.link)),
        kind => bail!("could not show {}: it is a {}", wanted.display(), kind.word()),
    }
}

fn find(archive: &Archive, wanted: &Path) -> anyhow::Result<(u64, Group, Record)> {
    let index = archive.index().map_err(Clone::clone)?;
    let Some((offset, group)) = index.group_with(wanted)? else { return Err(not_found(wanted, archive)) };
    let record = group.records.iter().find(|record| record.entry.path == wanted).cloned();
    Ok((offset, group, record.context("the index names an entry that is not there")?))
}

fn not_found(wanted: &Path, archive: &Archive) -> anyhow::Error {
    let error = anyhow!("could not find {} in {}", wanted.display(), archive.file().path().display());
    Hinted::new(error, past::hint(&wanted.display())).into()
}

fn cat_scanned(
    archive: &Archive,
    wanted: &Path,
    threads: usize,
    out: &mut impl Write,
) -> anyhow::Result<Option<PathBuf>> {
    let path = archive.file().path();
    let mut reader = contents::scan(archive, threads)?;
    while let Some(found) =
        reader.next_entry().with_context(|| format!("could not read {}", path.display()))?
    {
        if without_dots(&found.entry.path) == wanted {
            return match found.entry.kind {
                Kind::File => write_content(&found, &mut reader.data(), out).map(|()| None),
                Kind::HardLink => Ok(Some(found.entry.link)),
                kind => bail!("could not show {}: it is a {}", wanted.display(), kind.word()),
            };
        }
    }
    Err(not_found(wanted, archive))
}

fn write_content(found: &TarEntry, stored: &mut impl Read, out: &mut impl Write) -> anyhow::Result<()> {
    let mut checked = Checked { stored, error: None };
    let written = contents::expand(found.sparse.as_ref(), found.entry.size, &mut checked, out);
    match checked.error {
        // What went wrong with the archive is not stdout's trouble.
        Some(error) => Err(error).with_context(|| format!("could not read {}", found.entry.path.display())),
        None => stdout_result(written),
    }
}

/// Remembers a read error, so that it can be told from a write error.
struct Checked<'a, R> {
    stored: &'a mut R,
    error: Option<io::Error>,
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stored.read(buf).map_err(|error| {
            self.error = Some(error);
            io::Error::other("unreadable")
        })
    }
}
