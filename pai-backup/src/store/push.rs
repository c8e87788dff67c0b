//! `push`: archives of the archive folder into a store.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::progress::Progress;
use pai_common::sha256::{Digest, Sha256};
use pai_common::units::human_size;

use super::repair::repair;
use super::send::{Sender, StoreSink};
use super::{Kind, Series, kind_of};
use crate::Context;
use crate::archive::index::Index;
use crate::archive::member::MemberInfo;
use crate::archive::open::{Archive, open_to_read, pieces_of_tail};
use crate::archive::writer::{Origin, Sink as _};
use crate::cli::Push;
use crate::crypt::Recipients;
use crate::reuse::InStore as _;
use crate::shelf::{EXTENSION, Stored};

/// Runs `push`.
pub(crate) fn run(args: &Push, run: &Context<'_>) -> anyhow::Result<Exit> {
    let store = run.store()?;
    let series = Series::new(&run.place.prefix)?;
    let _lock = store.lock(args.wait)?;
    if args.repair {
        repair(&store, &run.shelf(None)?, run)?;
        store.report(run.console);
        return Ok(Exit::partial_if(run.console.complaints() > 0));
    }
    let named = Recipients::named(&args.seal.recipient, &args.seal.recipients_file)?;
    let mut sender = Sender::begin(&store, &series, false, named.as_ref(), run.console)?;
    let mut out = Output::stdout(false);
    for path in which(args, &sender, &series, run)? {
        match push(&mut sender, &path, run) {
            Ok(name) => out.line(name.as_bytes())?,
            Err(error) => {
                pai_common::signal::check()?;
                // The next archive would meet the same trouble.
                if matches!(kind_of(&error), Some(Kind::Passing | Kind::Denied | Kind::Lasting)) {
                    return Err(error);
                }
                run.console.complain(format_args!("{error:#}"));
            }
        }
    }
    out.finish()?;
    sender.remind(run)?;
    store.report(run.console);
    Ok(Exit::partial_if(run.console.complaints() > 0))
}

/// The archives to send, oldest first.
fn which(
    args: &Push,
    sender: &Sender<'_>,
    series: &Series,
    run: &Context<'_>,
) -> anyhow::Result<Vec<PathBuf>> {
    let shelf = run.shelf(None)?;
    if !args.archives.is_empty() {
        return args.archives.iter().map(|named| shelf.resolve(named, run.console)).collect();
    }
    // What is older than the newest there was forgotten, or was never wanted.
    let newest = sender.newest().filter(|_| !args.all).and_then(|newest| series.time_of(&newest));
    let mut stored = shelf.list()?;
    stored.retain(|Stored { path, time }| {
        let there = name_of(path).is_ok_and(|name| sender.has(&name));
        !there && newest.is_none_or(|newest| *time > newest)
    });
    Ok(stored.into_iter().rev().map(|stored| stored.path).collect())
}

/// The name that the archive in this file has in a store.
pub(super) fn name_of(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(EXTENSION));
    name.map(str::to_owned).with_context(|| {
        format!("could not send {}: archives in a store have names like pai-20250916-090003", path.display())
    })
}

/// Sends one archive, unless it is there, and says what it is called there.
pub(super) fn push(sender: &mut Sender<'_>, path: &Path, run: &Context<'_>) -> anyhow::Result<String> {
    let name = name_of(path)?;
    if sender.series().time_of(&name).is_none() {
        bail!("could not send {}: it is not of the series {}", path.display(), sender.series().prefix());
    }
    if sender.has(&name) {
        return Ok(name);
    }
    let context = || format!("could not send {}", path.display());
    let archive = Archive::open(path)?;
    // What is damaged must not look as if it were safe.
    let index = archive.index().map_err(Clone::clone).with_context(context)?;
    let known = match sender.parent() {
        None => HashMap::new(),
        Some(parent) => members_of(parent?.index().map_err(Clone::clone)?)?,
    };
    let progress = Progress::bytes(run.console, "sending", Some(archive.file().size()));
    let (summary, digest) = std::thread::scope(|scope| {
        let digest = scope.spawn(|| digest_of(path));
        let sink = StoreSink::new(sender, &name);
        let sink = fill(sink, &archive, index, &known, sender, &progress).with_context(context)?;
        let digest = digest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let digest = digest.with_context(context)?;
        Ok::<_, anyhow::Error>((sink, digest))
    })?;
    let summary =
        summary.finish(sender, Some(digest), index.about(), index.totals()).with_context(context)?;
    run.console.detail(format_args!(
        "{name}: {} of {} sent",
        human_size(summary.added),
        human_size(summary.size)
    ));
    if let Some(shrunk) = summary.shrunk {
        run.console.alarm(format_args!("{name}: {shrunk}"));
    }
    Ok(name)
}

/// Where each member of an archive is, by the SHA-256 of its payload.
pub(super) fn members_of(index: &Index) -> anyhow::Result<HashMap<Digest, (u64, MemberInfo)>> {
    let mut members = HashMap::new();
    for place in index.members()? {
        let mut offset = place.offset;
        for info in place.members {
            members.insert(info.digest, (offset, info));
            offset += u64::from(info.size);
        }
    }
    Ok(members)
}

/// Puts the members, the index and the footer of an archive into the sink.
fn fill(
    mut sink: StoreSink,
    archive: &Archive,
    index: &Index,
    known: &HashMap<Digest, (u64, MemberInfo)>,
    sender: &Sender<'_>,
    progress: &Progress<'_>,
) -> anyhow::Result<StoreSink> {
    let mut own: HashMap<Digest, (u64, MemberInfo)> = HashMap::new();
    for place in index.members()? {
        let mut offset = place.offset;
        for info in place.members {
            pai_common::signal::check()?;
            let size = u64::from(info.size);
            let same = |other: &&(u64, MemberInfo)| other.1 == info;
            let kept = |other: &&(u64, MemberInfo)| sender.keeps(other.0, size);
            if let Some((at, _)) = known.get(&info.digest).filter(same).filter(kept) {
                sink.take_over(Origin::Parent, *at, size)?;
            } else if let Some((at, _)) = own.get(&info.digest).filter(same) {
                sink.take_over(Origin::Own, *at, size)?;
            } else {
                sink.append(&archive.file().member(offset, &info)?)?;
                own.insert(info.digest, (offset, info));
            }
            offset += size;
            progress.add(size);
        }
    }
    for piece in pieces_of_tail(&archive.file().tail(index.data_size())?) {
        sink.append_piece(piece)?;
    }
    Ok(sink)
}

pub(super) fn digest_of(path: &Path) -> std::io::Result<Digest> {
    let mut file: File = open_to_read(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
