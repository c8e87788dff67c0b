//! Sources in, members out: what `create` does between the walk and the finished archive.
//!
//! One thread walks, groups and cuts large files (`plan`); the others read small files, hash and compress
//! (`seal`); this one writes the results in order.

mod plan;
mod read;
pub(crate) mod remake;
mod seal;

use std::path::{Path, PathBuf};

use anyhow::Context;
use pai_common::console::Console;
use pai_common::progress::Progress;
use pai_common::walk;

use crate::archive::index::Group;
use crate::archive::member::MemberInfo;
use crate::archive::writer::{ArchiveWriter, Sink};
use crate::pack::plan::Planner;
use crate::pack::seal::{Sealed, Worker};
use crate::pipeline;
use crate::reuse::{Found, Known};
use crate::source::Sources;

/// What is packed, and how.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// The folder the entries' paths are relative to.
    pub(crate) root: &'a Path,
    /// Top-level names, in order.
    pub(crate) names: &'a [PathBuf],
    /// Excludes and the like.
    pub(crate) options: &'a walk::Options,
    /// The archive being written, if it could lie inside the root.
    pub(crate) own: Option<&'a Path>,
    /// Keep extended attributes.
    pub(crate) xattrs: bool,
    /// Compression level.
    pub(crate) level: u8,
    /// Worker threads.
    pub(crate) threads: usize,
    /// Where chunks can be copied from.
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

/// Packs everything into `writer`. Files that could not be read are complained of and left out.
pub(crate) fn pack<W: Sink>(
    job: &Job<'_>,
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
            Sources::new(job.root, job.options, job.own, console)
                .visit(job.names, |source| planner.take(source))?;
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
) -> std::io::Result<()> {
    match sealed {
        Sealed::Member { bytes, info, reused } => {
            let offset = writer.offset();
            match &bytes {
                Found::Bytes(bytes) => writer.member(bytes)?,
                Found::At(origin, at) => writer.take_over(*origin, *at, info.size)?,
            }
            job.known.written(offset, info);
            open_group.push(info);
            *(if reused { &mut tally.reused } else { &mut tally.fresh }) += u64::from(info.size);
            Ok(())
        }
        Sealed::GroupEnd(records) => {
            writer.group(&Group { members: std::mem::take(open_group), records });
            Ok(())
        }
    }
}
