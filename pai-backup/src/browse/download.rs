//! A file as it was, or a folder as tar.gz.

use std::ffi::OsStr;
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;
use pai_common::clock::Zone;

use super::Site;
use super::link::encoded;
use super::server::Answer;
use crate::archive::header;
use crate::archive::open::Archive;
use crate::cat;
use crate::contents;
use crate::entry::{Entry, Kind, without_dots};

/// What an archive has at a path, to save.
pub(super) fn get(site: &Site<'_>, night: &str, path: &Path) -> anyhow::Result<Option<Answer>> {
    let catalogue = site.catalogue();
    let Some(number) = catalogue.night_of(night) else { return Ok(None) };
    let is_file = catalogue.file_at(number, path).is_some();
    let is_folder = path.as_os_str().is_empty()
        || catalogue.thing_at(number, path).is_some_and(|thing| thing.kind == Kind::Folder);
    if !is_file && !is_folder {
        return Ok(None);
    }
    let archive = site.place.open(night)?;
    let name = path.file_name().unwrap_or(OsStr::new("workspace")).as_bytes();
    let path = path.to_owned();
    let threads = site.run.threads();
    if is_file {
        let body = piped(move |mut out| cat::copy(&archive, &path, threads, &mut out))?;
        return Ok(Some(Answer::download(encoded_name(name), Box::new(body))));
    }
    let date = catalogue.nights()[number].named.time.civil(Zone::Local).date();
    let name = [name, format!("-{date}.tar.gz").as_bytes()].concat();
    let body = piped(move |out| pack(&archive, &path, out))?;
    Ok(Some(Answer::download(encoded_name(&name), Box::new(body))))
}

fn encoded_name(name: &[u8]) -> String {
    encoded(name).replace('/', "%2F")
}

/// What is written on a thread of its own, to be read here. What goes wrong there ends the reading with an error, so that
/// nobody takes half a file for a whole one.
fn piped(write: impl FnOnce(io::PipeWriter) -> anyhow::Result<()> + Send + 'static) -> io::Result<Piped> {
    let (reader, writer) = io::pipe()?;
    Ok(Piped { reader, thread: Some(std::thread::spawn(move || write(writer))) })
}

struct Piped {
    reader: PipeReader,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Read for Piped {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buf)?;
        if count == 0
            && !buf.is_empty()
            && let Some(thread) = self.thread.take()
        {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(io::Error::other(format!("{error:#}"))),
                Err(_) => return Err(io::Error::other("the download failed")),
            }
        }
        Ok(count)
    }
}

/// A folder of an archive with an index, as a tar.gz of its own.
fn pack(archive: &Archive, folder: &Path, out: impl Write) -> anyhow::Result<()> {
    let index = archive.index().map_err(Clone::clone)?;
    let mut gzip = GzEncoder::new(out, Compression::new(6));
    let mut sizes: std::collections::HashMap<PathBuf, Entry> = std::collections::HashMap::new();
    for group in index.groups() {
        let (offset, group) = group?;
        for record in &group.records {
            let path = without_dots(&record.entry.path);
            if record.entry.kind == Kind::File {
                // Only what a hard link from inside may name is needed later.
                sizes.insert(path.clone(), record.entry.clone());
            }
            if !path.starts_with(folder) {
                continue;
            }
            let outside = !without_dots(&record.entry.link).starts_with(folder);
            if record.entry.kind == Kind::HardLink && outside {
                let Some(target) = sizes.get(&without_dots(&record.entry.link)) else { continue };
                let entry = Entry { path: record.entry.path.clone(), ..target.clone() };
                gzip.write_all(&header::encode(&entry, &[], None))?;
                cat::copy(archive, &entry.path, 1, &mut gzip)?;
                gzip.write_all(&vec![0; header::padding(entry.size)])?;
                continue;
            }
            let (found, mut reader) = contents::open_entry(archive.file(), offset, &group, record)?;
            gzip.write_all(&header::encode(&found.entry, &found.xattrs, found.sparse.as_ref()))?;
            let stored = io::copy(&mut reader.data(), &mut gzip)?;
            gzip.write_all(&vec![0; header::padding(stored)])?;
        }
    }
    gzip.write_all(&[0; 2 * header::BLOCK])?;
    gzip.finish()?.flush()?;
    Ok(())
}
