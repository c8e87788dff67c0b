//! Reading a source that may change under our hands.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use pai_common::console::Console;

use crate::archive::header::{self, SparseMap, Xattr};
use crate::archive::index::Record;
use crate::chunk::LARGE;
use crate::entry::{Entry, Identity, Kind};
use crate::source::{self, Source};

/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;

/// A small entry in a payload.
#[derive(Debug)]
pub(super) struct Packed {
    /// Offset of its first header block in the payload.
    pub(super) offset: usize,
    /// Range of its stored bytes in the payload.
    pub(super) data: std::ops::Range<usize>,
    /// The entry, with the metadata it had when it was read.
    pub(super) source: Source,
}

/// Opens a file to archive and takes its metadata as it is now. What it was when the walk saw it is past.
pub(super) fn open(root: &Path, source: &mut Source) -> io::Result<File> {
    let file = source::open_plain(&root.join(&source.entry.path))?;
    let metadata = file.metadata()?;
    if Kind::of(&metadata) != Some(Kind::File) {
        return Err(io::Error::other("it is no longer a regular file"));
    }
    let fresh = Entry::of(source.entry.path.clone(), Kind::File, &metadata);
    let identity = Identity::of(&metadata);
    let walked_size = source.entry.size;
    let mut keeps_size = walked_size < LARGE && fresh.size >= LARGE;
    if source.sparse.is_some() {
        keeps_size = identity == source.identity;
        if !keeps_size {
            // Data may have come to where holes were.
            let map = source::sparse_map(&file, fresh.size);
            let stored = map.as_ref().map_or(fresh.size, SparseMap::data_size);
            if stored >= LARGE && source.stored() < LARGE {
                // More than a chunk of small files can take: it stays what the walk saw, and is told to have changed.
                return Ok(file);
            }
            source.sparse = map;
        }
    }
    // The choice between a small and a large file, like a map that still holds, was made for the size of then.
    source.entry = Entry { size: if keeps_size { walked_size } else { fresh.size }, ..fresh };
    source.identity = identity;
    Ok(file)
}

/// Appends header, data and padding of one entry to `payload`. A file that changes meanwhile is read again;
/// the second value says what is wrong with the last try.
pub(super) fn pack_small(
    root: &Path,
    mut source: Source,
    with_xattrs: bool,
    payload: &mut Vec<u8>,
) -> io::Result<(Packed, Option<String>)> {
    let offset = payload.len();
    if source.entry.kind != Kind::File {
        let xattrs = if with_xattrs { xattrs_at(&root.join(&source.entry.path)) } else { Vec::new() };
        payload.extend_from_slice(&header::encode(&source.entry, &xattrs, None));
        return Ok((Packed { offset, data: payload.len()..payload.len(), source }, None));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let file = open(root, &mut source)?;
        let xattrs = if with_xattrs { xattrs_of(&file) } else { Vec::new() };
        payload.truncate(offset);
        payload.extend_from_slice(&header::encode(&source.entry, &xattrs, source.sparse.as_ref()));
        let start = payload.len();
        let mut reader = StoredReader::new(&file, &source);
        payload.resize(start + source.stored() as usize, 0);
        reader.read_exact(&mut payload[start..])?;
        let trouble = reader.trouble(&source);
        if trouble.is_none() || tries == TRIES {
            let data = start..payload.len();
            header::pad(payload);
            return Ok((Packed { offset, data, source }, trouble));
        }
    }
}

/// Reads what an archive stores of a file: its data without holes, exactly as much as the header promises.
/// Bytes that the file no longer has come as zeros.
#[derive(Debug)]
pub(super) struct StoredReader<'a> {
    file: &'a File,
    /// Pieces of data still to read, last first.
    pieces: Vec<(u64, u64)>,
    short: bool,
    /// Why the file could not be read on, if zeros are to stand for the rest.
    failure: Option<io::Error>,
    pads: bool,
}

impl<'a> StoredReader<'a> {
    pub(super) fn new(file: &'a File, source: &Source) -> Self {
        let mut pieces = match &source.sparse {
            Some(map) => map.extents.clone(),
            None => vec![(0, source.entry.size)],
        };
        pieces.retain(|&(_, length)| length > 0);
        pieces.reverse();
        Self { file, pieces, short: false, failure: None, pads: false }
    }

    /// Zeros for what cannot be read: for a file whose header is on its way already.
    pub(super) fn padded(self) -> Self {
        Self { pads: true, ..self }
    }

    /// Whether zeros stand in for bytes that could not be read.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Skips so many stored bytes.
    pub(super) fn skip(&mut self, mut count: u64) {
        while let Some((offset, length)) = self.pieces.pop() {
            if count < length {
                self.pieces.push((offset + count, length - count));
                return;
            }
            count -= length;
        }
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The error that came up while reading, if any.
    pub(super) fn trouble(&self, source: &Source) -> Option<String> {
        let path = source.entry.path.display();
        if let Some(error) = &self.failure {
            return Some(format!("could not read {path}: {error}: padded with zeros"));
        }
        if self.short {
            return Some(format!("{path} shrank while it was read: padded with zeros"));
        }
        let now = self.file.metadata().ok()?;
        let entry = Entry::of(source.entry.path.clone(), Kind::File, &now);
        if entry.size > source.entry.size {
            return Some(format!(
                "{path} grew while it was read: cut to its first {} bytes",
                source.entry.size
            ));
        }
        let same = entry.mtime == source.entry.mtime && Identity::of(&now) == source.identity;
        (!same).then(|| format!("{path} changed while it was read"))
    }
}

impl StoredReader<'_> {
    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.file.read_at(buf, offset) {
            Err(error) if self.pads && error.kind() != io::ErrorKind::Interrupted => {
                self.failure = Some(error);
                Ok(0)
            }
            other => other,
        }
    }
}

impl Read for StoredReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some((offset, length)) = self.pieces.pop() else { return Ok(0) };
        let wanted = length.min(buf.len() as u64) as usize;
        let mut count = if self.short { 0 } else { self.read_at(&mut buf[..wanted], offset)? };
        if count == 0 && wanted > 0 {
            self.short = true;
            buf[..wanted].fill(0);
            count = wanted;
        }
        if (count as u64) < length {
            self.pieces.push((offset + count as u64, length - count as u64));
        }
        Ok(count)
    }
}

/// Extended attributes of an open file. A file system without them has none.
pub(super) fn xattrs_of(file: &File) -> Vec<Xattr> {
    let names = sized(|buffer| rustix::fs::flistxattr(file, buffer)).unwrap_or_default();
    read_xattrs(&names, |name, buffer| rustix::fs::fgetxattr(file, name, buffer))
}

fn xattrs_at(path: &Path) -> Vec<Xattr> {
    let names = sized(|buffer| rustix::fs::llistxattr(path, buffer)).unwrap_or_default();
    read_xattrs(&names, |name, buffer| rustix::fs::lgetxattr(path, name, buffer))
}

fn read_xattrs(names: &[u8], get: impl Fn(&OsStr, &mut [u8]) -> rustix::io::Result<usize>) -> Vec<Xattr> {
    let mut xattrs: Vec<Xattr> = names
        .split(|&byte| byte == 0)
        // ACLs have names of their own in pax (SCHILY.acl), which tar would expect as text.
        .filter(|name| !name.is_empty() && !name.starts_with(b"system."))
        .map(OsStr::from_bytes)
        // One that cannot be read is left out; an empty one would be another.
        .filter_map(|name| Some((name.to_owned(), sized(|buffer| get(name, buffer))?)))
        .collect();
    // The kernel's order may differ from night to night, and a chunk must not.
    xattrs.sort();
    xattrs
}

/// Calls `get` with a buffer that is large enough.
fn sized(get: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> Option<Vec<u8>> {
    let mut buffer = [0; 256];
    match get(&mut buffer) {
        Ok(length) => Some(buffer[..length].to_vec()),
        Err(rustix::io::Errno::RANGE) => {
            let mut buffer = vec![0; 128 << 10];
            let length = get(&mut buffer).ok()?;
            buffer.truncate(length);
            Some(buffer)
        }
        Err(_) => None,
    }
}

/// Names every file that is, by all its metadata, the one of `expected`, and yet has other content.
pub(super) fn report_silent_changes(console: &Console, expected: &[Record], read: &[Record]) {
    for (was, is) in expected.iter().zip(read) {
        if was.entry == is.entry && was.identity == is.identity && was.digest != is.digest {
            console.alarm(format_args!(
                "{}: its content changed though its size and times did not",
                is.entry.path.display()
            ));
        }
    }
}

#[cfg(test)]
mod tests;
