//! `diff`: what differs between an archive and the disk, or between two archives.

mod scope;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::sha256::{Digest, Sha256};
use serde::Serialize;

use crate::Context;
use crate::archive::open::Archive;
use crate::cli::Diff;
use crate::contents::{self, Listed};
use crate::diff::scope::Scope;
use crate::entry::{Entry, Kind, without_dots};
use crate::pipeline::{self, Stopped};
use crate::source::Sources;

/// How an entry differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum State {
    /// Not in the archive.
    #[serde(rename = "+")]
    Added,
    /// Only in the archive.
    #[serde(rename = "-")]
    Removed,
    /// Other content.
    M,
    /// Another kind of thing.
    T,
    /// Only mode, owner or time differ.
    U,
    /// Other content, though size and time are the same: nobody wrote it, or somebody hid it.
    #[serde(rename = "?")]
    Silent,
}

impl State {
    /// The letter that shows it.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::M => 'M',
            Self::T => 'T',
            Self::U => 'U',
            Self::Silent => '?',
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// How.
    pub(crate) state: State,
    /// Where, relative to the root.
    pub(crate) path: PathBuf,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    r#type: &'static str,
    state: State,
    path: std::borrow::Cow<'a, str>,
}

/// Runs `diff`.
pub(crate) fn run(args: &Diff, run: &Context<'_>) -> anyhow::Result<Exit> {
    let archive = run.open(&args.archive)?;
    let changes = match &args.other {
        Some(other) => between_archives(&archive, &run.open(other)?, run)?,
        None => with_disk(&archive, args.quick, run)?,
    };
    let mut out = Output::stdout(args.json);
    for change in &changes {
        let row = Row { r#type: "change", state: change.state, path: change.path.to_string_lossy() };
        out.record(&row, |text| {
            write!(text, "{} ", change.state.letter())?;
            text.write_all(change.path.as_os_str().as_encoded_bytes())?;
            text.write_all(b"\n")
        })?;
    }
    out.finish()?;
    Ok(Exit::partial_if(!changes.is_empty() || run.console.complaints() > 0))
}

/// Compares an archive with the files as they are, reading every one of them.
pub(crate) fn against_disk(archive: &Archive, run: &Context<'_>) -> anyhow::Result<Vec<Change>> {
    with_disk(archive, false, run)
}

/// The contents of an archive by path. Hard links are given the digest of the file they name.
fn load(archive: &Archive, run: &Context<'_>) -> anyhow::Result<BTreeMap<PathBuf, Listed>> {
    let mut entries: BTreeMap<PathBuf, Listed> = BTreeMap::new();
    contents::visit(
        archive,
        |_| true,
        run.threads(),
        run.console,
        |mut listed| {
            let path = without_dots(&listed.entry.path);
            if path.as_os_str().is_empty() {
                return Ok(());
            }
            if listed.entry.kind == Kind::HardLink
                && let Some(target) = entries.get(&without_dots(&listed.entry.link))
            {
                listed.digest = target.digest;
                listed.entry = Entry { path: path.clone(), ..target.entry.clone() };
            }
            entries.insert(path, listed);
            Ok(())
        },
    )?;
    Ok(entries)
}

fn between_archives(old: &Archive, new: &Archive, run: &Context<'_>) -> anyhow::Result<Vec<Change>> {
    let mut old = load(old, run)?;
    let mut changes = Vec::new();
    for (path, new) in load(new, run)? {
        let state = match old.remove(&path) {
            None => Some(State::Added),
            Some(old) => judge(&old, &new.entry, new.digest),
        };
        changes.extend(state.map(|state| Change { state, path }));
    }
    Ok(with_removed(changes, old))
}

/// Where the files lie that an archive is compared with.
pub(crate) fn root_of(archive: &Archive, run: &Context<'_>) -> anyhow::Result<PathBuf> {
    Ok(Scope::of(archive, run)?.root)
}

/// Compares an archive with the files as they are; `quick` trusts sizes and times.
pub(crate) fn with_disk(archive: &Archive, quick: bool, run: &Context<'_>) -> anyhow::Result<Vec<Change>> {
    let Scope { root, names, options } = Scope::of(archive, run)?;
    let mut old = load(archive, run)?;
    let mut changes = Vec::new();
    pipeline::ordered(
        run.threads(),
        |submit| {
            Sources::new(&root, &names, &options, None, run.console, run.threads()).visit(|source| {
                let known = old.remove(&source.entry.path);
                submit.submit((known, source.entry)).map_err(|Stopped| anyhow::anyhow!("stopped"))
            })
        },
        || (),
        |(), (known, entry): (Option<Listed>, Entry)| {
            let state = match known {
                None => Ok(Some(State::Added)),
                Some(known) => on_disk(&root, &known, &entry, quick),
            };
            (entry.path, state)
        },
        |(path, state)| {
            match state {
                Ok(state) => changes.extend(state.map(|state| Change { state, path })),
                Err(error) => {
                    run.console.complain(format_args!("could not read {}: {error}", path.display()));
                }
            }
            Ok(())
        },
    )?;
    Ok(with_removed(changes, old))
}

fn with_removed(mut changes: Vec<Change>, gone: BTreeMap<PathBuf, Listed>) -> Vec<Change> {
    changes.extend(gone.into_keys().map(|path| Change { state: State::Removed, path }));
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

/// The disk's view of one entry; a file is read unless its size says enough, or `quick` trusts its times.
fn on_disk(root: &Path, old: &Listed, new: &Entry, quick: bool) -> io::Result<Option<State>> {
    // On the disk all names of a file are equal; in the archive one of them has the content.
    let new = if new.kind == Kind::HardLink { of_disk(root, new)? } else { new.clone() };
    let same_size = new.kind == Kind::File && old.entry.kind == Kind::File && new.size == old.entry.size;
    let trusted = quick && new.mtime == old.entry.mtime;
    let digest = match same_size {
        true if trusted => old.digest,
        true => Some(digest_of(&root.join(&new.path))?),
        false => None,
    };
    Ok(judge(old, &new, digest))
}

fn of_disk(root: &Path, entry: &Entry) -> io::Result<Entry> {
    let metadata = root.join(&entry.path).symlink_metadata()?;
    Ok(Entry::of(entry.path.clone(), Kind::File, &metadata))
}

/// SHA-256 of a file's content.
pub(crate) fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// How `new` differs from `old`. A file of another size needs no digest.
fn judge(old: &Listed, new: &Entry, digest: Option<Digest>) -> Option<State> {
    let before = &old.entry;
    if before.kind != new.kind {
        return Some(State::T);
    }
    let same_content = match new.kind {
        Kind::File => before.size == new.size && old.digest == digest,
        Kind::Symlink | Kind::HardLink => before.link == new.link,
        _ => before.device == new.device,
    };
    if !same_content {
        let unnoticed = new.kind == Kind::File && before.size == new.size && before.mtime == new.mtime;
        return Some(if unnoticed { State::Silent } else { State::M });
    }
    let same_owner = (before.mode, before.uid, before.gid) == (new.mode, new.uid, new.gid);
    // A folder's time changes with every name in it, and those are listed themselves.
    let same_time = new.kind == Kind::Folder || before.mtime == new.mtime;
    (!same_owner || !same_time).then_some(State::U)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pai_common::clock::Timestamp;

    fn listed() -> Listed {
        let entry = Entry {
            path: "a".into(),
            kind: Kind::File,
            mode: 0o644,
            uid: 1,
            gid: 1,
            size: 3,
            mtime: Timestamp::new(100, 0),
            link: PathBuf::new(),
            device: (0, 0),
        };
        Listed { entry, identity: None, digest: Some([1; 32]), group: 0 }
    }

    #[test]
    fn each_difference_has_its_state() {
        type Case = (fn(&mut Entry), u8, Option<State>);
        let cases: [Case; 7] = [
            (|_| (), 1, None),
            (|entry| entry.size = 4, 1, Some(State::M)),
            (|entry| entry.mtime = Timestamp::new(101, 0), 2, Some(State::M)),
            (|_| (), 2, Some(State::Silent)),
            (|entry| entry.mtime = Timestamp::new(101, 0), 1, Some(State::U)),
            (|entry| entry.mode = 0o600, 1, Some(State::U)),
            (|entry| entry.kind = Kind::Symlink, 1, Some(State::T)),
        ];
        for (number, (change, digest, state)) in cases.into_iter().enumerate() {
            let mut new = listed().entry;
            change(&mut new);
            assert_eq!(judge(&listed(), &new, Some([digest; 32])), state, "case {number}");
        }
    }
}
