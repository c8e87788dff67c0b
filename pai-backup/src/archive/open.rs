//! An archive on disk: its footer, its index, one member of it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use pai_common::sha256;
use rustix::fs::OFlags;

use crate::archive::index::{About, Deflated, Index, Totals};
use crate::archive::member::{
    Announced, FOOTER_LENGTH, Footer, INDEX_OVERHEAD, INDEX_PART, IndexPart, LARGEST_MEMBER, MemberError,
    MemberInfo, announced,
};

/// The header of an index, with the exclude patterns of a workspace, is a few KiB.
const LARGEST_HEADER: usize = 1 << 20;

/// Why an archive has no index to go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoIndex {
    /// It was not made by this project: a plain tar, compressed or not.
    Foreign,
    /// It was made by this project, but is damaged or cut. The text says what was found.
    Damaged(String),
}

impl std::fmt::Display for NoIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign => f.write_str("not an archive with an index"),
            Self::Damaged(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for NoIndex {}

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

/// An open archive file.
#[derive(Debug)]
pub struct ArchiveFile {
    path: PathBuf,
    bytes: Arc<dyn Bytes>,
}

/// An open archive file and what is known of its content.
#[derive(Debug)]
pub struct Archive {
    file: ArchiveFile,
    index: Result<Index, NoIndex>,
}

impl Archive {
    /// Opens `path` and reads its footer and index. A file without them opens too: [`Archive::index`] says why.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        ArchiveFile::open(path)?.into_archive()
    }

    /// Opens an archive whose bytes lie elsewhere, and reads its footer and index. Messages call it `path`.
    pub(crate) fn of_bytes(path: &Path, bytes: Arc<dyn Bytes>) -> anyhow::Result<Self> {
        if !starts_as_ours(&*bytes).with_context(|| format!("could not read {}", path.display()))? {
            return Ok(Self {
                file: ArchiveFile { path: path.to_owned(), bytes },
                index: Err(NoIndex::Foreign),
            });
        }
        Self::of_known_bytes(path, bytes)
    }

    /// Opens bytes that are known to be an archive of ours: nothing but footer and index is read.
    pub(crate) fn of_known_bytes(path: &Path, bytes: Arc<dyn Bytes>) -> anyhow::Result<Self> {
        let index = read_index(&*bytes).with_context(|| format!("could not read {}", path.display()))?;
        Ok(Self { file: ArchiveFile { path: path.to_owned(), bytes }, index })
    }

    /// The archive's index, or why it has none.
    pub fn index(&self) -> Result<&Index, &NoIndex> {
        self.index.as_ref()
    }

    /// The archive and its index apart, for those who need both for long.
    pub(crate) fn into_parts(self) -> (ArchiveFile, Option<Index>) {
        (self.file, self.index.ok())
    }

    /// The file itself.
    pub fn file(&self) -> &ArchiveFile {
        &self.file
    }
}

impl ArchiveFile {
    /// Opens `path`, and reads nothing.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { path: path.to_owned(), bytes: bytes_of(path)? })
    }

    /// Takes bytes that lie elsewhere. Messages call them `path`.
    pub(crate) fn of_bytes(path: &Path, bytes: Arc<dyn Bytes>) -> Self {
        Self { path: path.to_owned(), bytes }
    }

    /// Reads the footer and the deflated index, and checks the index's length and SHA-256 against the footer.
    pub(crate) fn deflated_index(&self) -> anyhow::Result<Result<(Deflated, Footer), NoIndex>> {
        read_deflated(&*self.bytes).with_context(|| format!("could not read {}", self.path.display()))
    }

    /// Reads footer and index.
    pub(crate) fn into_archive(self) -> anyhow::Result<Archive> {
        Archive::of_bytes(&self.path, self.bytes)
    }

    /// Its path as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.size()
    }

    /// The file, at its start, for reading it front to back.
    pub(crate) fn rewind(&self) -> FromStart {
        FromStart { bytes: Arc::clone(&self.bytes), position: 0 }
    }

    /// Index members and footer as they stand at the end, from `offset` on.
    pub(crate) fn tail(&self, offset: u64) -> io::Result<Vec<u8>> {
        read_long(&*self.bytes, offset, self.size().saturating_sub(offset) as usize)
    }

    /// The bytes of members that follow each other, checked against the CRCs the index has for them. They come in
    /// `bytes`, which may have been used before.
    pub(crate) fn members<'a>(
        &self,
        offset: u64,
        members: impl Iterator<Item = &'a MemberInfo> + Clone,
        mut bytes: Vec<u8>,
    ) -> anyhow::Result<Vec<u8>> {
        let context = || format!("could not read {} at byte {offset}", self.path.display());
        if members.clone().any(|info| info.size as usize > LARGEST_MEMBER) {
            return Err(MemberError::BadSize).with_context(context);
        }
        bytes.resize(members.clone().map(|info| info.size as usize).sum(), 0);
        self.bytes.read_exact_at(&mut bytes, offset).with_context(context)?;
        let mut rest = &bytes[..];
        for info in members {
            let (member, behind) = rest.split_at(info.size as usize);
            if crc32fast::hash(member) != info.crc {
                return Err(MemberError::Crc).with_context(context);
            }
            rest = behind;
        }
        Ok(bytes)
    }

    /// Up to `length` bytes from `offset` on; fewer if the file ends before.
    pub(crate) fn bytes_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let there = self.size().saturating_sub(offset).min(length as u64) as usize;
        read_long(&*self.bytes, offset, there)
    }

    /// The bytes of one data member, checked against the CRC the index has for them.
    pub fn member(&self, offset: u64, info: &MemberInfo) -> anyhow::Result<Vec<u8>> {
        read_checked(info, |bytes| self.bytes.read_exact_at(bytes, offset))
            .with_context(|| format!("could not read {} at byte {offset}", self.path.display()))
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

/// The bytes of the member at `offset` of `file`, checked against its CRC.
pub(crate) fn read_member_at(file: &File, offset: u64, info: &MemberInfo) -> anyhow::Result<Vec<u8>> {
    read_checked(info, |bytes| file.read_exact_at(bytes, offset))
}

fn read_checked(
    info: &MemberInfo,
    read: impl FnOnce(&mut [u8]) -> io::Result<()>,
) -> anyhow::Result<Vec<u8>> {
    if info.size as usize > LARGEST_MEMBER {
        return Err(MemberError::BadSize.into());
    }
    let mut bytes = vec![0; info.size as usize];
    read(&mut bytes)?;
    if crc32fast::hash(&bytes) != info.crc {
        return Err(MemberError::Crc.into());
    }
    Ok(bytes)
}

/// Header and totals of an archive's index, read from the first piece alone (for version 1 from the whole index). `None` if
/// they cannot be read.
pub(crate) fn summary(path: &Path) -> Option<(About, Totals)> {
    let file = open_to_read(path).ok()?;
    let footer_at = file.metadata().ok()?.len().checked_sub(FOOTER_LENGTH as u64)?;
    let mut bytes = [0; FOOTER_LENGTH];
    file.read_exact_at(&mut bytes, footer_at).ok()?;
    let Ok(Announced::Footer(footer)) = announced(&bytes) else { return None };
    if footer.version == 1 {
        let archive = Archive::open(path).ok()?;
        let index = archive.index().ok()?;
        return Some((index.about().clone(), index.totals()));
    }
    let mut start = vec![0; index_region(&footer, footer_at)?.min(LARGEST_HEADER)];
    file.read_exact_at(&mut start, footer.index_offset).ok()?;
    let mut deflated = Deflated::default();
    let mut rest = &start[..];
    while !deflated.is_complete() {
        let (part, behind) = next_part(rest)?;
        deflated.push(&part);
        rest = behind;
    }
    let about = Index::read_header(&deflated).ok()?;
    let totals = about.totals?;
    Some((about, totals))
}

/// The most that is read at once where a length is only claimed.
const STEP: usize = 8 << 20;

/// `length` bytes from `offset` on. Memory is taken as they come: in a store their number is anybody's claim.
fn read_long(bytes: &dyn Bytes, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    while read.len() < length {
        let at = read.len();
        read.resize(at + STEP.min(length - at), 0);
        bytes.read_exact_at(&mut read[at..], offset + at as u64)?;
    }
    Ok(read)
}

fn starts_as_ours(file: &dyn Bytes) -> io::Result<bool> {
    let mut start = vec![0; 64.min(file.size() as usize)];
    file.read_exact_at(&mut start, 0)?;
    Ok(matches!(announced(&start), Ok(Announced::Data { .. })))
}

fn read_index(file: &dyn Bytes) -> io::Result<Result<Index, NoIndex>> {
    let damaged = |what: &str| NoIndex::Damaged(what.to_owned());
    let read = read_deflated(file)?;
    Ok(read.and_then(|(deflated, footer)| parse_checked(deflated, &footer).map_err(damaged)))
}

/// The deflated index, whose length and SHA-256 are those its footer gives, and the footer.
fn read_deflated(file: &dyn Bytes) -> io::Result<Result<(Deflated, Footer), NoIndex>> {
    let size = file.size();
    let damaged = |what: &str| Ok(Err(NoIndex::Damaged(what.to_owned())));
    let Some(footer_at) = size.checked_sub(FOOTER_LENGTH as u64) else {
        return damaged("no footer: cut short");
    };
    let mut bytes = [0; FOOTER_LENGTH];
    file.read_exact_at(&mut bytes, footer_at)?;
    let Ok(Announced::Footer(footer)) = announced(&bytes) else {
        return damaged("no footer: cut short, or something follows it");
    };
    let Some(region) = index_region(&footer, footer_at) else {
        return damaged("the footer contradicts the length of the file");
    };
    let bytes = read_long(file, footer.index_offset, region)?;
    let checked = join_index(&bytes).and_then(|joined| check_deflated(joined, &footer));
    Ok(checked.map(|deflated| (deflated, footer)).map_err(|what| NoIndex::Damaged(what.to_owned())))
}

/// Length of the index members, if the footer's figures fit the file: each member carries some bytes, and at most
/// [`INDEX_PART`].
fn index_region(footer: &Footer, footer_at: u64) -> Option<usize> {
    let region = footer_at.checked_sub(footer.index_offset)?;
    let around = region.checked_sub(footer.index_deflated)?;
    let fewest = footer.index_deflated.div_ceil(INDEX_PART as u64).checked_mul(INDEX_OVERHEAD as u64)?;
    (around >= fewest && around % INDEX_OVERHEAD as u64 == 0).then_some(())?;
    usize::try_from(region).ok()
}

fn join_index(mut bytes: &[u8]) -> Result<Deflated, &'static str> {
    let mut deflated = Deflated::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let (part, rest) = next_part(bytes).ok_or("a damaged index member")?;
        deflated.push(&part);
        bytes = rest;
    }
    Ok(deflated)
}

/// The pieces of an index as they stand in an archive, each in one or more members, then the footer: the bytes from the
/// first index member on, cut where a piece ends.
pub(crate) fn pieces_of_tail(tail: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = tail;
    std::iter::from_fn(move || {
        let from = rest;
        while let Some((part, behind)) = next_part(rest) {
            rest = behind;
            if part.ends_piece {
                break;
            }
        }
        if rest.len() == from.len() {
            rest = &[];
        }
        (!from.is_empty()).then(|| &from[..from.len() - rest.len()])
    })
}

/// Parses the index member at the start of `bytes`. Returns its content and the bytes behind it.
fn next_part(bytes: &[u8]) -> Option<(IndexPart, &[u8])> {
    let length = u16::from_le_bytes([*bytes.get(14)?, *bytes.get(15)?]);
    let (member, rest) = bytes.split_at_checked(usize::from(length) + INDEX_OVERHEAD)?;
    match announced(member) {
        Ok(Announced::Index(part)) => Some((part, rest)),
        _ => None,
    }
}

/// The index behind its footer's digest, if its figures agree with the footer's.
pub(crate) fn parse_index(deflated: Deflated, footer: &Footer) -> Result<Index, &'static str> {
    parse_checked(check_deflated(deflated, footer)?, footer)
}

fn check_deflated(mut deflated: Deflated, footer: &Footer) -> Result<Deflated, &'static str> {
    if footer.version == 1 {
        deflated.unite();
    }
    if deflated.joined().len() as u64 != footer.index_deflated {
        return Err("the index contradicts the footer: another length");
    }
    if sha256::digest(deflated.joined()) != footer.index_digest {
        return Err("the index does not have the SHA-256 its footer gives");
    }
    Ok(deflated)
}

fn parse_checked(deflated: Deflated, footer: &Footer) -> Result<Index, &'static str> {
    let mut index = Index::read(&deflated, footer.index_inflated).map_err(|_| "the index is damaged")?;
    if index.data_size() != footer.index_offset {
        return Err("the index contradicts the footer: its members do not end where it starts");
    }
    if index.member_count() != footer.members {
        return Err("the index contradicts the footer: another number of members");
    }
    index.keep(deflated);
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_impossible_size_is_not_even_read() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 32).unwrap();
        let info = MemberInfo { size: u32::MAX, payload: 0, digest: [0; 32], crc: 0 };
        let error = read_member_at(&file, 0, &info).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&MemberError::BadSize));
    }
}
