//! An archive of ours against itself: what its members hold, and what its index and footer say they do.

mod members;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::Read;

use anyhow::{Context as _, bail};
use pai_common::progress::Progress;
use pai_common::sha256::{self, Digest};

use self::members::{Tail, read_members};
use crate::archive::index::Index;
use crate::archive::member::{MemberError, MemberInfo, Opener};
use crate::archive::reader::{TarEntry, TarError, TarReader};
use crate::content::ContentHash;
use crate::entry::{Entry, Kind};
use crate::pipeline;

/// Reads an archive of ours to its end, its members on all cores.
pub(crate) fn verify(input: impl Read + Send, threads: usize, progress: &Progress<'_>) -> anyhow::Result<()> {
    let mut found = Found::default();
    let tail = pipeline::ordered(
        threads,
        |submit| read_members(input, submit, progress),
        Opener::default,
        |opener, members| open_all(opener, &members),
        |opened: Vec<Result<Opened, MemberError>>| {
            pai_common::signal::check()?;
            opened.into_iter().try_for_each(|opened| {
                let member = found.members.len();
                found.take(opened.with_context(|| format!("member {member}"))?)
            })
        },
    )?;
    if !found.ended {
        bail!("the tar stream has no end");
    }
    let Tail { footer, index, data_size } = tail;
    if footer.index_offset != data_size {
        bail!("the footer puts the index at byte {}, it is at {data_size}", footer.index_offset);
    }
    found.compare(&index)
}

/// A member that inflated and whose digests held.
pub(crate) struct Opened {
    pub(crate) info: MemberInfo,
    /// The entries that begin in it, if it begins with one. A piece of a large file does not.
    pub(crate) entries: Option<Vec<(TarEntry, Option<Digest>)>>,
    /// Whether the end of the archive is in it.
    pub(crate) ends: bool,
    /// What it holds, and how much of that its entries cover. The rest is content of a large file; if such
    /// a file is open already, all of it is, whatever it looks like.
    pub(crate) payload: Vec<u8>,
    pub(crate) covered: usize,
}

/// A member that inflated.
struct Inflated {
    size: u32,
    crc: u32,
    payload: Vec<u8>,
    announced: Digest,
    parsed: Option<Parsed>,
}

/// Inflates a member and checks its digests.
pub(crate) fn open(opener: &mut Opener, bytes: &[u8]) -> Result<Opened, MemberError> {
    let inflated = Inflated::of(opener, bytes)?;
    let digests = sha256::digest_many(&inflated.buffers().collect::<Vec<_>>());
    inflated.check(&mut digests.into_iter())
}

/// Opens several members. Their digests are computed together, which is faster.
fn open_all(opener: &mut Opener, members: &[Vec<u8>]) -> Vec<Result<Opened, MemberError>> {
    let inflated: Vec<Result<Inflated, MemberError>> =
        members.iter().map(|bytes| Inflated::of(opener, bytes)).collect();
    let buffers: Vec<&[u8]> = inflated.iter().flatten().flat_map(Inflated::buffers).collect();
    let mut digests = sha256::digest_many(&buffers).into_iter();
    inflated.into_iter().map(|inflated| inflated?.check(&mut digests)).collect()
}

impl Inflated {
    fn of(opener: &mut Opener, bytes: &[u8]) -> Result<Self, MemberError> {
        let (payload, announced) = opener.open(bytes)?;
        let parsed = parse(&payload);
        let (size, crc) = (bytes.len() as u32, crc32fast::hash(bytes));
        Ok(Self { size, crc, payload, announced, parsed })
    }

    /// The buffers to hash: the payload, then each file that stands in it unchanged.
    fn buffers(&self) -> impl Iterator<Item = &[u8]> {
        let entries = self.parsed.iter().flat_map(|parsed| &parsed.entries);
        let files = entries.filter(|found| is_whole(found, &self.payload));
        std::iter::once(&self.payload[..]).chain(files.map(|found| stored(found, &self.payload)))
    }

    /// Takes as many digests as it gave buffers.
    fn check(self, digests: &mut impl Iterator<Item = Digest>) -> Result<Opened, MemberError> {
        let digest = digests.next().ok_or(MemberError::Digest)?;
        let Self { size, crc, payload, announced, parsed } = self;
        let info = MemberInfo { size, payload: payload.len() as u32, digest, crc };
        let opened = match parsed {
            None => Opened { info, entries: None, ends: false, payload, covered: 0 },
            Some(Parsed { entries, covered, ends }) => {
                let with_digest = |found: TarEntry| {
                    let whole = is_whole(&found, &payload);
                    let digest = if whole { digests.next() } else { sparse_digest(&found, &payload) };
                    (found, digest)
                };
                let entries = Some(entries.into_iter().map(with_digest).collect());
                Opened { info, entries, ends, payload, covered }
            }
        };
        if digest == announced { Ok(opened) } else { Err(MemberError::Digest) }
    }
}

struct Parsed {
    entries: Vec<TarEntry>,
    covered: usize,
    ends: bool,
}

/// The entries of a payload, if it is entries from its first byte on. The last file may go on elsewhere.
fn parse(payload: &[u8]) -> Option<Parsed> {
    let mut reader = TarReader::new(payload);
    let mut entries: Vec<TarEntry> = Vec::new();
    loop {
        match reader.next_entry() {
            Ok(Some(found)) => entries.push(found),
            Ok(None) => {
                let covered = reader.position() as usize;
                return (covered == payload.len()).then_some(Parsed { entries, covered, ends: true });
            }
            Err(TarError::NoEnd) => {
                let last = entries.last()?;
                let end = last.data_offset + last.stored.next_multiple_of(512);
                // Either the payload ends with the last entry, or that entry's data goes on in other members.
                let covered =
                    if end > payload.len() as u64 { last.data_offset as usize } else { end as usize };
                let complete = end > payload.len() as u64 || covered == payload.len();
                return complete.then_some(Parsed { entries, covered, ends: false });
            }
            Err(_) => return None,
        }
    }
}

fn stored<'a>(found: &TarEntry, payload: &'a [u8]) -> &'a [u8] {
    &payload[found.data_offset as usize..(found.data_offset + found.stored) as usize]
}

fn is_complete(found: &TarEntry, payload: &[u8]) -> bool {
    found.entry.kind == Kind::File && found.data_offset + found.stored <= payload.len() as u64
}

/// A file whose content stands in the payload as it is.
fn is_whole(found: &TarEntry, payload: &[u8]) -> bool {
    is_complete(found, payload) && found.sparse.is_none()
}

fn sparse_digest(found: &TarEntry, payload: &[u8]) -> Option<Digest> {
    is_complete(found, payload).then(|| {
        let mut hash = ContentHash::new(found.sparse.as_ref(), found.entry.size);
        hash.update(stored(found, payload));
        hash.finish()
    })
}

/// Members and entries found so far, in a form that needs little memory for each entry.
#[derive(Default)]
struct Found {
    members: Vec<MemberInfo>,
    prints: Vec<u64>,
    ended: bool,
    open_file: Option<OpenFile>,
}

/// A large file whose content is still coming.
struct OpenFile {
    entry: Entry,
    member: u64,
    offset: u64,
    hash: ContentHash,
    data_left: u64,
    padding_left: u64,
}

impl Found {
    fn take(&mut self, opened: Opened) -> anyhow::Result<()> {
        let member = self.members.len() as u64;
        self.members.push(opened.info);
        if self.ended {
            bail!("data behind the end of the tar stream");
        }
        if self.open_file.is_some() {
            return self.content(&opened.payload);
        }
        let Some(entries) = opened.entries else { bail!("member {member}: no tar header where one must be") };
        for (found, digest) in entries {
            if found.entry.kind == Kind::File && digest.is_none() {
                self.open_file = Some(OpenFile::new(found, member));
            } else {
                self.prints.push(print(&found.entry, digest, member, found.offset));
            }
        }
        self.ended = opened.ends;
        if self.open_file.is_some() { self.content(&opened.payload[opened.covered..]) } else { Ok(()) }
    }

    fn content(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let Some(mut file) = self.open_file.take() else { return Ok(()) };
        let count = (bytes.len() as u64).min(file.data_left);
        let (data, padding) = bytes.split_at(count as usize);
        if padding.len() as u64 > file.padding_left {
            bail!("{}: a member goes on beyond the end of the file", file.entry.path.display());
        }
        file.hash.update(data);
        file.data_left -= count;
        file.padding_left -= padding.len() as u64;
        if file.data_left == 0 && file.padding_left == 0 {
            self.prints.push(print(&file.entry, Some(file.hash.finish()), file.member, file.offset));
        } else {
            self.open_file = Some(file);
        }
        Ok(())
    }

    /// Fails unless the index describes exactly what was found.
    fn compare(&self, index: &Index) -> anyhow::Result<()> {
        if self.open_file.is_some() {
            bail!("the tar stream ends inside a file");
        }
        let mut members = self.members.iter();
        let mut prints = self.prints.iter();
        let mut first = 0;
        for group in index.groups() {
            let (_, group) = group?;
            for info in &group.members {
                if members.next() != Some(info) {
                    bail!("the index lists another member than the archive has");
                }
            }
            for record in &group.records {
                let expected = print(&record.entry, record.digest, first + record.member, record.offset);
                if prints.next() != Some(&expected) {
                    bail!("the index disagrees with the tar headers at {}", record.entry.path.display());
                }
            }
            first += group.members.len() as u64;
        }
        match (members.next(), prints.next()) {
            (None, None) => Ok(()),
            _ => bail!("the archive holds more than its index lists"),
        }
    }
}

impl OpenFile {
    fn new(found: TarEntry, member: u64) -> Self {
        Self {
            hash: ContentHash::new(found.sparse.as_ref(), found.entry.size),
            data_left: found.stored,
            padding_left: found.stored.next_multiple_of(512) - found.stored,
            offset: found.offset,
            entry: found.entry,
            member,
        }
    }
}

/// A fingerprint of all that index and header both say of an entry. It meets damage and defects, not
/// forgers: one who can write the archive can write its index.
fn print(entry: &Entry, digest: Option<Digest>, member: u64, offset: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    let Entry { path, kind, mode, uid, gid, size, mtime, link, device } = entry;
    (path.as_os_str(), kind, mode, uid, gid, size).hash(&mut hasher);
    (mtime, link.as_os_str(), device, digest, member, offset).hash(&mut hasher);
    hasher.finish()
}
