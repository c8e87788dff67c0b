//! The folder of archived sections: `archive/memory/memory-YYYY-MM-DD.md`, each a day's exact bytes.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use pai_common::atomic::Ownership;
use pai_common::home::ensure_private_folder;

use crate::date::Date;
use crate::ledger::Ledger;
use crate::memory::{Document, Reading, completion, joint};
use crate::notes::{self, Note};
use crate::summaries::{Links, percent_encode};

/// The archive of one memory file: a folder, and the stem of the names in it.
#[derive(Debug, Clone)]
pub struct Archive {
    folder: PathBuf,
    stem: OsString,
}

/// The list of what an archive folder holds.
#[derive(Debug, Default, Clone)]
pub struct Listing {
    /// The days with an archive file.
    pub dates: BTreeSet<Date>,
    /// The temporary files that a killed run left.
    pub stale: Vec<PathBuf>,
    /// The earlier versions of the memory file, oldest first.
    pub before: Vec<PathBuf>,
    /// The archived daily notes, sorted by day and name.
    pub notes: Vec<Note>,
}

impl Archive {
    /// Returns the archive of the file `memory`: `folder`, or else `archive/STEM` beside the file.
    pub fn of(memory: &Path, folder: Option<&Path>) -> Self {
        let stem = memory.file_stem().unwrap_or(OsStr::new("memory"));
        // Assistants write it large; what a backup and a reader look for is one name.
        let stem = if stem == "MEMORY" { OsStr::new("memory") } else { stem }.to_owned();
        let beside = || memory.with_file_name("archive").join(&stem);
        Self { folder: folder.map_or_else(beside, Path::to_owned), stem }
    }

    /// Returns the archive's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the archive's folder if it is not there. It belongs to the memory file's owner, for root may tidy up for
    /// others.
    pub fn create(&self, ownership: Ownership) -> anyhow::Result<()> {
        Self::create_folder(&self.folder, ownership)
    }

    /// Makes the folder of archived notes if it is not there.
    pub fn create_notes(&self, ownership: Ownership) -> anyhow::Result<()> {
        Self::create_folder(&self.notes(), ownership)
    }

    fn create_folder(folder: &Path, ownership: Ownership) -> anyhow::Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
        ensure_private_folder(folder)?;
        if let Some((user, group)) = ownership.owner {
            for folder in missing {
                let _ = std::os::unix::fs::chown(folder, Some(user), Some(group));
            }
        }
        Ok(())
    }

    /// Returns the folder of archived daily notes.
    pub fn notes(&self) -> PathBuf {
        self.folder.join("notes")
    }

    /// Returns the path of a day's archive file.
    pub fn path(&self, date: Date) -> PathBuf {
        self.named(&format!("-{date}.md"))
    }

    /// Returns the path of the file for summary lines that left the memory file and that nobody could make again.
    pub fn retired(&self) -> PathBuf {
        self.named("-retired-summaries.md")
    }

    /// Returns the path of the ledger, which says where each archived entry stood.
    pub fn ledger(&self) -> PathBuf {
        self.named("-entries.jsonl")
    }

    /// Returns the path under which a run at `stamp` keeps the memory file that it replaces. The file's length is part
    /// of the name: a program that goes on writing to the file it once opened makes it longer, and the next run carries
    /// that over.
    pub fn version(&self, stamp: &str, length: usize) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(&self.stem);
        name.push(format!(".md.before-{stamp}.{length}"));
        self.folder.join(name)
    }

    fn named(&self, rest: &str) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(rest);
        self.folder.join(name)
    }

    /// Reads the archive file of a day. A day without a file gives no bytes.
    pub fn read(&self, date: Date) -> anyhow::Result<Vec<u8>> {
        read_if_there(&self.path(date))
    }

    /// Reads the ledger.
    pub fn read_ledger(&self) -> anyhow::Result<Ledger> {
        Ok(Ledger::read(&read_if_there(&self.ledger())?))
    }

    /// Lists what the folder holds. A folder that is missing holds nothing.
    pub fn list(&self) -> anyhow::Result<Listing> {
        let mut listing = Listing::default();
        let context = || format!("could not read folder {}", self.folder.display());
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
            entries => entries.with_context(context)?,
        };
        for entry in entries {
            let name = entry.with_context(context)?.file_name().into_vec();
            if let Some(date) = self.date_of(&name) {
                listing.dates.insert(date);
            } else if name.starts_with(b".") {
                let path = self.folder.join(OsStr::from_bytes(&name));
                let hidden = &name[1..];
                if self.own(hidden.strip_suffix(b".partial")).is_some() {
                    listing.stale.push(path);
                } else if self.own(Some(hidden)).is_some_and(|rest| rest.starts_with(b".md.before-")) {
                    listing.before.push(path);
                }
            }
        }
        listing.before.sort();
        listing.notes = notes::list(&self.notes())?;
        Ok(listing)
    }

    fn date_of(&self, name: &[u8]) -> Option<Date> {
        Date::parse(self.own(Some(name))?.strip_prefix(b"-")?.strip_suffix(b".md")?)
    }

    /// Returns what follows the archive's stem in `name`.
    fn own<'a>(&self, name: Option<&'a [u8]>) -> Option<&'a [u8]> {
        name?.strip_prefix(self.stem.as_bytes())
    }

    /// Returns the links by which a memory file in the folder `from` points to this archive.
    pub fn links(&self, from: &Path) -> anyhow::Result<Links> {
        let path = relative(&absolute(from)?, &absolute(&self.folder)?);
        let mut folder = percent_encode(path.as_os_str().as_bytes());
        folder.push('/');
        Ok(Links { folder, stem: percent_encode(self.stem.as_bytes()) })
    }
}

/// Reads a file. A file that is missing gives no bytes.
pub fn read_if_there(path: &Path) -> anyhow::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        bytes => bytes.with_context(|| format!("could not read {}", path.display())),
    }
}

/// Returns what must be appended to an archive file that holds `before` so that it holds `sections`, too: those that do
/// not end it already (a killed run or a restore left them in both places), and what must stand between them.
pub fn append<'a>(before: &'a [u8], sections: &[&'a [u8]]) -> Vec<Cow<'a, [u8]>> {
    let dangling = !before.is_empty() && Document::parse(before, Reading::TITLES).dangling;
    let mut parts: Vec<Cow<'a, [u8]>> = Vec::new();
    let there = already_there(before, sections);
    if there > 0 && !before.ends_with(b"\n") && sections[there - 1].ends_with(b"\n") {
        parts.push(Cow::Borrowed(completion(before, sections[0])));
    }
    for &section in &sections[there..] {
        let above = parts.last().map_or(before, |part| part.as_ref());
        let between = joint(above, section, dangling && parts.is_empty());
        parts.extend((!between.is_empty()).then_some(Cow::Owned(between)));
        parts.push(Cow::Borrowed(section));
    }
    parts
}

/// Counts how many of `sections`, from the first on, the bytes `before` end with. Its last line may lack the ending it
/// was given when it was restored in the middle of a file.
pub fn already_there(before: &[u8], sections: &[&[u8]]) -> usize {
    let Some(first) = sections.first().filter(|_| !before.is_empty()) else { return 0 };
    let mut joined = Vec::new();
    let mut ends = vec![0];
    for section in sections {
        let between = joint(&joined, section, false);
        joined.extend(between);
        joined.extend_from_slice(section);
        ends.push(joined.len());
    }
    let ending = completion(before, first);
    let found = (1..=sections.len()).rev().find(|&count| {
        let joined = &joined[..ends[count]];
        before.ends_with(joined)
            || (!ending.is_empty() && joined.strip_suffix(ending).is_some_and(|bare| before.ends_with(bare)))
    });
    found.unwrap_or(0)
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    // The folder may not be there yet, so its links cannot be resolved.
    let path = path.canonicalize().or_else(|_| std::path::absolute(path));
    path.context("could not find the working folder")
}

/// Returns the relative path from folder `from` to folder `to`; both are absolute.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(to.components().skip(shared)).collect();
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_ends_its_archive_file_is_not_doubled() {
        let joined = |before: &str, sections: &[&str]| {
            let sections: Vec<&[u8]> = sections.iter().map(|section| section.as_bytes()).collect();
            String::from_utf8([before.as_bytes(), &append(before.as_bytes(), &sections).concat()].concat())
                .unwrap()
        };
        for (before, sections, after) in [
            ("", vec!["# a\n", "# b\n"], "# a\n# b\n"),
            ("# x\n", vec!["# a\n"], "# x\n# a\n"),
            ("# x\n# a\n# b\n", vec!["# a\n", "# b\n"], "# x\n# a\n# b\n"),
            ("# x\n# a\n", vec!["# a\n", "# b\n"], "# x\n# a\n# b\n"),
            ("# a\n# b\n", vec!["# a\n", "# b\n", "# c"], "# a\n# b\n# c"),
            ("# a\n", vec!["# a\n", "# a\n"], "# a\n# a\n"),
            ("no end", vec!["# a\n"], "no end\n# a\n"),
            ("x\r\nno end", vec!["# a\r\n"], "x\r\nno end\r\n# a\r\n"),
            ("half an end\r", vec!["half an end\r\n"], "half an end\r\n"),
            ("# a", vec!["# a"], "# a"),
            ("# a", vec!["# a\n"], "# a\n"),
            ("# a", vec!["# a\n", "# b\n"], "# a\n# b\n"),
            ("# a\n<p>\n", vec!["# b\n"], "# a\n<p>\n\n<!-- pai-optimize -->\n# b\n"),
            ("# a\nx\n", vec!["b\n--\n"], "# a\nx\n\n<!-- pai-optimize -->\nb\n--\n"),
        ] {
            assert_eq!(joined(before, &sections), after, "{before:?} {sections:?}");
        }
    }

    #[test]
    fn each_memory_file_has_an_archive_of_its_own() {
        for (memory, folder, day) in [
            ("/w/memory.md", None, "/w/archive/memory/memory-2025-09-01.md"),
            ("/w/MEMORY.md", None, "/w/archive/memory/memory-2025-09-01.md"),
            ("/w/notes.md", None, "/w/archive/notes/notes-2025-09-01.md"),
            ("/w/notes.md", Some("/a"), "/a/notes-2025-09-01.md"),
        ] {
            let archive = Archive::of(Path::new(memory), folder.map(Path::new));
            assert_eq!(archive.path(Date::parse(b"2025-09-01").unwrap()), Path::new(day));
        }
    }

    #[test]
    fn links_lead_from_the_memory_file_to_the_archive() {
        for (from, to, path) in
            [("/w", "/w/archive/memory", "archive/memory"), ("/w/a/b", "/w/c", "../../c"), ("/w", "/w", ".")]
        {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(path));
        }
    }

    #[test]
    fn the_listing_knows_days_leftovers_and_earlier_versions() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "memory-2025-09-01.md",
            "memory-2025-02-30.md",
            "memory-2025-09-01.md.bak",
            "notes-2025-09-02.md",
            ".memory-2025-09-03.md.partial",
            ".memory.md.before-20250916-090017",
            "memory-retired-summaries.md",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let archive = Archive::of(Path::new("/w/memory.md"), Some(folder.path()));
        let listing = archive.list().unwrap();
        assert_eq!(listing.dates.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2025-09-01"]);
        assert_eq!((listing.stale.len(), listing.before.len()), (1, 1));
        let missing = Archive::of(Path::new("/w/memory.md"), Some(Path::new("/nonexistent/x")));
        assert!(missing.list().unwrap().dates.is_empty());
    }
}
