//! `list`: the archives of a folder, or the entries of one.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pai_common::checksum_line::{self, Style};
use pai_common::clock::{Timestamp, Zone};
use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::sha256::{self, Digest};
use pai_common::units::human_size;
use serde::{Serialize, Serializer};

use crate::Context;
use crate::archive::open::Archive;
use crate::cli::List;
use crate::contents::{self, Listed};
use crate::entry::Kind;
use crate::shelf::Stored;
use crate::store::{Form, Series, Store};

/// Runs `list`.
pub(crate) fn run(args: &List, run: &Context<'_>) -> anyhow::Result<Exit> {
    let mut out = Output::stdout(args.json);
    match &args.archive {
        None if args.names => list_names(run, &mut out)?,
        None => list_archives(run, &mut out)?,
        Some(named) => {
            let archive = run.open(named)?;
            if args.sha256 {
                list_digests(&archive, run, &mut out)?;
            } else {
                list_entries(&archive, args.long, run, &mut out)?;
            }
        }
    }
    out.finish()?;
    if let Some(age) = args.max_age {
        check_age(age, run)?;
    }
    Ok(Exit::partial_if(run.console.complaints() > 0))
}

/// The archives' names, newest first.
fn list_names(run: &Context<'_>, out: &mut Output) -> anyhow::Result<()> {
    for (path, _) in archives(run)? {
        out.line(path.file_name().unwrap_or_default().as_bytes())?;
    }
    Ok(())
}

/// Path and time of all archives, newest first.
fn archives(run: &Context<'_>) -> anyhow::Result<Vec<(PathBuf, Timestamp)>> {
    let Some(store) = run.store_of(Path::new("latest"))? else {
        return Ok(run.shelf(None)?.list()?.into_iter().map(|Stored { path, time }| (path, time)).collect());
    };
    let entries = store.archives(&Series::new(&run.place.prefix)?)?;
    Ok(entries.into_iter().map(|entry| (store.path_of(&entry.name), entry.time)).collect())
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
            why: None,
        }
    }
}

/// JSON is UTF-8, and not every path is.
fn lossily<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// The archives of a store, as their lists tell of them.
fn list_store(store: &Store, run: &Context<'_>, out: &mut Output) -> anyhow::Result<()> {
    let series = Series::new(&run.place.prefix)?;
    let entries = store.archives(&series)?;
    if let Some(why) = store.set_back(&series, entries.iter().map(|entry| &entry.name)) {
        run.console.complain(why);
    }
    for entry in entries {
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
    Ok(())
}

fn list_archives(run: &Context<'_>, out: &mut Output) -> anyhow::Result<()> {
    if let Some(store) = run.store_of(Path::new("latest"))? {
        return list_store(&store, run, out);
    }
    let mut rows: Vec<ArchiveRow> = Vec::new();
    let mut members_before: HashSet<Digest> = HashSet::new();
    // Oldest first, since each is compared with the one before it.
    for stored in run.shelf(None)?.list()?.into_iter().rev() {
        rows.push(archive_row(stored, &mut members_before));
    }
    for row in rows.iter().rev() {
        out.record(row, |text| {
            let count = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
            let reused = row.reused.map_or("-".to_owned(), |share| format!("{:.0}%", share * 100.0));
            let verdict = match &row.why {
                Some(why) => why.clone(),
                None if row.partial => format!("partial ({} left out or cut)", row.incomplete),
                None => "good".to_owned(),
            };
            writeln!(
                text,
                "{}  {:>10}  {:>8} files  {:>5} reused  {}  {verdict}",
                row.time,
                human_size(row.size),
                count(row.files),
                reused,
                row.path.display()
            )
        })?;
    }
    Ok(())
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

/// One entry of an archive.
#[derive(Debug, Serialize)]
struct EntryRow<'a> {
    r#type: &'static str,
    path: std::borrow::Cow<'a, str>,
    kind: &'static str,
    mode: String,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

fn list_entries(archive: &Archive, long: bool, run: &Context<'_>, out: &mut Output) -> anyhow::Result<()> {
    contents::visit(
        archive,
        |_| false,
        run.threads(),
        run.console,
        |listed| {
            let entry = &listed.entry;
            let row = EntryRow {
                r#type: "entry",
                path: entry.path.to_string_lossy(),
                kind: entry.kind.word(),
                mode: format!("{:04o}", entry.mode),
                uid: entry.uid,
                gid: entry.gid,
                size: entry.size,
                mtime: entry.mtime,
                link: (!entry.link.as_os_str().is_empty()).then(|| entry.link.to_string_lossy()),
                sha256: listed.digest.as_ref().map(sha256::to_hex),
            };
            out.record(&row, |text| if long { long_line(&listed, text) } else { name_line(&listed, text) })
        },
    )
}

fn name_line(listed: &Listed, text: &mut dyn Write) -> io::Result<()> {
    text.write_all(listed.entry.path.as_os_str().as_bytes())?;
    text.write_all(if listed.entry.kind == Kind::Folder { b"/\n" } else { b"\n" })
}

fn long_line(listed: &Listed, text: &mut dyn Write) -> io::Result<()> {
    let entry = &listed.entry;
    let civil = entry.mtime.civil(Zone::Local);
    let mode = permissions(entry.kind, entry.mode);
    write!(text, "{mode} {}/{} {:>12} {} {} ", entry.uid, entry.gid, entry.size, civil.date(), civil.time())?;
    text.write_all(entry.path.as_os_str().as_bytes())?;
    if !entry.link.as_os_str().is_empty() {
        text.write_all(if entry.kind == Kind::HardLink { b" link to " } else { b" -> " })?;
        text.write_all(entry.link.as_os_str().as_bytes())?;
    }
    text.write_all(if entry.kind == Kind::Folder { b"/\n" } else { b"\n" })
}

/// `drwxr-x---`, as `ls -l` writes it.
fn permissions(kind: Kind, mode: u32) -> String {
    let mut text: Vec<char> = "rwxrwxrwx".chars().collect();
    for (bit, letter) in text.iter_mut().rev().enumerate() {
        if mode & (1 << bit) == 0 {
            *letter = '-';
        }
    }
    for (bit, at, set) in [(0o4000, 2, 's'), (0o2000, 5, 's'), (0o1000, 8, 't')] {
        if mode & bit != 0 {
            text[at] = if text[at] == 'x' { set } else { set.to_ascii_uppercase() };
        }
    }
    std::iter::once(kind.letter()).chain(text).collect()
}

/// `sha256sum` lines; a hard link has the digest of the file it names.
fn list_digests(archive: &Archive, run: &Context<'_>, out: &mut Output) -> anyhow::Result<()> {
    let mut linked: HashMap<PathBuf, Option<Digest>> = HashMap::new();
    let (threads, console) = (run.threads(), run.console);
    let note_link = |listed: Listed| {
        if listed.entry.kind == Kind::HardLink {
            linked.insert(listed.entry.link, None);
        }
        Ok(())
    };
    contents::visit(archive, |_| false, threads, console, note_link)?;
    let print_line = |listed: Listed| {
        let entry = &listed.entry;
        if let Some(slot) = linked.get_mut(&entry.path) {
            *slot = listed.digest;
        }
        let target = linked.get(&entry.link).copied().flatten();
        match listed.digest.or(if entry.kind == Kind::HardLink { target } else { None }) {
            Some(digest) => {
                out.line(&checksum_line::format(&digest, entry.path.as_os_str().as_bytes(), Style::Text))
            }
            None => Ok(()),
        }
    };
    contents::visit(archive, |_| true, threads, console, print_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_as_in_ls() {
        for (kind, mode, text) in [
            (Kind::File, 0o644, "-rw-r--r--"),
            (Kind::Folder, 0o1777, "drwxrwxrwt"),
            (Kind::File, 0o4755, "-rwsr-xr-x"),
            (Kind::File, 0o2644, "-rw-r-Sr--"),
            (Kind::Symlink, 0o777, "lrwxrwxrwx"),
        ] {
            assert_eq!(permissions(kind, mode), text);
        }
    }
}
