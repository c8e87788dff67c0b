//! A writer whose first error is its last.
//!
//! `ZipWriter` completes a zip when it is dropped, and prints to stderr what goes wrong then: on a full disk once more what
//! has been told already, in the words of a debugger. So after an error nothing is written any more, and nothing fails.

use std::io::{self, Seek, SeekFrom, Write};

/// Passes on what is written until the first error.
#[derive(Debug)]
pub(super) struct Settled<W> {
    out: W,
    has_failed: bool,
    /// Where the next byte would be, once nothing is written any more.
    position: u64,
}

impl<W> Settled<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, has_failed: false, position: 0 }
    }

    pub(super) fn into_inner(self) -> W {
        self.out
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.has_failed |= result.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        result
    }
}

impl<W: Write> Write for Settled<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.has_failed {
            self.position += buf.len() as u64;
            return Ok(buf.len());
        }
        let written = self.out.write(buf);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.has_failed {
            return Ok(());
        }
        let flushed = self.out.flush();
        self.note(flushed)
    }
}

impl<W: Seek> Seek for Settled<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if !self.has_failed {
            let sought = self.out.seek(to);
            if let Ok(position) = sought {
                self.position = position;
            }
            return self.note(sought);
        }
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(by) | SeekFrom::End(by) => self.position.saturating_add_signed(by),
        };
        Ok(self.position)
    }
}
