//! Opening what was sealed: front to back, or bytes at an offset.
//!
//! An age file is a head (the file key, wrapped for each recipient, a MAC, a nonce) and then chunks of 64 KiB, each with a tag
//! of 16 bytes over its content, its number, and whether it is the last. So any chunk can be opened by itself, and what
//! was changed, moved or cut is noticed.

use std::fmt;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use age::stream::StreamReader;
use age::{DecryptError, Decryptor};

use super::identities::Identities;
use crate::archive::open::Bytes;

/// What every age file begins with.
pub const MAGIC: &[u8] = b"age-encryption.org/v1\n";
const ARMOR: &[u8] = b"-----BEGIN AGE ";
/// Bytes of content in a chunk.
pub(crate) const CHUNK: u64 = 64 << 10;
/// Bytes of a chunk with its tag.
const SEALED_CHUNK: u64 = CHUNK + 16;
/// Longest head that is read. A head is read before it is known who made it, so there must be a limit.
pub(crate) const LONGEST_HEAD: usize = 64 << 10;
const NONCE: usize = 16;

/// Why something could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// None of the identities belongs to a recipient of it.
    NotForUs,
    /// It is encrypted with a passphrase, not for recipients.
    Passphrase,
    /// It does not begin like an age file, or its head is damaged.
    Head,
    /// A later version of age made it.
    Version,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotForUs => "it is encrypted for others than the identity that was given",
            Self::Passphrase => "it is encrypted by a passphrase; age -d opens it",
            Self::Head => "it is a damaged age file, or none",
            Self::Version => "it was made by a later version of age",
        })
    }
}

impl std::error::Error for OpenError {}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The [`OpenError`] within an I/O error, if there is one.
pub(crate) fn kind_of(error: &io::Error) -> Option<OpenError> {
    error.get_ref()?.downcast_ref().copied()
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is encrypted, and damaged or cut short")
}

/// Turns an error that the `age` crate reports for a chunk into ours. An error of reading the file stays as it is.
fn told(error: io::Error) -> io::Error {
    let is_ours = kind_of(&error).is_some();
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof if !is_ours => damaged(),
        _ => error,
    }
}

/// Whether bytes begin like something sealed.
pub(crate) fn is_sealed(start: &[u8]) -> bool {
    start.starts_with(MAGIC) || start.starts_with(ARMOR)
}

/// Length of the head at the start of `bytes`, if all of it is there.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.starts_with(MAGIC).then_some(())?;
    let bytes = &bytes[..bytes.len().min(LONGEST_HEAD)];
    let mac = bytes.windows(5).position(|window| window == b"\n--- ")? + 1;
    let end = mac + bytes[mac..].iter().position(|&byte| byte == b'\n')? + 1 + NONCE;
    (end <= bytes.len()).then_some(end)
}

/// Unwraps the file key of a head; what follows is read from `input`, which stands at its start.
fn unwrap<R: BufRead>(input: R, identities: &Identities) -> Result<StreamReader<R>, OpenError> {
    let decryptor = Decryptor::new_buffered(input).map_err(|error| match error {
        DecryptError::UnknownFormat => OpenError::Version,
        _ => OpenError::Head,
    })?;
    if decryptor.is_scrypt() {
        return Err(OpenError::Passphrase);
    }
    decryptor.decrypt(identities.iter()).map_err(|error| match error {
        DecryptError::NoMatchingKeys => OpenError::NotForUs,
        _ => OpenError::Head,
    })
}

/// Opens all of an age file.
pub(crate) fn open(bytes: &[u8], identities: &Identities) -> io::Result<Vec<u8>> {
    let head = head_length(bytes).ok_or(OpenError::Head)?;
    // Each chunk has its tag: that much is content at most.
    let mut opened = Vec::with_capacity(bytes.len() - head);
    unwrap(bytes, identities)?.read_to_end(&mut opened).map_err(told)?;
    Ok(opened)
}

/// Opens what comes through a pipe. Every chunk is checked before a byte of it comes out.
pub(crate) fn stream<R: Read>(input: R, identities: &Identities) -> io::Result<impl Read + use<R>> {
    let mut input = io::BufReader::with_capacity(256 << 10, input);
    let mut head = Vec::new();
    loop {
        let before = head.len();
        let left = (LONGEST_HEAD - before) as u64;
        let count = (&mut input).take(left).read_until(b'\n', &mut head)?;
        if count == 0 || !head.starts_with(MAGIC) {
            return Err(OpenError::Head.into());
        }
        if head[before..].starts_with(b"--- ") {
            break;
        }
    }
    let opened = unwrap(Cursor::new(head).chain(input), identities)?;
    Ok(Told(opened))
}

struct Told<R>(R);

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(told)
    }
}

/// A seekable reader over a head and the chunks from number `first` on, as if the whole file were there.
struct Part<'a> {
    head: &'a [u8],
    first: u64,
    chunks: &'a [u8],
    position: u64,
}

impl Part<'_> {
    fn rest(&self) -> &[u8] {
        let head = self.head.len() as u64;
        let start = head + self.first * SEALED_CHUNK;
        if let Some(rest) = self.head.get(self.position as usize..).filter(|rest| !rest.is_empty()) {
            return rest;
        }
        let at = self.position.checked_sub(start).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.chunks.get(at..)).unwrap_or_default()
    }
}

impl Read for Part<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.rest().read(buf)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl BufRead for Part<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount as u64;
    }
}

impl Seek for Part<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => {
                let end = self.head.len() as u64 + self.first * SEALED_CHUNK + self.chunks.len() as u64;
                end.checked_add_signed(by)
            }
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Where in an age file with a head of `head` bytes the chunks are that hold `length` bytes of content from `offset` on, and how
/// many bytes they are at most.
pub(crate) fn place_of(head: usize, offset: u64, length: u64) -> (u64, u64) {
    let first = offset / CHUNK;
    let chunks = (offset + length).div_ceil(CHUNK).saturating_sub(first);
    (head as u64 + first * SEALED_CHUNK, chunks * SEALED_CHUNK)
}

/// Decrypts a part of an age file; `chunks` are the bytes that [`place_of`] says.
pub(crate) fn open_part(
    head: &[u8],
    chunks: &[u8],
    offset: u64,
    buf: &mut [u8],
    identities: &Identities,
) -> io::Result<()> {
    if buf.is_empty() {
        return Ok(());
    }
    let first = offset / CHUNK;
    let mut reader = unwrap(Part { head, first, chunks, position: 0 }, identities)?;
    if first > 0 {
        // Seeking to a border, the crate would look at the end of the file, which is not here; one byte further on it
        // does not.
        reader.seek(SeekFrom::Start(first * CHUNK + 1)).map_err(told)?;
    }
    reader.seek(SeekFrom::Start(offset)).map_err(told)?;
    reader.read_exact(buf).map_err(told)
}

/// An encrypted archive in a file, or wherever else bytes can be read at an offset.
pub(crate) struct Opened {
    sealed: Arc<dyn Bytes>,
    identities: Arc<Identities>,
    head: Vec<u8>,
    size: u64,
    /// The content that was decrypted last, and its offset: small reads often follow one another.
    last: Mutex<(u64, Arc<Vec<u8>>)>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("sealed", &self.sealed)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Opened {
    /// Unwraps the file key and decrypts the last chunk, so that a file that was cut off between two chunks is refused.
    pub(crate) fn new(sealed: Arc<dyn Bytes>, identities: Arc<Identities>) -> io::Result<Self> {
        let mut head = vec![0; LONGEST_HEAD.min(sealed.size() as usize)];
        sealed.read_exact_at(&mut head, 0)?;
        if head.starts_with(ARMOR) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is armored: age -d opens it"));
        }
        head.truncate(head_length(&head).ok_or(OpenError::Head)?);
        let chunks = sealed.size() - head.len() as u64;
        let count = chunks.div_ceil(SEALED_CHUNK);
        let size =
            chunks.checked_sub(count * (SEALED_CHUNK - CHUNK)).filter(|_| count > 0).ok_or_else(damaged)?;
        let this = Self { sealed, identities, head, size, last: Mutex::default() };
        this.check_end(count - 1)?;
        Ok(this)
    }

    fn check_end(&self, last: u64) -> io::Result<()> {
        let chunk = self.chunks(last * CHUNK, CHUNK)?;
        let part = Part { head: &self.head, first: last, chunks: &chunk, position: 0 };
        unwrap(part, &self.identities)?.seek(SeekFrom::End(0)).map_err(told).map(drop)
    }

    fn chunks(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let (start, length) = place_of(self.head.len(), offset, length);
        let length = length.min(self.sealed.size().saturating_sub(start));
        let mut chunks = vec![0; length as usize];
        self.sealed.read_exact_at(&mut chunks, start)?;
        Ok(chunks)
    }

    fn open(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let chunks = self.chunks(offset, buf.len() as u64)?;
        open_part(&self.head, &chunks, offset, buf, &self.identities)
    }
}

/// Shorter reads are extended to this length, since others are likely to follow.
const AHEAD: u64 = 1 << 20;

impl Bytes for Opened {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|&end| end <= self.size);
        let Some(end) = end else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        if buf.len() as u64 >= AHEAD {
            return self.open(offset, buf);
        }
        let (start, bytes) = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let copy = |start: u64, bytes: &[u8], buf: &mut [u8]| {
            buf.copy_from_slice(&bytes[(offset - start) as usize..(end - start) as usize]);
        };
        if start <= offset && end <= start + bytes.len() as u64 {
            copy(start, &bytes, buf);
            return Ok(());
        }
        let start = offset - offset % CHUNK;
        let mut bytes = vec![0; (start + AHEAD).max(end).min(self.size).saturating_sub(start) as usize];
        if self.open(start, &mut bytes).is_err() {
            // Damage ahead of what is wanted costs what lies there alone.
            return self.open(offset, buf);
        }
        copy(start, &bytes, buf);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (start, Arc::new(bytes));
        Ok(())
    }

    fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests;
