//! The bytes of an archive, at any offset, wherever they are.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustix::fs::OFlags;

/// Where the bytes of an archive are: a file, or runs of packs in a store.
pub(crate) trait Bytes: fmt::Debug + Send + Sync {
    /// Fills `buf` with what begins at `offset`.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// The number of bytes.
    fn size(&self) -> u64;
}

/// A file, as long as it was when it was opened.
#[derive(Debug)]
struct InFile {
    file: File,
    size: u64,
}

impl Bytes for InFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn size(&self) -> u64 {
        self.size
    }
}

/// The bytes of a file.
pub(crate) fn bytes_of(path: &Path) -> anyhow::Result<Arc<dyn Bytes>> {
    let open = || {
        let file = open_to_read(path)?;
        let size = file.metadata()?.len();
        Ok::<_, io::Error>(Arc::new(InFile { file, size }) as Arc<dyn Bytes>)
    };
    open().with_context(|| format!("could not open {}", path.display()))
}

/// Opens a regular file. A FIFO among the archives would have us wait for somebody to write into it.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

/// Reads a file from its start, with a position of its own: handles to one open file share theirs, and a
/// thread that reads ahead for somebody who has gone may still be moving it.
#[derive(Debug)]
pub(crate) struct FromStart {
    bytes: Arc<dyn Bytes>,
    position: u64,
}

impl FromStart {
    /// All of `bytes`.
    pub(crate) fn new(bytes: Arc<dyn Bytes>) -> Self {
        Self { bytes, position: 0 }
    }
}

impl Read for FromStart {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.size().saturating_sub(self.position).min(buf.len() as u64) as usize;
        self.bytes.read_exact_at(&mut buf[..count], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// The most that is read at once where a length is only claimed.
const STEP: usize = 8 << 20;

/// `length` bytes from `offset` on. Memory is taken as they come: in a store their number is anybody's claim.
pub(crate) fn read_long(bytes: &dyn Bytes, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    while read.len() < length {
        let at = read.len();
        read.resize(at + STEP.min(length - at), 0);
        bytes.read_exact_at(&mut read[at..], offset + at as u64)?;
    }
    Ok(read)
}
