//! Sealing for recipients, as age does.

use std::fmt;
use std::io::{self, Write};

use age::Encryptor;
use age::stream::StreamWriter;
use pai_common::sha256::{self, Digest};

use super::open::head_length;
use super::recipients::Recipients;

/// Bytes that were sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// An age file.
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of its head, the bytes before the first chunk. No two files have the same head.
    pub(crate) head: Digest,
}

/// Seals bytes whole.
pub(crate) fn seal(bytes: &[u8], to: &Recipients) -> io::Result<Sealed> {
    // A chunk of 64 KiB grows by 16 bytes.
    let mut sealer = SealWriter::new(Vec::with_capacity(bytes.len() + bytes.len() / 4096 + 4096), to)?;
    sealer.write_all(bytes)?;
    let bytes = sealer.finish()?;
    let head = head_length(&bytes).ok_or_else(|| io::Error::other("what was sealed has no head"))?;
    Ok(Sealed { head: sha256::digest(&bytes[..head]), bytes })
}

/// Seals what is written to it. Without [`SealWriter::finish`] it is cut short, and no reader takes it for whole.
pub(crate) struct SealWriter<W: Write>(StreamWriter<W>);

impl<W: Write> SealWriter<W> {
    /// Writes the head.
    pub(crate) fn new(out: W, to: &Recipients) -> io::Result<Self> {
        let encryptor = Encryptor::with_recipients(to.iter()).map_err(io::Error::other)?;
        encryptor.wrap_output(out).map(Self)
    }

    /// Writes the last chunk.
    pub(crate) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for SealWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> fmt::Debug for SealWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealWriter")
    }
}
