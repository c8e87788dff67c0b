//! What is in an archive, whoever made it: from the index where there is one, otherwise by reading it all.

use std::fs::File;
use std::io::{self, Read, Write};

use anyhow::{Context as _, bail};
use pai_common::console::Console;
use pai_common::sha256::{self, Digest};

use crate::Context;
use crate::archive::foreign;
use crate::archive::header::SparseMap;
use crate::archive::index::{Group, Record};
use crate::archive::member::{MemberError, MemberInfo, Opener};
use crate::archive::open::{Archive, ArchiveFile, NoIndex};
use crate::archive::reader::{TarEntry, TarReader};
use crate::archive::stream::{TarBytes, tar_bytes};
use crate::content::ContentHash;
use crate::entry::{Entry, Identity};

/// One entry, as far as the archive knows it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What its header says.
    pub entry: Entry,
    /// What the file system said when it was archived; plain tars do not know.
    pub identity: Option<Identity>,
    /// SHA-256 of a file's content.
    pub digest: Option<Digest>,
    /// Which of the index's groups it is in; 0 throughout where there is no index.
    pub group: usize,
}

/// Calls `visit` for every entry in order. `digests` says which files' content digests are wanted even where they
/// must be read for it. A damaged archive gives what can be read, and a complaint.
pub fn visit(
    archive: &Archive,
    digests: impl Fn(&Entry) -> bool,
    threads: usize,
    console: &Console,
    mut visit: impl FnMut(Listed) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match archive.index() {
        Ok(index) => {
            for record in index.records() {
                let (group, Record { entry, identity, digest, .. }) = record?;
                visit(Listed { entry, identity: Some(identity), digest, group })?;
            }
            Ok(())
        }
        Err(why) => {
            let path = archive.file().path();
            if let NoIndex::Damaged(what) = why {
                console.complain(format_args!("{}: {what}; reading it front to back", path.display()));
            }
            let mut reader = scan(archive, threads)?;
            let outcome = visit_scanned(&mut reader, &digests, &mut visit);
            outcome.with_context(|| format!("could not read {} to its end", path.display()))
        }
    }
}

/// Calls `visit` for every entry of the archive that comes through stdin.
pub(crate) fn visit_stdin(
    digests: impl Fn(&Entry) -> bool,
    run: &Context<'_>,
    mut visit: impl FnMut(Listed) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut reader = scan_stdin(run)?;
    visit_scanned(&mut reader, &digests, &mut visit).context("could not read stdin to its end")
}

/// The tar stream of an archive file, front to back.
pub(crate) fn scan(archive: &Archive, threads: usize) -> anyhow::Result<TarReader<TarBytes>> {
    let bytes = tar_bytes(archive.file().rewind(), threads);
    Ok(TarReader::new(bytes.map_err(|error| foreign::explained(error, archive.file().path()))?))
}

/// The tar stream of an archive that comes through a pipe, encrypted or not.
pub(crate) fn scan_stdin(run: &Context<'_>) -> anyhow::Result<TarReader<TarBytes>> {
    let input = run.open_stream(Box::new(stdin()?), &"stdin")?.content;
    Ok(TarReader::new(tar_bytes(input, run.threads()).context("could not read stdin")?))
}

/// stdin, without the buffer and the lock that std gives it.
pub(crate) fn stdin() -> anyhow::Result<File> {
    Ok(File::from(rustix::io::dup(io::stdin()).context("could not read stdin")?))
}

fn visit_scanned(
    reader: &mut TarReader<TarBytes>,
    digests: &impl Fn(&Entry) -> bool,
    visit: &mut impl FnMut(Listed) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    while let Some(found) = reader.next_entry()? {
        pai_common::signal::check()?;
        let is_file = found.entry.kind == crate::entry::Kind::File;
        let digest = (is_file && digests(&found.entry))
            .then(|| content_digest(&found, &mut reader.data()))
            .transpose()
            .with_context(|| format!("could not read {}", found.entry.path.display()))?;
        visit(Listed { entry: found.entry, identity: None, digest, group: 0 })?;
    }
    Ok(())
}

fn content_digest(found: &TarEntry, stored: &mut impl Read) -> io::Result<Digest> {
    let mut hash = ContentHash::new(found.sparse.as_ref(), found.entry.size);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stored.read(&mut buffer)? {
            0 => return Ok(hash.finish()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// The stored bytes of one entry of an indexed archive, read from its members alone. Each member is checked
/// before a byte of it is used.
pub(crate) fn open_entry<'a>(
    file: &'a ArchiveFile,
    offset: u64,
    group: &'a Group,
    record: &Record,
) -> anyhow::Result<(TarEntry, TarReader<MemberBytes<'a>>)> {
    let skip = record.member as usize;
    let before = group.members.get(..skip).context("the index names a member that is not there")?;
    let offset = offset + before.iter().map(|info| u64::from(info.size)).sum::<u64>();
    let mut bytes = MemberBytes {
        file,
        offset,
        members: group.members[skip..].iter(),
        opener: Opener::default(),
        payload: Vec::new(),
        at: 0,
    };
    io::copy(&mut (&mut bytes).take(record.offset), &mut io::sink())?;
    let mut reader = TarReader::new(bytes);
    let found = reader.next_entry()?.context("the index names an entry that is not there")?;
    if found.entry != record.entry {
        bail!("{}: the index disagrees with the tar header", record.entry.path.display());
    }
    Ok((found, reader))
}

/// Payloads of members that follow each other.
#[derive(Debug)]
pub(crate) struct MemberBytes<'a> {
    file: &'a ArchiveFile,
    offset: u64,
    members: std::slice::Iter<'a, MemberInfo>,
    opener: Opener,
    payload: Vec<u8>,
    at: usize,
}

impl Read for MemberBytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.payload.len() {
            let Some(info) = self.members.next() else { return Ok(0) };
            let invalid =
                |error: anyhow::Error| io::Error::new(io::ErrorKind::InvalidData, format!("{error:#}"));
            self.payload = open_member(self.file, self.offset, info, &mut self.opener).map_err(invalid)?;
            self.offset += u64::from(info.size);
            self.at = 0;
        }
        let count = buf.len().min(self.payload.len() - self.at);
        buf[..count].copy_from_slice(&self.payload[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The payload of one member, after its CRC-32 and SHA-256 held.
pub(crate) fn open_member(
    file: &ArchiveFile,
    offset: u64,
    info: &MemberInfo,
    opener: &mut Opener,
) -> anyhow::Result<Vec<u8>> {
    let context = || format!("could not read {} at byte {offset}", file.path().display());
    let bytes = file.member(offset, info)?;
    let (payload, _) = opener.open(&bytes).with_context(context)?;
    if sha256::digest(&payload) != info.digest {
        return Err(MemberError::Digest).with_context(context);
    }
    Ok(payload)
}

/// Writes a file's content from its stored bytes: holes become zeros.
pub(crate) fn expand(
    sparse: Option<&SparseMap>,
    size: u64,
    stored: &mut impl Read,
    out: &mut impl Write,
) -> io::Result<()> {
    let Some(map) = sparse else {
        return io::copy(stored, out).map(drop);
    };
    let mut position = 0;
    for &(offset, length) in &map.extents {
        io::copy(&mut io::repeat(0).take(offset - position), out)?;
        io::copy(&mut stored.take(length), out)?;
        position = offset + length;
    }
    io::copy(&mut io::repeat(0).take(size - position), out).map(drop)
}
