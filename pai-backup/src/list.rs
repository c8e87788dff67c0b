//! `list`: the archives of a folder or a store, or the entries of one (`content`).

mod content;

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pai_common::clock::Timestamp;
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::output::Output;
use pai_common::sha256::Digest;
use pai_common::units::human_size;
use serde::{Serialize, Serializer};

use crate::Context;
use crate::archive::open::Archive;
use crate::cli::List;
use crate::contents;
use crate::list::content::list_content;
use crate::shelf::Stored;
use crate::store::{Form, Series, Store};

/// Runs `list`.
pub(crate) fn run(args: &List, run: &Context<'_>) -> anyhow::Result<Exit> {
    let mut out = Output::stdout(args.json);
    let mut is_any = true;
    match &args.archive {
        None if args.names => is_any = list_names(run, &mut out)?,
        None => is_any = list_archives(run, &mut out)?,
        Some(named) if named.as_os_str() == "-" => {
            let digests = args.sha256;
            list_content(args, &mut out, |visit| contents::visit_stdin(|_| digests, run, visit))?;
        }
        Some(named) => {
            let (archive, digests) = (run.open(named)?, args.sha256);
            list_content(args, &mut out, |visit| {
                contents::visit(&archive, |_| digests, run.threads(), run.console, visit)
            })?;
        }
    }
    out.finish()?;
    match args.max_age {
        Some(age) => check_age(age, run)?,
        None if !is_any => return Err(no_archive(run)?),
        None => {}
    }
    Ok(Exit::partial_if(run.console.complaints() > 0))
}

/// The archives' names, newest first; whether there are any.
fn list_names(run: &Context<'_>, out: &mut Output) -> anyhow::Result<bool> {
    let archives = archives(run)?;
    for (path, _) in &archives {
        out.line(path.file_name().unwrap_or_default().as_bytes())?;
    }
    Ok(!archives.is_empty())
}

/// Path and time of all archives, newest first.
fn archives(run: &Context<'_>) -> anyhow::Result<Vec<(PathBuf, Timestamp)>> {
    let Some(store) = run.store_of(Path::new("latest"))? else {
        return Ok(run.shelf(None)?.list()?.into_iter().map(|Stored { path, time }| (path, time)).collect());
    };
    let entries = store.archives(&Series::new(&run.place.prefix)?)?;
    Ok(entries.into_iter().map(|entry| (store.path_of(&entry.name), entry.time)).collect())
}

/// No archive at all is trouble, as for `verify`: the folder may be another one.
fn no_archive(run: &Context<'_>) -> anyhow::Result<anyhow::Error> {
    let error = match run.store_of(Path::new("latest"))? {
        Some(store) => anyhow::anyhow!("no archive of the series {} in {}", run.place.prefix, store.shown()),
        None => run.shelf(None)?.none_here(),
    };
    let hint = "make one with pai-backup create, or name the right --archive-dir, --store or --name";
    Ok(Hinted::new(error, hint).into())
}

/// Complains if the newest archive is older than `age`, or if there is none.
fn check_age(age: Duration, run: &Context<'_>) -> anyhow::Result<()> {
    let oldest = run.clock.now().minus(age);
    match archives(run)?.first() {
        None => run.console.complain("there is no archive"),
        Some((path, time)) if *time < oldest => {
            run.console.complain(format_args!("the newest archive is too old: {} of {time}", path.display()));
        }
        Some(_) => {}
    }
    Ok(())
}

/// One archive of the folder.
#[derive(Debug, Serialize)]
struct ArchiveRow {
    r#type: &'static str,
    #[serde(serialize_with = "lossily")]
    path: PathBuf,
    time: Timestamp,
    size: u64,
    files: Option<u64>,
    content: Option<u64>,
    /// Share of its compressed bytes that the archive before it holds too.
    #[serde(skip_serializing_if = "Option::is_none")]
    reused: Option<f64>,
    /// Bytes that came into the store with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<u64>,
    good: bool,
    /// Whether files are missing from it, or cut.
    partial: bool,
    /// How many.
    incomplete: u64,
    /// Whether it keeps what a restore replaced, and is no backup.
    replaced: bool,
    why: Option<String>,
}

impl ArchiveRow {
    /// One of which nothing else is known yet.
    fn of(path: PathBuf, time: Timestamp) -> Self {
        Self {
            r#type: "archive",
            path,
            time,
            size: 0,
            files: None,
            content: None,
            reused: None,
            added: None,
            good: false,
            partial: false,
            incomplete: 0,
            replaced: false,
            why: None,
        }
    }

    fn verdict(&self) -> String {
        match &self.why {
            Some(why) => why.clone(),
            None if self.partial => format!("partial ({} left out or cut)", self.incomplete),
            None if self.replaced => "good (what a restore replaced)".to_owned(),
            None => "good".to_owned(),
        }
    }
}

/// JSON is UTF-8, and not every path is.
fn lossily<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// The archives of a store, as their lists tell of them.
fn list_store(store: &Store, run: &Context<'_>, out: &mut Output) -> anyhow::Result<bool> {
    let series = Series::new(&run.place.prefix)?;
    let entries = store.archives(&series)?;
    if let Some(why) = store.set_back(&series, entries.iter().map(|entry| &entry.name)) {
        run.console.complain(why);
    }
    for entry in &entries {
        let mut row = ArchiveRow::of(store.path_of(&entry.name), entry.time);
        if entry.form == Form::Sealed && !run.keys.are_named() {
            // Without a key there is a name, and the time in it.
            row.why = Some("encrypted; --identity opens it".to_owned());
        } else {
            match store.list_of(&entry.name) {
                Ok((list, _)) => {
                    (row.size, row.added, row.good) = (list.runs.size(), Some(list.added), true);
                }
                Err(error) => row.why = Some(format!("{error:#}")),
            }
        }
        let size = |known: Option<u64>| known.map_or_else(|| "-".to_owned(), human_size);
        out.record(&row, |text| {
            writeln!(
                text,
                "{}  {:>10}  {:>10} added  {}  {}",
                row.time,
                size(row.added.map(|_| row.size)),
                size(row.added),
                row.path.display(),
                row.why.as_deref().unwrap_or("listed")
            )
        })?;
    }
    Ok(!entries.is_empty())
}

/// The archives of the folder or the store; whether there are any.
fn list_archives(run: &Context<'_>, out: &mut Output) -> anyhow::Result<bool> {
    if let Some(store) = run.store_of(Path::new("latest"))? {
        return list_store(&store, run, out);
    }
    let mut rows: Vec<ArchiveRow> = Vec::new();
    let mut members_before: HashSet<Digest> = HashSet::new();
    let shelf = run.shelf(None)?;
    // Oldest first, since each is compared with the one before it.
    for stored in shelf.list()?.into_iter().rev() {
        rows.push(archive_row(stored, &mut members_before));
    }
    let is_any = !rows.is_empty();
    for stored in shelf.of_replaced().map(|shelf| shelf.list()).transpose()?.unwrap_or_default() {
        rows.push(ArchiveRow { reused: None, replaced: true, ..archive_row(stored, &mut HashSet::new()) });
    }
    // Stable: the newest last, and of one second the backup.
    rows.sort_by_key(|row| row.time);
    for row in rows.iter().rev() {
        out.record(row, |text| {
            let count = row.files.map_or("-".to_owned(), |number| number.to_string());
            let files = if row.files == Some(1) { "file " } else { "files" };
            let reused = row.reused.map_or("-".to_owned(), |share| format!("{:.0}%", share * 100.0));
            writeln!(
                text,
                "{}  {:>10}  {count:>8} {files}  {:>5} reused  {}  {}",
                row.time,
                human_size(row.size),
                reused,
                row.path.display(),
                row.verdict()
            )
        })?;
    }
    Ok(is_any)
}

fn archive_row(stored: Stored, members_before: &mut HashSet<Digest>) -> ArchiveRow {
    let mut row = ArchiveRow::of(stored.path, stored.time);
    let archive = match Archive::open(&row.path) {
        Ok(archive) => archive,
        Err(error) => {
            row.why = Some(format!("{error:#}"));
            return row;
        }
    };
    row.size = archive.file().size();
    match archive.index().map_err(ToString::to_string).and_then(|index| {
        let members = index.members().map_err(|error| error.to_string())?;
        Ok((index.totals(), index.data_size(), members, index.about().incomplete))
    }) {
        Err(why) => row.why = Some(why),
        Ok((totals, size, groups, incomplete)) => {
            let members: Vec<_> = groups.into_iter().flat_map(|group| group.members).collect();
            let known = members.iter().filter(|info| members_before.contains(&info.digest));
            let shared: u64 = known.map(|info| u64::from(info.size)).sum();
            *members_before = members.iter().map(|info| info.digest).collect();
            row.files = Some(totals.files);
            row.content = Some(totals.bytes);
            row.reused = Some(shared as f64 / size.max(1) as f64);
            row.good = true;
            (row.partial, row.incomplete) = (incomplete > 0, incomplete);
        }
    }
    row
}
