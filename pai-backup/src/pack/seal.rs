//! Chunks to members: the threads that read small files, hash and compress.

use std::io::Read;

use pai_common::console::Console;
use pai_common::progress::Progress;
use pai_common::sha256::{self, Digest};

use crate::archive::header;
use crate::archive::index::{Group, Record};
use crate::archive::member::{MemberInfo, Sealer};
use crate::chunk;
use crate::content::ContentHash;
use crate::entry::Kind;
use crate::pack::Job;
use crate::pack::read::{self, Packed, StoredReader};
use crate::reuse::Found;
use crate::source::Source;

/// One member to be, or the end of a group.
#[derive(Debug)]
pub(super) enum Chunk {
    /// Small entries to read; `expected` is what an unchanged chunk held that is read all the same.
    Small { sources: Vec<Source>, expected: Option<Group> },
    /// A piece of a large file, read already.
    Piece(Vec<u8>),
    /// A member of the parent archive at `offset`.
    Copy { offset: u64, info: MemberInfo, origin: Origin },
    /// The pieces since the last group make up these entries.
    GroupEnd(Vec<Record>),
}

/// What to make a member from if the parent's turns out damaged.
#[derive(Debug)]
pub(super) enum Origin {
    /// A chunk of small entries, and its records.
    Small { sources: Vec<Source>, records: Vec<Record> },
    /// A large file: its header, or its stored bytes from `part` on.
    Large { source: Source, part: Option<u64> },
}

/// What goes into the archive next.
#[derive(Debug)]
pub(super) enum Sealed {
    /// A member's bytes.
    Member { bytes: Found, info: MemberInfo, reused: bool },
    /// The group of the members since the last one ends.
    GroupEnd(Vec<Record>),
}

/// One thread's tools.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    job: &'a Job<'a>,
    sealer: Sealer,
    console: &'a Console,
    progress: &'a Progress<'a>,
}

/// A chunk on its way: copied already, or a payload that still wants its digest.
enum Half {
    Done(Vec<Sealed>),
    Payload { payload: Vec<u8>, entries: Option<Vec<Packed>>, expected: Option<Group> },
}

impl<'a> Worker<'a> {
    pub(super) fn new(job: &'a Job<'a>, console: &'a Console, progress: &'a Progress<'a>) -> Self {
        Self { job, sealer: Sealer::new(job.level), console, progress }
    }

    /// Seals a batch. All its digests are computed together: that is what wide lanes are for.
    pub(super) fn seal(&mut self, chunks: Vec<Chunk>) -> Vec<Sealed> {
        let halves: Vec<Half> = chunks.into_iter().flat_map(|chunk| self.prepare(chunk)).collect();
        let mut digests = batch_digests(&halves).into_iter();
        let mut sealed = Vec::new();
        for half in halves {
            match half {
                Half::Done(done) => sealed.extend(done),
                Half::Payload { payload, entries, expected } => {
                    self.finish(&payload, entries, expected.as_ref(), &mut digests, &mut sealed);
                }
            }
        }
        sealed
    }

    fn prepare(&self, chunk: Chunk) -> Vec<Half> {
        match chunk {
            Chunk::GroupEnd(records) => vec![Half::Done(vec![Sealed::GroupEnd(records)])],
            Chunk::Piece(payload) => vec![Half::Payload { payload, entries: None, expected: None }],
            Chunk::Small { sources, expected } => self.read_small(sources, expected),
            Chunk::Copy { offset, info, origin } => match self.copy(offset, info) {
                Some(bytes) => vec![copied(bytes, info, origin)],
                None => match origin {
                    Origin::Small { sources, .. } => self.read_small(sources, None),
                    Origin::Large { source, part } => vec![self.read_part(source, part, &info)],
                },
            },
        }
    }

    /// A member's bytes from the parent, if they are still good.
    fn copy(&self, offset: u64, info: MemberInfo) -> Option<Found> {
        match self.job.known.of_parent(offset, &info) {
            Ok(bytes) => {
                self.progress.add(u64::from(info.payload));
                Some(bytes)
            }
            Err(error) => {
                self.console.warn(format_args!("{error:#}; this part is read from the files again"));
                None
            }
        }
    }

    /// Usually one payload. Long names and large attributes, which the planner has not seen, make it several: a
    /// member has a limit that readers rely on.
    fn read_small(&self, sources: Vec<Source>, expected: Option<Group>) -> Vec<Half> {
        let mut halves = Vec::new();
        let mut payload = Vec::with_capacity(1 << 20);
        let mut entries = Vec::with_capacity(sources.len());
        for source in sources {
            if payload.len() as u64 > chunk::FORCED {
                let (payload, entries) = (std::mem::take(&mut payload), std::mem::take(&mut entries));
                self.progress.add(payload.len() as u64);
                halves.push(Half::Payload { payload, entries: Some(entries), expected: None });
            }
            let path = source.entry.path.clone();
            let start = payload.len();
            match read::pack_small(self.job.root, source, self.job.xattrs, &mut payload) {
                Ok((packed, trouble)) => {
                    if let Some(trouble) = trouble {
                        self.console.complain(trouble);
                    }
                    entries.push(packed);
                }
                Err(error) => {
                    payload.truncate(start);
                    self.console.complain(format_args!("could not read {}: {error}", path.display()));
                }
            }
        }
        if !payload.is_empty() {
            self.progress.add(payload.len() as u64);
            halves.push(Half::Payload { payload, entries: Some(entries), expected });
        }
        halves
    }

    /// The payload of one member of a large file, made again from the file. The file is unchanged by all
    /// its metadata; if its bytes are not, that is said, for the archive then holds what the disk holds.
    fn read_part(&self, mut source: Source, part: Option<u64>, info: &MemberInfo) -> Half {
        let path = source.entry.path.clone();
        let payload = read::open(self.job.root, &mut source).and_then(|file| match part {
            None => {
                let xattrs = if self.job.xattrs { read::xattrs_of(&file) } else { Vec::new() };
                Ok(header::encode(&source.entry, &xattrs, source.sparse.as_ref()))
            }
            Some(start) => {
                let mut payload = Vec::with_capacity(info.payload as usize);
                let mut reader = StoredReader::new(&file, &source);
                reader.skip(start);
                reader.take(u64::from(info.payload)).read_to_end(&mut payload)?;
                Ok(payload)
            }
        });
        let mut payload = payload.unwrap_or_else(|error| {
            self.console.complain(format_args!("could not read {}: {error}", path.display()));
            Vec::new()
        });
        payload.resize(info.payload as usize, 0);
        if sha256::digest(&payload) != info.digest {
            self.console.complain(format_args!(
                "{}: its content changed though its size and times did not",
                path.display()
            ));
        }
        Half::Payload { payload, entries: None, expected: None }
    }

    fn finish(
        &mut self,
        payload: &[u8],
        entries: Option<Vec<Packed>>,
        expected: Option<&Group>,
        digests: &mut impl Iterator<Item = Digest>,
        sealed: &mut Vec<Sealed>,
    ) {
        let records: Option<Vec<Record>> = entries
            .map(|entries| entries.into_iter().map(|packed| record(packed, payload, digests)).collect());
        // One digest was computed for each payload, after those of its entries.
        let digest = digests.next().unwrap_or_else(|| sha256::digest(payload));
        sealed.push(self.member(payload, digest));
        if let Some(records) = records {
            if let Some(expected) = expected {
                read::report_silent_changes(self.console, &expected.records, &records);
            }
            sealed.push(Sealed::GroupEnd(records));
        }
    }

    /// The member for a payload: copied if there is one already, compressed otherwise.
    fn member(&mut self, payload: &[u8], digest: Digest) -> Sealed {
        if let Some((bytes, info)) = self.job.known.member(&digest) {
            return Sealed::Member { bytes, info, reused: true };
        }
        let (bytes, info) = self.sealer.seal(payload, digest);
        Sealed::Member { bytes: Found::Bytes(bytes), info, reused: false }
    }
}

fn copied(bytes: Found, info: MemberInfo, origin: Origin) -> Half {
    let member = Sealed::Member { bytes, info, reused: true };
    Half::Done(match origin {
        Origin::Small { records, .. } => vec![member, Sealed::GroupEnd(records)],
        Origin::Large { .. } => vec![member],
    })
}

/// The digests of a batch in one go, in the order in which [`Worker::finish`] asks for them.
fn batch_digests(halves: &[Half]) -> Vec<Digest> {
    let mut buffers: Vec<&[u8]> = Vec::new();
    for half in halves {
        let Half::Payload { payload, entries, .. } = half else { continue };
        for packed in entries.iter().flatten().filter(|packed| is_plain_file(packed)) {
            buffers.push(&payload[packed.data.clone()]);
        }
        buffers.push(payload);
    }
    sha256::digest_many(&buffers)
}

/// Whether the stored bytes are the content: only then can its digest be taken from the payload.
fn is_plain_file(packed: &Packed) -> bool {
    packed.source.entry.kind == Kind::File && packed.source.sparse.is_none()
}

fn record(packed: Packed, payload: &[u8], digests: &mut impl Iterator<Item = Digest>) -> Record {
    let digest = if is_plain_file(&packed) {
        digests.next()
    } else if packed.source.entry.kind == Kind::File {
        let mut hash = ContentHash::new(packed.source.sparse.as_ref(), packed.source.entry.size);
        hash.update(&payload[packed.data.clone()]);
        Some(hash.finish())
    } else {
        None
    };
    let Source { entry, identity, .. } = packed.source;
    Record { entry, identity, digest, member: 0, offset: packed.offset as u64 }
}
