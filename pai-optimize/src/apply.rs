//! Carrying out a plan. The order is the promise: everything new is written and synced, the archive gets its
//! names, memory.md is looked at once more, and only then do old and new memory.md swap names. Whatever moment a run
//! is killed at, a section is in one place or in both; the next run recognises it in both.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, bail};
use pai_common::atomic::{self, AtomicFile, Batch, Ownership};
use pai_common::signal;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::archive::{self, Archive, Listing, read_if_there};
use crate::conserve;
use crate::date::Date;
use crate::ledger::{self, Entry, Ledger};
use crate::memory::{Document, without_separator};
use crate::notes::Move;
use crate::plan::Plan;
use crate::versions;

/// The archive files and the memory file of a run, written and synced under temporary names.
#[derive(Debug)]
pub(crate) struct Staged {
    batch: Batch,
    memory: AtomicFile,
}

/// What [`commit`] found when it was about to swap the memory file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// The new memory file has taken the old one's place.
    Done,
    /// Somebody wrote to the memory file meanwhile. It is as they left it, and the caller must plan again.
    Changed,
}

/// Follows symbolic links to the memory file, and returns its own path with its mode and owner. Fails if it must not be
/// replaced.
pub(crate) fn resolve(memory: &Path) -> anyhow::Result<(PathBuf, Ownership)> {
    let context = || format!("could not read {}", memory.display());
    let real = memory.canonicalize().with_context(context)?;
    let found = fs::metadata(&real).with_context(context)?;
    if !found.is_file() {
        bail!("could not read {}: not a regular file", memory.display());
    }
    // Renaming over it would work even so, but somebody meant it not to change.
    if found.mode() & 0o222 == 0 {
        bail!("could not write {}: it is read-only", memory.display());
    }
    let foreign = found.uid() != rustix::process::geteuid().as_raw();
    let owner = foreign.then(|| (found.uid(), found.gid()));
    Ok((real, Ownership { mode: found.mode() & 0o7777, owner }))
}

/// The files that a run writes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The path of the memory file, with symbolic links resolved.
    pub memory: &'a Path,
    /// The mode and owner that every new file gets.
    pub ownership: Ownership,
    /// The archive of the memory file.
    pub archive: &'a Archive,
    /// The list of what the archive holds already.
    pub listing: &'a Listing,
    /// The record of where archived entries stood. It is kept only where entries are more than headings of level 2.
    pub ledger: Option<&'a Ledger>,
}

/// The numbers of the sections that go to the archive, for each day.
pub(crate) type SectionsByDay = BTreeMap<Date, Vec<usize>>;

impl Target<'_> {
    /// Writes the archive files of `days` under temporary names, and returns the ledger's lines for them. One thread
    /// does it: a folder takes one new name at a time, and two threads wait for each other longer than for the disk.
    pub(crate) fn write_days(
        &self,
        document: &Document<'_>,
        days: &SectionsByDay,
        batch: &mut Batch,
    ) -> anyhow::Result<Vec<Entry>> {
        self.archive.create(self.ownership)?;
        let mut entries = Vec::new();
        for (&date, numbers) in days {
            signal::check()?;
            let there = self.listing.dates.contains(&date);
            let before = if there { self.archive.read(date)? } else { Vec::new() };
            let text = |&number: &usize| without_separator(document.text(&document.sections[number]));
            let sections: Vec<&[u8]> = numbers.iter().map(text).collect();
            let added = match self.ledger {
                None => {
                    let added = archive::append(&before, &sections);
                    conserve::archive(&before, &added, &sections)?;
                    added
                }
                Some(ledger) => {
                    let held = ledger.holds(date, &before, &sections);
                    let fresh = |at: &usize| !held[*at];
                    let fresh: Vec<usize> = (0..sections.len()).filter(fresh).collect();
                    let texts: Vec<&[u8]> = fresh.iter().map(|&at| sections[at]).collect();
                    let added = archive::append(&before, &texts);
                    conserve::entries(&before, &added, &sections)?;
                    let positions = fresh.iter().map(|&at| ledger::position(document, numbers[at]));
                    entries.extend(ledger::recorded(date, before.len(), &added, &texts, positions));
                    added
                }
            };
            if !added.is_empty() {
                let added = added.iter().map(AsRef::as_ref);
                let parts: Vec<&[u8]> = std::iter::once(before.as_slice()).chain(added).collect();
                batch.write(&self.archive.path(date), self.ownership, &parts)?;
            }
        }
        Ok(entries)
    }

    /// Writes the new memory file too and syncs everything, while a second thread makes sure that nothing is missing
    /// from it. `batch` has the archive files.
    pub(crate) fn stage(
        &self,
        document: &Document<'_>,
        plan: &Plan,
        mut batch: Batch,
        entries: &[Entry],
    ) -> anyhow::Result<Staged> {
        thread::scope(|scope| {
            let verdict = scope.spawn(|| {
                let text = plan.text(document);
                conserve::memory(document, plan, &Document::parse(&text, plan.reading))
            });
            let context = || format!("could not write {}", self.memory.display());
            let mut memory = AtomicFile::replace(self.memory, self.ownership.mode)?;
            for part in &plan.parts {
                memory.write_all(part.bytes(document)).with_context(context)?;
            }
            self.archive.create(self.ownership)?;
            self.retire(plan, &mut batch)?;
            self.record(entries, &mut batch)?;
            batch.sync()?;
            memory.file().sync_all().with_context(context)?;
            verdict.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok(Staged { batch, memory })
        })
    }

    fn retire(&self, plan: &Plan, batch: &mut Batch) -> anyhow::Result<()> {
        if plan.retired.is_empty() {
            return Ok(());
        }
        let path = self.archive.retired();
        let before = read_if_there(&path)?;
        let known: HashSet<&[u8]> = before.split(|&b| b == b'\n').collect();
        let retired = plan.retired.iter().map(Vec::as_slice);
        let mut text = retired.filter(|line| !known.contains(line)).collect::<Vec<_>>().join(&b'\n');
        if text.is_empty() {
            return Ok(());
        }
        text.push(b'\n');
        batch.write(&path, self.ownership, &[&before, &text])
    }

    /// The last to be written and so the first to get its name: a line about bytes that are not there yet is passed
    /// over.
    fn record(&self, entries: &[Entry], batch: &mut Batch) -> anyhow::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let path = self.archive.ledger();
        let before = read_if_there(&path)?;
        let mut text = Vec::new();
        for entry in entries {
            let mut line = serde_json::to_vec(entry).context("could not write where an entry stood")?;
            line.push(b'\n');
            // A run that was killed may have got as far as this.
            if memchr::memmem::find(&before, &line).is_none() {
                text.extend(line);
            }
        }
        batch.write(&path, self.ownership, &[&before, &text])
    }
}

/// Gives every new file its name. The plan was made from `old`; `state` is the state of its file before it was read.
pub(crate) fn commit(
    staged: Staged,
    real: &Path,
    state: &FileState,
    old: &[u8],
    before: &Path,
    notes: &[Move],
) -> anyhow::Result<Commit> {
    let Staged { batch, memory } = staged;
    if FileState::of(real)? != *state {
        return Ok(Commit::Changed);
    }
    if !batch.is_empty() {
        batch.commit()?;
    }
    add_notes_to_archive(notes)?;
    swap(memory, real, old, before)
}

/// Gives each note its name in the archive. From then on it is in both places.
pub(crate) fn add_notes_to_archive(notes: &[Move]) -> anyhow::Result<()> {
    for note in notes {
        signal::check()?;
        note.add_to_archive()?;
    }
    notes.first().map_or(Ok(()), |note| atomic::sync_folder(note.to()))
}

/// Removes the originals of archived notes. Returns the paths of those that changed meanwhile and therefore stay.
pub(crate) fn remove_originals(notes: &[Move]) -> anyhow::Result<Vec<&Path>> {
    let mut changed = Vec::new();
    for note in notes {
        signal::check()?;
        if !note.remove_original()? {
            changed.push(note.from());
        }
    }
    notes.first().map_or(Ok(()), |note| atomic::sync_folder(note.from()))?;
    Ok(changed)
}

/// Swaps `memory` with the file at `real`, which becomes `before`; only then is it read once more, when nobody can
/// reach it by its name any longer. Whatever was written to it since `old` was read is found and not lost.
pub(crate) fn swap(memory: AtomicFile, real: &Path, old: &[u8], before: &Path) -> anyhow::Result<Commit> {
    signal::check()?;
    versions::keep_version(real, before, old)?;
    let length = memory.file().metadata().context("could not look at a temporary file")?.len();
    let Some(displaced) = memory.exchange()? else { return Ok(Commit::Done) };
    if starts_with(&displaced, old)? {
        let carried = versions::carry_over(&displaced, old.len() as u64, real)?;
        versions::record_carried_length(before, old.len() as u64, carried)?;
        versions::remove(&displaced)?;
        return Ok(Commit::Done);
    }
    // Not what we read: somebody put another file there in the last moment. Theirs goes back.
    renameat_with(CWD, &displaced, CWD, real, RenameFlags::EXCHANGE)
        .map_err(io::Error::from)
        .with_context(|| format!("could not put {} back", real.display()))?;
    versions::carry_over(&displaced, length, real)?;
    versions::remove(&displaced)?;
    versions::remove(before)?;
    Ok(Commit::Changed)
}

/// A file's identity, size and time of change. Any write since shows, unless it fell into the same tick of the file
/// system's clock; [`swap`] reads the bytes themselves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileState([i64; 5]);

impl FileState {
    /// Reads the state of the file at `path`.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let found = fs::metadata(path).with_context(|| format!("could not read {}", path.display()))?;
        Ok(Self([
            found.dev() as i64,
            found.ino() as i64,
            found.size() as i64,
            found.mtime(),
            found.mtime_nsec(),
        ]))
    }
}

/// Whether a file starts with `old`; read piece by piece, a second copy of it is never in memory.
fn starts_with(path: &Path, old: &[u8]) -> anyhow::Result<bool> {
    let context = || format!("could not read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let mut buffer = vec![0; 128 << 10];
    for piece in old.chunks(buffer.len()) {
        let read = &mut buffer[..piece.len()];
        match file.read_exact(read) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result.with_context(context)?,
        }
        if read != piece {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_put_in_its_place_at_the_last_moment_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("memory.md");
        fs::write(&real, "theirs").unwrap();
        let mut memory = AtomicFile::replace(&real, 0o600).unwrap();
        memory.write_all(b"ours").unwrap();
        let before = folder.path().join("before");
        assert_eq!(swap(memory, &real, b"read by us", &before).unwrap(), Commit::Changed);
        assert_eq!(fs::read(&real).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
