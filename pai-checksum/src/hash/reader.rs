//! An open file on its way through a hasher.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use pai_common::progress::Progress;
use pai_common::sha256::{Digest, Sha256};
use rustix::fs::{Advice, fadvise};

use super::Hashed;
use crate::stamp::Stamp;

/// One buffer of each open file: all those of a thread together stay within a core's second-level cache.
const BUFFER: usize = 32 << 10;
/// A buffer has at least this size: that of a page, which is what the system gives out.
const LEAST: usize = 4 << 10;

/// An open file that counts what it reads and stops when the run is over.
pub(super) struct Reader<'a> {
    file: File,
    buffer: Vec<u8>,
    /// Where the unread part of the buffer starts.
    start: usize,
    /// Where it ends.
    end: usize,
    before: Option<Stamp>,
    settled: bool,
    bytes: u64,
    run: Run<'a>,
}

/// Settings that all readers of a run share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    /// Counts what is read.
    pub(super) progress: &'a Progress<'a>,
    /// Set once nobody waits for the outcomes any more.
    pub(super) stopped: &'a AtomicBool,
}

impl<'a> Reader<'a> {
    /// `buffer` is one that [`Reader::into_buffer`] gave back, or an empty one: to allocate 32 KiB for each small file
    /// costs more than to hash it.
    pub(super) fn new(file: File, before: Option<Stamp>, run: Run<'a>, mut buffer: Vec<u8>) -> Self {
        if before.is_some_and(|before| before.size > BUFFER as u64) {
            // As sha256sum does, for disks that read ahead; where it is not understood nothing is lost.
            let _ = fadvise(&file, 0, None, Advice::Sequential);
        }
        let settled = before.is_some_and(|before| before.settled());
        // A small file fits in less, and each page that is touched for the first time costs some microseconds.
        let fits = before.map_or(BUFFER, |before| (before.size as usize + 1).clamp(LEAST, BUFFER));
        if buffer.len() < fits {
            buffer.resize(fits, 0);
        }
        Self { file, buffer, start: 0, end: 0, before, settled, bytes: 0, run }
    }

    /// Reads to the end, alone.
    pub(super) fn digest(mut self) -> io::Result<Hashed> {
        let mut hasher = Sha256::new();
        loop {
            let chunk = match self.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if chunk.is_empty() {
                return self.conclude(hasher.finish());
            }
            hasher.update(chunk);
            let taken = chunk.len();
            self.consume(taken);
        }
    }

    /// Compares the file with what it looked like before.
    pub(super) fn conclude(&self, digest: Digest) -> io::Result<Hashed> {
        let changed = match &self.before {
            Some(before) => !before.same_content(&Stamp::of(&self.file.metadata()?)),
            None => false,
        };
        Ok(Hashed { digest, bytes: self.bytes, stamp: self.before.filter(|_| self.settled), changed })
    }

    /// The buffer, for the next reader.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            if self.run.stopped.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let read = self.file.read(&mut self.buffer)?;
            (self.start, self.end) = (0, read);
            self.bytes += read as u64;
            self.run.progress.add(read as u64);
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start += amount;
    }
}
