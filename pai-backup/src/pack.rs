//! Sources in, members out: what `create` does between the walk and the finished archive.
//!
//! One thread walks, groups and cuts large files (`plan`); the others read small files, hash and compress
//! (`seal`); this one writes the results in order.

mod plan;
mod read;
pub(crate) mod remake;
mod seal;

use std::io;
use std::path::Path;

use anyhow::Context;
use pai_common::console::Console;
use pai_common::progress::Progress;

use crate::archive::index::Group;
use crate::archive::member::MemberInfo;
use crate::archive::writer::{ArchiveWriter, Sink};
use crate::pack::plan::Planner;
use crate::pack::seal::{Sealed, Taken, Worker};
use crate::pipeline;
use crate::reuse::{Found, Known};
use crate::source::Sources;

/// Settings of a run that packs entries into members.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// The folder the entries' paths are relative to.
    pub(crate) root: &'a Path,
    /// Keep extended attributes.
    pub(crate) xattrs: bool,
    /// Compression level.
    pub(crate) level: u8,
    /// Worker threads.
    pub(crate) threads: usize,
    /// The archives that chunks can be copied from.
    pub(crate) known: Known<'a>,
    /// Share of the unchanged chunks to read anyway, 0 to 1.
    pub(crate) reread: f64,
}

/// Bytes of compressed members, by where they came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Copied, from the parent or from this archive.
    pub(crate) reused: u64,
    /// Compressed now.
    pub(crate) fresh: u64,
}

/// Packs all `sources` into `writer`. Files that could not be read are complained of and left out.
pub(crate) fn pack<W: Sink>(
    job: &Job<'_>,
    sources: Sources<'_>,
    writer: &mut ArchiveWriter<W>,
    console: &Console,
) -> anyhow::Result<Tally> {
    let progress =
        Progress::bytes(console, "archiving", job.known.parent.map(|parent| parent.totals().bytes));
    let mut tally = Tally::default();
    let mut open_group: Vec<MemberInfo> = Vec::new();
    pipeline::ordered(
        job.threads,
        |submit| {
            let mut planner = Planner::new(job, submit, console, &progress);
            sources.visit(|source| planner.take(source))?;
            planner.finish()
        },
        || Worker::new(job, console, &progress),
        |worker: &mut Worker<'_>, chunks| worker.seal(chunks),
        |sealed| {
            pai_common::signal::check()?;
            for sealed in sealed {
                write_sealed(job, writer, sealed, &mut open_group, &mut tally)
                    .context("could not write the archive")?;
            }
            Ok(())
        },
    )?;
    Ok(tally)
}

fn write_sealed<W: Sink>(
    job: &Job<'_>,
    writer: &mut ArchiveWriter<W>,
    sealed: Sealed,
    open_group: &mut Vec<MemberInfo>,
    tally: &mut Tally,
) -> io::Result<()> {
    match sealed {
        Sealed::Member { bytes, info, reused } => {
            let mut offset = write_found(writer, &bytes, info.size.into())?;
            member(job, info, &mut offset, open_group);
            *(if reused { &mut tally.reused } else { &mut tally.fresh }) += u64::from(info.size);
        }
        Sealed::Run { bytes, size, parts } => {
            let mut offset = write_found(writer, &bytes, size)?;
            job.known.give_back(bytes);
            for (info, ends) in parts {
                member(job, info, &mut offset, open_group);
                ends.map_or(Ok(()), |taken| known_group(job, writer, taken, open_group))?;
            }
            tally.reused += size;
        }
        Sealed::Known(taken) => known_group(job, writer, taken, open_group)?,
        Sealed::GroupEnd(records) => {
            writer.group(&Group { members: std::mem::take(open_group), records });
        }
    }
    Ok(())
}

/// Writes `size` bytes of members, and says where they begin.
fn write_found<W: Sink>(writer: &mut ArchiveWriter<W>, found: &Found, size: u64) -> io::Result<u64> {
    let offset = writer.offset();
    match found {
        Found::Bytes(bytes) => writer.member(bytes)?,
        Found::At(origin, at) => writer.take_over(*origin, *at, size)?,
    }
    Ok(offset)
}

/// A member was written at `offset`; the next one comes right behind it.
fn member(job: &Job<'_>, info: MemberInfo, offset: &mut u64, open_group: &mut Vec<MemberInfo>) {
    job.known.written(*offset, info);
    *offset += u64::from(info.size);
    open_group.push(info);
}

/// Ends a group of the parent. If one of its members had to be made again, and came out another, its records still hold.
fn known_group<W: Sink>(
    job: &Job<'_>,
    writer: &mut ArchiveWriter<W>,
    taken: Taken,
    open_group: &mut Vec<MemberInfo>,
) -> io::Result<()> {
    let Some(parent) = job.known.parent else { return Ok(()) };
    if parent.has_members(taken.at, open_group).map_err(io::Error::other)? {
        open_group.clear();
        return writer.known_group(parent.index(), taken.at, taken.totals).map_err(io::Error::other);
    }
    let records = parent.group_at(taken.at).map_err(io::Error::other)?.records;
    writer.group(&Group { members: std::mem::take(open_group), records });
    Ok(())
}
