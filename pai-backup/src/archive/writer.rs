//! Members in order, then index and footer.

use std::io::{self, BufWriter, IntoInnerError, Write};

use pai_common::sha256::{self, Sha256};

use crate::archive::header::BLOCK;
use crate::archive::index::{About, BadIndex, Group, Index, IndexWriter, Totals};
use crate::archive::member::{Footer, Sealer, VERSION, footer_member, index_members};

/// Which archive has bytes that need not be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The archive before.
    Parent,
    /// The one being written.
    Own,
}

/// Destination of an archive: anything that takes bytes, or a store. A store can be told where it has the bytes already.
pub trait Sink {
    /// The next bytes: a member, or the footer.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The next bytes: a piece of the index. Most pieces repeat.
    fn append_piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.append(bytes)
    }

    /// The next bytes are those at `offset` of another archive, or of this one.
    fn take_over(&mut self, _: Origin, _offset: u64, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Nothing more follows.
    fn flush(&mut self) -> io::Result<()>;
}

impl<W: Write> Sink for W {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(self)
    }
}

/// Writes one archive front to back; nothing is ever sought, so a pipe will do.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    sink: Counted<W>,
    index: IndexWriter,
    level: u8,
}

/// Bytes on their way out, counted and perhaps hashed.
#[derive(Debug)]
struct Counted<W> {
    out: W,
    offset: u64,
    whole: Option<Sha256>,
}

impl<W: Sink> Counted<W> {
    fn count(&mut self, bytes: &[u8]) {
        if let Some(whole) = &mut self.whole {
            whole.update(bytes);
        }
        self.offset += bytes.len() as u64;
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes);
        self.out.append(bytes)
    }

    fn append_piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes);
        self.out.append_piece(bytes)
    }
}

/// A finished archive.
#[derive(Debug)]
pub struct Written<W> {
    /// The destination that it was written to.
    pub out: W,
    /// Bytes of the whole archive.
    pub size: u64,
    /// The header of its index.
    pub about: About,
    /// Sums over its entries.
    pub totals: Totals,
    /// SHA-256 of the whole archive, if asked for.
    pub digest: Option<sha256::Digest>,
}

impl<W: Write> Written<BufWriter<W>> {
    /// Flushes the buffer, and takes it off.
    pub(crate) fn unwrapped(self) -> io::Result<Written<W>> {
        let Self { out, size, about, totals, digest } = self;
        let out = out.into_inner().map_err(IntoInnerError::into_error)?;
        Ok(Written { out, size, about, totals, digest })
    }
}

impl<W: Sink> ArchiveWriter<W> {
    /// Starts an archive. With `digest` the SHA-256 of all its bytes is kept.
    pub fn new(out: W, about: &About, digest: bool) -> Self {
        let sink = Counted { out, offset: 0, whole: digest.then(Sha256::new) };
        Self { sink, index: IndexWriter::new(about.clone()), level: about.level }
    }

    /// Writes sealed members; the groups they belong to follow with [`ArchiveWriter::group`].
    pub fn member(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.append(bytes)
    }

    /// The next members are `size` bytes that the sink can find by itself. The SHA-256 of an archive is not known then.
    pub fn take_over(&mut self, origin: Origin, offset: u64, size: u64) -> io::Result<()> {
        self.sink.whole = None;
        self.sink.offset += size;
        self.sink.out.take_over(origin, offset, size)
    }

    /// Puts the group whose members were just written into the index.
    pub fn group(&mut self, group: &Group) {
        self.index.group(group);
    }

    /// Adds the group that stands in another index at position `at`.
    pub(crate) fn known_group(&mut self, index: &Index, at: usize, totals: Totals) -> Result<(), BadIndex> {
        self.index.take_over(index, at, totals)
    }

    /// The header of the index. Fields that are known only at the end can still be set.
    pub fn about_mut(&mut self) -> &mut About {
        self.index.about_mut()
    }

    /// Bytes written so far: where the next member starts.
    pub fn offset(&self) -> u64 {
        self.sink.offset
    }

    /// Writes the end of the tar stream, the index and the footer.
    pub fn finish(mut self) -> io::Result<Written<W>> {
        let end = [0; 2 * BLOCK];
        let (bytes, info) = Sealer::new(self.level).seal(&end, sha256::digest(&end));
        self.member(&bytes)?;
        self.group(&Group { members: vec![info], records: Vec::new() });
        let Self { mut sink, index, .. } = self;
        let index = index.finish()?;
        let footer = Footer {
            version: VERSION,
            index_offset: sink.offset,
            members: index.members,
            index_deflated: index.deflated.joined().len() as u64,
            index_inflated: index.inflated,
            index_digest: sha256::digest(index.deflated.joined()),
        };
        for piece in index.deflated.pieces() {
            sink.append_piece(&index_members(piece))?;
        }
        sink.append(&footer_member(&footer))?;
        sink.out.flush()?;
        Ok(Written {
            out: sink.out,
            size: sink.offset,
            about: index.about,
            totals: index.totals,
            digest: sink.whole.map(Sha256::finish),
        })
    }
}
