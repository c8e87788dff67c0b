//! The logs that were named, and their copies.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, Metadata, ReadDir};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::bail;
use pai_common::atomic;
use pai_common::clock::{Timestamp, Zone};
use pai_common::console::Console;
use pai_common::stamp;

use super::log::{Log, LogCopy};
use crate::look::Identity;
use crate::paths::{self, open_name};

/// Endings of files that are no log to rotate.
const COMPRESSED: [&str; 7] = [".gz", ".zst", ".xz", ".bz2", ".lz4", ".zip", ".partial"];

/// The logs that `arguments` name, each once, by path.
pub(super) fn logs(arguments: &[PathBuf], missing_ok: bool, console: &Console) -> Vec<Log> {
    let mut logs = Vec::new();
    for named in paths::resolve(arguments, missing_ok, console) {
        if named.metadata.is_dir() {
            if named.may_scan {
                scan(&named.path, &mut logs, console);
            }
        } else if let Some(log) = consider(&named.path, &named.metadata, console) {
            logs.push(log);
        }
    }
    let real = |log: &Log| open_name(&log.folder).canonicalize().unwrap_or_default().join(&log.name);
    logs.sort_by_cached_key(real);
    logs.dedup_by_key(|log| real(log));
    logs
}

fn scan(folder: &Path, logs: &mut Vec<Log>, console: &Console) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            return console.complain(format_args!("could not read folder {}: {error}", folder.display()));
        }
    };
    for entry in complaining(entries, folder, console) {
        let name = entry.file_name();
        if !name.as_bytes().ends_with(b".log") || name.as_bytes().starts_with(b".") {
            continue;
        }
        let path = folder.join(&name);
        match entry.metadata() {
            Ok(metadata) => logs.extend(consider(&path, &metadata, console)),
            Err(error) => console.complain(format_args!("could not look up {}: {error}", path.display())),
        }
    }
}

/// The entries of a folder that can be read. Each unreadable one is reported.
fn complaining(entries: ReadDir, folder: &Path, console: &Console) -> impl Iterator<Item = DirEntry> {
    entries.filter_map(move |entry| {
        entry
            .inspect_err(|error| {
                console.complain(format_args!("could not read folder {}: {error}", folder.display()));
            })
            .ok()
    })
}

fn consider(path: &Path, metadata: &Metadata, console: &Console) -> Option<Log> {
    let name = path.file_name()?;
    if !metadata.is_file() || is_no_log(name) {
        console.detail(format_args!("left {}: a link, compressed, or a rotated copy", path.display()));
        return None;
    }
    if metadata.nlink() > 1 {
        // Exchanging one name would leave the other one growing (and might be an attack on the other).
        console.complain(format_args!("could not rotate {}: it has other hard links", path.display()));
        return None;
    }
    Some(Log {
        folder: paths::folder_of(path).to_owned(),
        name: name.to_owned(),
        size: metadata.len(),
        made: metadata.created().ok().map(Timestamp::from),
        written: Timestamp::new(metadata.mtime(), metadata.mtime_nsec() as u32),
    })
}

fn is_no_log(name: &OsStr) -> bool {
    COMPRESSED.iter().any(|ending| name.as_bytes().ends_with(ending.as_bytes())) || split_copy(name).is_some()
}

/// A copy's name: the log's name, the time, and whether it is compressed.
fn split_copy(name: &OsStr) -> Option<(&OsStr, Timestamp, bool)> {
    let bytes = name.as_bytes();
    let plain = bytes.strip_suffix(b".gz").unwrap_or(bytes);
    let (log, stamp) = plain.split_at_checked(plain.len().checked_sub("-YYYYMMDD-HHMMSS".len())?)?;
    let stamp = stamp.strip_prefix(b"-").filter(|stamp| stamp[8] == b'-')?;
    let found = stamp::find(stamp, Zone::Local).filter(|found| found.range == (0..stamp.len()))?;
    (!log.is_empty()).then_some((OsStr::from_bytes(log), found.time, plain.len() < bytes.len()))
}

/// The copies of each log, beside it and in the archive folder.
pub(super) fn copies(logs: &[Log], archive: Option<&Path>, console: &Console) -> Vec<Vec<LogCopy>> {
    let mut by_folder: HashMap<&Path, HashMap<OsString, Vec<LogCopy>>> = HashMap::new();
    for folder in logs.iter().map(|log| log.folder.as_path()).chain(archive) {
        by_folder.entry(folder).or_insert_with(|| copies_in(folder, console));
    }
    let is_apart = |folder: &Path| archive.is_some_and(|archive| real(archive) != real(folder));
    logs.iter()
        .map(|log| {
            let elsewhere = archive.filter(|_| is_apart(&log.folder));
            [Some(log.folder.as_path()), elsewhere]
                .into_iter()
                .flatten()
                .filter_map(|folder| by_folder.get(folder)?.get(&log.name))
                .flatten()
                .cloned()
                .collect()
        })
        .collect()
}

fn real(folder: &Path) -> Option<PathBuf> {
    open_name(folder).canonicalize().ok()
}

fn copies_in(folder: &Path, console: &Console) -> HashMap<OsString, Vec<LogCopy>> {
    let mut copies: HashMap<OsString, Vec<LogCopy>> = HashMap::new();
    let entries = match fs::read_dir(open_name(folder)) {
        Ok(entries) => entries,
        // A dry run does not make the archive folder.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return copies,
        Err(error) => {
            console.complain(format_args!("could not read folder {}: {error}", folder.display()));
            return copies;
        }
    };
    for entry in complaining(entries, folder, console) {
        let name = entry.file_name();
        let Some((log, time, is_compressed)) = split_copy(&name) else { continue };
        let Some(metadata) = entry.metadata().ok().filter(Metadata::is_file) else { continue };
        let identity = Some(Identity::of(&metadata));
        let log = log.to_owned();
        let folder = folder.to_owned();
        copies.entry(log).or_default().push(LogCopy { folder, name, time, is_compressed, identity });
    }
    for copies in copies.values_mut() {
        copies.sort_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
    }
    copies
}

/// Removes halves of compressed copies that runs which did not end have left. The caller holds the locks.
pub(super) fn remove_abandoned(logs: &[Log], archive: Option<&Path>, console: &Console) {
    let is_ours = |name: &[u8]| {
        split_copy(OsStr::from_bytes(name)).is_some_and(|(log, _, is_compressed)| {
            is_compressed && logs.iter().any(|known| known.name == log)
        })
    };
    let folders: BTreeSet<&Path> = logs.iter().map(|log| open_name(&log.folder)).chain(archive).collect();
    for folder in folders {
        match atomic::remove_abandoned(folder, is_ours) {
            Ok(removed) => removed.iter().for_each(|path| {
                console.note(format_args!("removed {}, left by a run that did not end", path.display()));
            }),
            Err(error) => console.complain(format_args!("{error:#}")),
        }
    }
}

/// Two logs of one name would mix their copies in one archive folder, and each would expire the other's.
pub(super) fn refuse_clashes(logs: &[Log], archive: Option<&Path>) -> anyhow::Result<()> {
    let Some(archive) = archive else { return Ok(()) };
    let mut seen: HashMap<&OsStr, &Log> = HashMap::new();
    for log in logs {
        if let Some(other) = seen.insert(&log.name, log) {
            bail!(
                "could not rotate {} and {} into one folder {}: their copies would have the same names",
                other.path().display(),
                log.path().display(),
                archive.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copies_of_our_own_making_are_copies() {
        let log =
            |name| split_copy(OsStr::new(name)).map(|(log, _, gz)| (log.to_str().unwrap().to_owned(), gz));
        assert_eq!(log("app.log-20250916-090003.gz"), Some(("app.log".to_owned(), true)));
        assert_eq!(log("app.log-20250916-090003"), Some(("app.log".to_owned(), false)));
        for foreign in [
            "app.log",
            "app.log.1",
            "app.log-20250916",
            "app.log-20250916.gz",
            "app.log-20250916_090003.gz",
            "app.log-20251399-090003.gz",
            "app.log-20250916-090003.gz.bak",
            "app.log-20250916-090003.zip",
            "-20250916-090003",
        ] {
            assert_eq!(log(foreign), None, "{foreign}");
        }
    }
}
