//! The folder of archived sections: `archive/memory/memory-YYYY-MM-DD.md`, each a day's exact bytes.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use pai_common::home::ensure_private_folder;

use crate::date::Date;
use crate::summaries::{Links, percent_encode};

/// Where the archived days of one memory file are.
#[derive(Debug, Clone)]
pub struct Archive {
    folder: PathBuf,
    stem: OsString,
}

/// What is in the folder.
#[derive(Debug, Default, Clone)]
pub struct Listing {
    /// The days with an archive file.
    pub dates: BTreeSet<Date>,
    /// Temporary files a killed run left.
    pub stale: Vec<PathBuf>,
    /// Earlier versions of the memory file, oldest first.
    pub before: Vec<PathBuf>,
}

impl Archive {
    /// The archive of `memory`: `folder`, or `archive/STEM` beside it.
    pub fn of(memory: &Path, folder: Option<&Path>) -> Self {
        let stem = memory.file_stem().unwrap_or(OsStr::new("memory")).to_owned();
        let beside = || memory.with_file_name("archive").join(&stem);
        Self { folder: folder.map_or_else(beside, Path::to_owned), stem }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder if it is not there.
    pub fn create(&self) -> anyhow::Result<()> {
        ensure_private_folder(&self.folder)
    }

    /// The file of a day.
    pub fn path(&self, date: Date) -> PathBuf {
        self.named(&format!("-{date}.md"))
    }

    /// Summary lines that left the memory file, and that nobody could make again.
    pub fn retired(&self) -> PathBuf {
        self.named("-retired-summaries.md")
    }

    fn named(&self, rest: &str) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(rest);
        self.folder.join(name)
    }

    /// The bytes of a day; empty if it has no file.
    pub fn read(&self, date: Date) -> anyhow::Result<Vec<u8>> {
        read_if_there(&self.path(date))
    }

    /// What the folder holds; nothing if it is missing.
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
        Ok(listing)
    }

    fn date_of(&self, name: &[u8]) -> Option<Date> {
        Date::parse(self.own(Some(name))?.strip_prefix(b"-")?.strip_suffix(b".md")?)
    }

    /// What follows our stem in `name`.
    fn own<'a>(&self, name: Option<&'a [u8]>) -> Option<&'a [u8]> {
        name?.strip_prefix(self.stem.as_bytes())
    }

    /// How the memory file in `from` links here.
    pub fn links(&self, from: &Path) -> anyhow::Result<Links> {
        let path = relative(&absolute(from)?, &absolute(&self.folder)?);
        let mut folder = percent_encode(path.as_os_str().as_bytes());
        folder.push('/');
        Ok(Links { folder, stem: percent_encode(self.stem.as_bytes()) })
    }
}

/// The bytes of a file; empty if there is none.
pub fn read_if_there(path: &Path) -> anyhow::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        bytes => bytes.with_context(|| format!("could not read {}", path.display())),
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    // The folder may not be there yet, so its links cannot be resolved.
    let path = path.canonicalize().or_else(|_| std::path::absolute(path));
    path.context("could not find the working folder")
}

/// The way from folder `from` to folder `to`; both absolute.
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
    fn each_memory_file_has_an_archive_of_its_own() {
        for (memory, folder, day) in [
            ("/w/memory.md", None, "/w/archive/memory/memory-2025-09-01.md"),
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
