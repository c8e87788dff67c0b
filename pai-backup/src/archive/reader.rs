//! A strict tar reader: ustar, pax, GNU long names, labels and dump folders, old GNU and pax sparse files, v7.
//!
//! Strict means: whatever could make two readers see two different archives is an error. A pax size wins
//! over the header's and may not contradict it (`TARmageddon`, CVE-2025-62518); a record of an extension
//! applies to the next real entry alone; an extension that is malformed, dangling or oversized ends the
//! reading.

mod assemble;
mod fields;
mod pax;
mod sparse;

use std::io::{self, Read};

use tar::Header;

use crate::archive::foreign::NotTar;
use crate::archive::header::{BLOCK, SparseMap, Xattr};
use crate::archive::reader::assemble::Extensions;
use crate::archive::reader::fields::{checksum_holds, number, until_nul};
use crate::archive::reader::pax::Pax;
use crate::entry::Entry;

/// No honest extensions of one entry come near this; hostile ones would make us buffer them.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// A fault of a tar stream, or of the bytes it comes from.
#[derive(Debug)]
pub enum TarError {
    /// The bytes could not be read.
    Io(io::Error),
    /// The bytes are no tar; what and where.
    Malformed {
        /// Offset of the header block in the tar stream.
        offset: u64,
        /// What is wrong, with the entry's name where one is known.
        what: String,
    },
    /// The stream stops before the two zero blocks that end an archive.
    NoEnd,
}

impl std::fmt::Display for TarError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Malformed { offset, what } => write!(f, "{what} (at byte {offset} of the tar stream)"),
            Self::NoEnd => f.write_str("the tar stream stops before its end-of-archive blocks"),
        }
    }
}

impl std::error::Error for TarError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for TarError {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<NotTar>()) {
            Some(what) => Self::Malformed { offset: 0, what: what.to_string() },
            None => Self::Io(error),
        }
    }
}

/// One entry as the tar stream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Name, kind, mode, owner, size, time.
    pub entry: Entry,
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
    /// Where data lies in a sparse file; `None` for a file stored whole.
    pub sparse: Option<SparseMap>,
    /// Offset of the entry's first block (extensions included) in the stream.
    pub offset: u64,
    /// Offset of its data, after header and sparse map.
    pub data_offset: u64,
    /// Bytes of data that follow, padding not counted.
    pub stored: u64,
}

/// Whether a block is the header of an entry.
pub(crate) fn is_header(block: &[u8; BLOCK]) -> bool {
    checksum_holds(block)
}

/// Reads entries one after another from any stream of tar bytes.
#[derive(Debug)]
pub struct TarReader<R> {
    inner: R,
    position: u64,
    /// Data of the current entry that was not read yet, and the padding behind it.
    left: u64,
    padding: u64,
    globals: Pax,
}

impl<R: Read> TarReader<R> {
    /// A reader at the first header of `inner`.
    pub fn new(inner: R) -> Self {
        Self { inner, position: 0, left: 0, padding: 0, globals: Pax::default() }
    }

    /// The next entry, or `None` at a proper end of the archive. What was left of the last one is skipped.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, TarError> {
        self.skip_data()?;
        let start = self.position;
        let mut extensions = Extensions::default();
        loop {
            let offset = self.position;
            let bad = |what: &str| TarError::Malformed { offset, what: what.to_owned() };
            let Some(block) = self.block()? else { return Err(TarError::NoEnd) };
            if block.iter().all(|&byte| byte == 0) {
                if extensions.any {
                    return Err(bad("an extension header with no entry behind it"));
                }
                // One zero block would do for GNU tar; a second one is read so that what follows it shows.
                return match self.block()? {
                    Some(second) if second.iter().any(|&byte| byte != 0) => Err(bad("a lone zero block")),
                    _ => Ok(None),
                };
            }
            let header = Header::from_byte_slice(&block);
            if !checksum_holds(&block) {
                return Err(bad("not a tar header"));
            }
            let size = number(&block[124..136])
                .filter(|&size| size >= 0)
                .ok_or_else(|| bad("an unreadable size"))? as u64;
            match block[156] {
                b'x' | b'L' | b'K' => self.own_extension(header, size, offset, &mut extensions)?,
                b'g' => {
                    let body = self.extension(header, size, size, offset)?;
                    self.globals.parse_global(&body).map_err(|what| bad(&what))?;
                }
                // What `tar --label` calls the archive is no entry of it.
                b'V' if size == 0 && !extensions.any => {}
                _ => {
                    let entry = self.real_entry(start, offset, header, size, extensions)?;
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// The data of the current entry, as stored: holes are not expanded.
    pub fn data(&mut self) -> Data<'_, R> {
        Data { reader: self }
    }

    /// Bytes of the stream consumed so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The stream itself, after the end of the archive.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn skip_data(&mut self) -> Result<(), TarError> {
        let skip = self.left + self.padding;
        let skipped = io::copy(&mut (&mut self.inner).take(skip), &mut io::sink())?;
        self.position += skipped;
        self.left = 0;
        self.padding = 0;
        if skipped < skip { Err(TarError::NoEnd) } else { Ok(()) }
    }

    /// One block, or `None` if the stream ends before it. A part of a block is no block.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        match self.inner.read_exact(&mut block) {
            Ok(()) => {
                self.position += BLOCK as u64;
                Ok(Some(block))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an extension header of the entry to come.
    fn own_extension(
        &mut self,
        header: &Header,
        size: u64,
        offset: u64,
        extensions: &mut Extensions,
    ) -> Result<(), TarError> {
        extensions.any = true;
        extensions.size = extensions.size.saturating_add(size);
        let body = self.extension(header, size, extensions.size, offset)?;
        match header.as_bytes()[156] {
            b'L' => extensions.name = Some(until_nul(body)),
            b'K' => extensions.link = Some(until_nul(body)),
            _ => extensions.pax.parse(&body).map_err(|what| TarError::Malformed { offset, what })?,
        }
        Ok(())
    }

    /// The body of an extension header; `total` is its size and that of the others its entry has.
    fn extension(
        &mut self,
        header: &Header,
        size: u64,
        total: u64,
        offset: u64,
    ) -> Result<Vec<u8>, TarError> {
        if total > EXTENSION_LIMIT {
            // It precedes the entry it is for; its own name mostly tells which that is.
            let what = format!(
                "{}: an extension header of {total} bytes (at most {EXTENSION_LIMIT} are accepted)",
                String::from_utf8_lossy(&header.path_bytes())
            );
            return Err(TarError::Malformed { offset, what });
        }
        let mut body = vec![0; size.next_multiple_of(BLOCK as u64) as usize];
        self.inner.read_exact(&mut body).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => TarError::NoEnd,
            _ => TarError::Io(error),
        })?;
        self.position += body.len() as u64;
        body.truncate(size as usize);
        Ok(body)
    }
}

/// Reads the data of the current entry.
#[derive(Debug)]
pub struct Data<'a, R> {
    reader: &'a mut TarReader<R>,
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let limit = self.reader.left.min(buf.len() as u64) as usize;
        if limit == 0 {
            return Ok(0);
        }
        let count = self.reader.inner.read(&mut buf[..limit])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar stream stops inside a file"));
        }
        self.reader.left -= count as u64;
        self.reader.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
