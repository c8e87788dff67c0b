//! An archive on disk: its footer, its index, one member of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::archive::bytes::read_long;
use crate::archive::index::{About, Deflated, Index, Totals};
use crate::archive::member::{
    Announced, FOOTER_LENGTH, Footer, LARGEST_MEMBER, MemberError, MemberInfo, announced,
};
use crate::archive::tail::{index_region, next_part, read_deflated, read_index, starts_as_ours};

pub(crate) use crate::archive::bytes::{Bytes, FromStart, bytes_of, open_to_read};
pub use crate::archive::tail::NoIndex;
pub(crate) use crate::archive::tail::{parse_index, pieces_of_tail};

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
        FromStart::new(Arc::clone(&self.bytes))
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

/// The header of an index, with the exclude patterns of a workspace, is a few KiB.
const LARGEST_HEADER: usize = 1 << 20;

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
