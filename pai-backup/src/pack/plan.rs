//! Entries to chunks, chunks to batches: the thread that walks.

use pai_common::console::Console;
use pai_common::progress::Progress;

use crate::archive::header::{self, BLOCK};
use crate::archive::index::{Group, Record};
use crate::chunk::{self, Cutter, Grouper, LARGEST_PIECE};
use crate::content::ContentHash;
use crate::entry::{Identity, Kind};
use crate::pack::Job;
use crate::pack::read::{self, StoredReader};
use crate::pack::seal::{Chunk, Origin, Part, Run, Sealed, Taken};
use crate::pipeline::Submit;
use crate::reuse::Unchanged;
use crate::source::Source;

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// All batches in flight together hold about this much.
const IN_FLIGHT: u64 = 24 << 20;
/// A batch is no larger, so that work spreads; wide enough that many digests run side by side.
const BATCH: u64 = 4 << 20;

/// A large file is read so far ahead of the next cut, at most.
const AHEAD: usize = 2 * LARGEST_PIECE;

/// Members that follow each other are copied in one go up to this size: what the cache of a core holds.
const RUN: u64 = 256 << 10;
/// A byte to copy counts for so many: the bytes of a batch should still be in a cache when they are written.
const COPIED: u64 = 4;

/// Memory that an entry's metadata takes, roughly.
const HELD_PER_ENTRY: u64 = 1 << 10;

/// Collects chunks and submits them in batches.
pub(super) struct Planner<'a> {
    job: &'a Job<'a>,
    submit: &'a Submit<Vec<Chunk>, Vec<Sealed>>,
    console: &'a Console,
    progress: &'a Progress<'a>,
    grouper: Grouper,
    group: Vec<Source>,
    batch: Vec<Chunk>,
    batched: u64,
    batch_limit: u64,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        job: &'a Job<'a>,
        submit: &'a Submit<Vec<Chunk>, Vec<Sealed>>,
        console: &'a Console,
        progress: &'a Progress<'a>,
    ) -> Self {
        let batch_limit = (IN_FLIGHT / (job.threads as u64 + 2)).clamp(1 << 20, BATCH);
        Self {
            job,
            submit,
            console,
            progress,
            grouper: Grouper::default(),
            group: Vec::new(),
            batch: Vec::new(),
            batched: 0,
            batch_limit,
        }
    }

    /// Takes the next entry.
    pub(super) fn take(&mut self, source: Source) -> anyhow::Result<()> {
        if source.entry.kind == Kind::File && source.stored() >= chunk::LARGE {
            self.end_group()?;
            self.grouper.restart();
            return self.large(source);
        }
        if self.grouper.border_before(source.entry.path.as_os_str().as_bytes(), source.stored()) {
            self.end_group()?;
        }
        self.group.push(source);
        Ok(())
    }

    /// Submits what is left.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.end_group()?;
        self.flush()
    }

    fn end_group(&mut self) -> anyhow::Result<()> {
        let sources = std::mem::take(&mut self.group);
        if sources.is_empty() {
            return Ok(());
        }
        let expected = match self.unchanged(&sources)? {
            // Of a chunk of small entries there is one member.
            Some(Unchanged { place, totals }) if !self.reread(&sources[0]) => {
                // A thousand tiny files compress to little, but what is known of them takes room too.
                let held = sources.len() as u64 * HELD_PER_ENTRY;
                let ends = Some(Taken { at: place.at, totals });
                let part = Part { info: place.members[0], origin: Origin::Small(sources), ends };
                return self.push_copy(place.offset, part, held);
            }
            unchanged => self.expected(unchanged)?,
        };
        let size = sources.iter().map(|source| chunk::counted(source.stored())).sum::<u64>();
        self.push(Chunk::Small { sources, expected }, size)
    }

    fn unchanged(&self, sources: &[Source]) -> anyhow::Result<Option<Unchanged<'a>>> {
        Ok(match self.job.known.parent {
            Some(parent) => parent.unchanged(sources)?,
            None => None,
        })
    }

    /// The group that an unchanged chunk should have. It is needed when the chunk is read all the same.
    fn expected(&self, unchanged: Option<Unchanged<'_>>) -> anyhow::Result<Option<Group>> {
        let Some((parent, unchanged)) = self.job.known.parent.zip(unchanged) else { return Ok(None) };
        Ok(Some(parent.group_at(unchanged.place.at)?))
    }

    /// Whether this unchanged chunk is among those read anyway.
    fn reread(&self, first: &Source) -> bool {
        self.job.known.parent.is_some_and(|parent| parent.reread(&first.entry.path, self.job.reread))
    }

    fn large(&mut self, source: Source) -> anyhow::Result<()> {
        match self.unchanged(std::slice::from_ref(&source))? {
            Some(unchanged) if !self.reread(&source) => self.copy_large(source, &unchanged),
            unchanged => {
                let expected = self.expected(unchanged)?;
                self.read_large(source, expected)
            }
        }
    }

    /// Copies each member of an unchanged large file; a member that turns out damaged is made anew from its
    /// part of the file.
    fn copy_large(&mut self, source: Source, unchanged: &Unchanged<'_>) -> anyhow::Result<()> {
        let Unchanged { place, totals } = unchanged;
        let (source, mut offset, mut start) = (Arc::new(source), place.offset, 0);
        for (number, &info) in place.members.iter().enumerate() {
            let part = (number > 0).then_some(start);
            let is_last = number + 1 == place.members.len();
            let ends = is_last.then_some(Taken { at: place.at, totals: *totals });
            let origin = Origin::Large { source: Arc::clone(&source), part };
            self.push_copy(offset, Part { info, origin, ends }, 0)?;
            offset += u64::from(info.size);
            start += if number > 0 { u64::from(info.payload) } else { 0 };
        }
        Ok(())
    }

    fn read_large(&mut self, mut source: Source, expected: Option<Group>) -> anyhow::Result<()> {
        let opened = match read::open(self.job.root, &mut source) {
            Ok(opened) => opened,
            Err(error) => {
                self.console
                    .complain(format_args!("could not read {}: {error}", source.entry.path.display()));
                return Ok(());
            }
        };
        let xattrs = if self.job.xattrs { read::xattrs_of(&opened) } else { Vec::new() };
        let head = header::encode(&source.entry, &xattrs, source.sparse.as_ref());
        self.push(Chunk::Piece(head), 2 * BLOCK as u64)?;

        let mut content = StoredReader::new(&opened, &source).padded();
        let mut hash = ContentHash::new(source.sparse.as_ref(), source.entry.size);
        // One thread reads and cuts ahead of this one, which hashes and hands on.
        let (sender, pieces) = sync_channel(1);
        let mut left = source.stored();
        let cutter = Cutter::for_size(left);
        thread::scope(|scope| -> anyhow::Result<()> {
            let content = &mut content;
            let reader = scope.spawn(move || cut_pieces(content, cutter, &sender));
            for mut piece in pieces {
                pai_common::signal::check()?;
                hash.update(&piece);
                let length = piece.len();
                left -= length as u64;
                if left == 0 {
                    piece.resize(length + header::padding(source.stored()), 0);
                }
                self.progress.add(length as u64);
                self.push(Chunk::Piece(piece), length as u64)?;
            }
            Ok(reader.join().unwrap_or_else(|panic| resume_unwind(panic))?)
        })?;
        if let Some(trouble) = content.trouble(&source) {
            self.console.complain(trouble);
        }
        let Source { entry, identity, .. } = source;
        // Of no file is this the identity: zeros must not be taken for its content by the next run.
        let identity = if content.has_failed() { Identity::default() } else { identity };
        let record = Record { entry, identity, digest: Some(hash.finish()), member: 0, offset: 0 };
        if let Some(expected) = expected {
            read::report_silent_changes(self.console, &expected.records, std::slice::from_ref(&record));
        }
        self.push(Chunk::GroupEnd(vec![record]), 0)
    }

    /// Adds a member of the parent at `offset`; what is known of it takes `held` bytes.
    fn push_copy(&mut self, offset: u64, part: Part, held: u64) -> anyhow::Result<()> {
        let size = u64::from(part.info.size);
        let counted = held + size * COPIED;
        match self.batch.last_mut() {
            Some(Chunk::Run(run)) if run.offset + run.size == offset && run.size + size <= RUN => {
                run.size += size;
                run.parts.push(part);
                self.count(counted)
            }
            _ => self.push(Chunk::Run(Run { offset, size, parts: vec![part] }), counted),
        }
    }

    fn push(&mut self, chunk: Chunk, size: u64) -> anyhow::Result<()> {
        self.batch.push(chunk);
        self.count(size)
    }

    fn count(&mut self, size: u64) -> anyhow::Result<()> {
        self.batched += size;
        if self.batched >= self.batch_limit { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.batched = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.submit.submit(batch).map_err(|_| anyhow::anyhow!("the archive is no longer written"))
    }
}

/// Sends the stored bytes of a large file piece by piece, until they end or nobody takes them.
fn cut_pieces(
    content: &mut StoredReader<'_>,
    cutter: Cutter,
    pieces: &SyncSender<Vec<u8>>,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(AHEAD);
    let mut start = 0;
    loop {
        if buffer.len() - start < LARGEST_PIECE && !content.is_done() {
            buffer.drain(..start);
            start = 0;
            let wanted = (AHEAD - buffer.len()) as u64;
            content.by_ref().take(wanted).read_to_end(&mut buffer)?;
        }
        let length = cutter.cut(&buffer[start..]);
        if length == 0 || pieces.send(buffer[start..start + length].to_vec()).is_err() {
            return Ok(());
        }
        start += length;
    }
}
