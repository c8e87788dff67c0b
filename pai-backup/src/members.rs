//! Which names of a workspace an archive has unless the user names some, and which names are our own: archives, their
//! sidecars and logs. Nothing else is left out, whatever folder it lies in.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use glob::Pattern;

/// The top-level names the runbook lists, in its order; they come before all others.
const DOCUMENTED: [&str; 11] = [
    "context.md",
    "memory.md",
    "projects",
    "tools",
    "config.json",
    "pai.sh",
    "server.py",
    "scheduler.py",
    "voice.py",
    "optimize_memory.py",
    "backup.sh",
];

/// Whether a name is one of ours.
type IsOurs = fn(&OsStr) -> bool;

/// The folders in which we write beside the user, and what in them is ours.
const SHARED: [(&str, IsOurs); 2] = [("archive", is_archive), ("logs", is_log)];

/// `YYYYMMDD-HHMMSS` as a pattern.
const STAMP: &str = "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-[0-9][0-9][0-9][0-9][0-9][0-9]";
/// What follows the stamp in the name of an archive, of a capsule, and of what belongs to them.
const ENDINGS: [&str; 8] = [
    ".tar.gz",
    ".tar.gz.sha256",
    ".tar.gz.par2",
    ".tar.gz.broken",
    ".tar.gz.age",
    ".tar.gz.age.sha256",
    ".zip",
    ".zip.sha256",
];
/// A file of ours that was being written when a run was killed.
const UNFINISHED: &str = ".*.partial";

/// The names below `root` that an archive has by default, in archive order. Of `archive/` and `logs/` it has what is
/// not ours, each by its own name.
pub(crate) fn default_members(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut members = Vec::new();
    for name in names_in(root)? {
        match SHARED.iter().find(|(folder, _)| name.as_os_str() == *folder) {
            Some((_, is_ours)) if is_folder(&root.join(&name))? => {
                let inside = names_in(&root.join(&name))?;
                let theirs = inside.into_iter().filter(|inside| !is_ours(inside.as_os_str()));
                members.extend(theirs.map(|inside| name.join(inside)));
            }
            _ => members.push(name),
        }
    }
    let rank = |name: &Path| {
        DOCUMENTED.iter().position(|&known| Path::new(known) == name).unwrap_or(DOCUMENTED.len())
    };
    members.sort_by(|a, b| {
        rank(a).cmp(&rank(b)).then_with(|| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()))
    });
    Ok(members)
}

/// Patterns, as excludes have them, for what is ours in `folder` of the workspace, an archive folder.
pub(crate) fn own_in(root: &Path, folder: &Path) -> anyhow::Result<Vec<String>> {
    let place = match folder.to_string_lossy() {
        path if path.is_empty() => "/".to_owned(),
        path => format!("/{}/", Pattern::escape(&path)),
    };
    let is_all_ours = || -> anyhow::Result<bool> {
        Ok(!folder.as_os_str().is_empty()
            && names_in(&root.join(folder))?.iter().all(|name| is_archive(name.as_os_str())))
    };
    if is_all_ours()? {
        return Ok(vec![place.trim_end_matches('/').to_owned()]);
    }
    let archives = ENDINGS.iter().map(|ending| format!("{place}*-{STAMP}{ending}"));
    Ok(archives.chain([format!("{place}{UNFINISHED}")]).collect())
}

/// Whether a name in an archive folder is that of an archive of any series, of its sidecar, or of one that was never
/// finished.
fn is_archive(name: &OsStr) -> bool {
    let matches =
        |pattern: &str| Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(&name.to_string_lossy()));
    matches(UNFINISHED) || ENDINGS.iter().any(|ending| matches(&format!("*-{STAMP}{ending}")))
}

/// Whether a name in `logs/` is that of a log, rotated or not, or of a lock.
fn is_log(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let is_rotated = [".log.", ".log-"].iter().any(|part| name.contains(part));
    name.ends_with(".log") || is_rotated || (name.starts_with('.') && name.ends_with(".lock"))
}

/// Whether a path is a folder, or leads to one. One that cannot be looked at may be a folder full of archives.
fn is_folder(path: &Path) -> anyhow::Result<bool> {
    match path.metadata() {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("could not look at {}", path.display())),
    }
}

/// The names in a folder; none if it is not there.
fn names_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let context = || format!("could not read {}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(context)?,
    };
    entries.map(|entry| Ok(PathBuf::from(entry.with_context(context)?.file_name()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_sidecars_and_logs_are_ours_and_nothing_else_is() {
        for (name, archive, log) in [
            ("pai-20250916-090003.tar.gz", true, false),
            ("my-series-20250916-090003.tar.gz.sha256", true, false),
            ("pre-restore-20250916-090003.tar.gz", true, false),
            ("pai-20250916-090003.tar.gz.age", true, false),
            ("pai-20250916-090003.tar.gz.age.sha256", true, false),
            ("pai-20250916-090003.zip", true, false),
            (".pai-20250916-090003.tar.gz.partial", true, false),
            ("memory", false, false),
            ("codexdb_2025-09-16.sql", false, false),
            ("pai-notes.tar.gz", false, false),
            ("pai-20250916.tar.gz", false, false),
            ("pai-20250916-090003.tar.gz.txt", false, false),
            ("backup.log", false, true),
            ("backup.log.1", false, true),
            ("backup.log-20250916-090003.gz", false, true),
            (".job.lock", false, true),
            ("actions.jsonl", false, false),
            ("catalog", false, false),
            ("maintenance_report.html", false, false),
        ] {
            let name = OsStr::new(name);
            assert_eq!((is_archive(name), is_log(name)), (archive, log), "{}", name.display());
        }
    }
}
