//! Chunks to members: the threads that read small files, hash and compress.

use std::io::Read;
use std::sync::Arc;

use pai_common::console::Console;
use pai_common::progress::Progress;
use pai_common::sha256::{self, Digest};

use crate::archive::header;
use crate::archive::index::{Group, Record, Totals};
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
    /// Members of the parent archive.
    Run(Run),
    /// The pieces since the last group make up these entries.
    GroupEnd(Vec<Record>),
}

/// Members of the parent archive that follow each other there.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) parts: Vec<Part>,
}

/// A member that was made or copied.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) info: MemberInfo,
    pub(super) origin: Origin,
    /// The group that ends with it.
    pub(super) ends: Option<Taken>,
}

/// A group of the parent archive, taken over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// Its position in the parent's index.
    pub(super) at: usize,
    /// Sums over its entries.
    pub(super) totals: Totals,
}

/// The files to make a member from if the parent's member turns out damaged.
#[derive(Debug)]
pub(super) enum Origin {
    /// A chunk of small entries.
    Small(Vec<Source>),
    /// A large file: its header, or its stored bytes from `part` on.
    Large { source: Arc<Source>, part: Option<u64> },
}

/// The next thing that goes into the archive.
#[derive(Debug)]
pub(super) enum Sealed {
    /// A member's bytes.
    Member { bytes: Found, info: MemberInfo, reused: bool },
    /// Members that follow each other, and where groups of the parent end among them.
    Run { bytes: Found, size: u64, parts: Vec<(MemberInfo, Option<Taken>)> },
    /// The group of the members since the last one ends.
    GroupEnd(Vec<Record>),
    /// A group that is taken over from the parent.
    Known(Taken),
}

/// Compressor and buffers of one thread.
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
            Chunk::Run(run) => self.copy(run),
        }
    }

    /// The parent's bytes, if they are still good. If they are not, only what is damaged is made again.
    fn copy(&self, Run { offset, size, parts }: Run) -> Vec<Half> {
        let known = &self.job.known;
        let Ok(bytes) = known.of_parent(offset, parts.iter().map(|part| &part.info), known.buffer()) else {
            let mut offset = offset;
            return parts.into_iter().flat_map(|part| self.copy_part(&mut offset, part)).collect();
        };
        self.progress.add(parts.iter().map(|part| u64::from(part.info.payload)).sum());
        let parts = parts.into_iter().map(|part| (part.info, part.ends)).collect();
        vec![Half::Done(vec![Sealed::Run { bytes, size, parts }])]
    }

    fn copy_part(&self, next: &mut u64, Part { info, origin, ends }: Part) -> Vec<Half> {
        let offset = *next;
        *next += u64::from(info.size);
        let ends = ends.map(Sealed::Known);
        match self.job.known.of_parent(offset, std::iter::once(&info), Vec::new()) {
            Ok(bytes) => {
                self.progress.add(u64::from(info.payload));
                let member = Sealed::Member { bytes, info, reused: true };
                vec![Half::Done([member].into_iter().chain(ends).collect())]
            }
            Err(error) => {
                self.console.warn(format_args!("{error:#}; this part is read from the files again"));
                match origin {
                    Origin::Small(sources) => self.read_small(sources, None),
                    Origin::Large { source, part } => {
                        let mut halves = vec![self.read_part((*source).clone(), part, &info)];
                        halves.extend(ends.map(|ends| Half::Done(vec![ends])));
                        halves
                    }
                }
            }
        }
    }

    /// Usually one payload. Long names and large attributes, which the planner has not seen, make it several: a
    /// member has a limit that readers rely on.
    fn read_small(&self, sources: Vec<Source>, expected: Option<Group>) -> Vec<Half> {
        let mut halves = Vec::new();
        let expects = sources.iter().map(|source| chunk::counted(source.stored()) as usize).sum();
        let mut payload = Vec::with_capacity(expects);
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
