//! Daily notes: a folder with a file a day, `YYYY-MM-DD*.md`. An old one moves to the archive whole, under its name.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use pai_common::atomic;

use crate::date::Date;

/// A daily note: a file whose name begins with its day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The day its name begins with.
    pub date: Date,
    /// Its name.
    pub name: OsString,
}

/// The day of a note's name: `2026-03-18.md`, `2026-03-18-final.md`, `2026-03-20 topic.md`; none for anything else.
pub(crate) fn date_of(name: &[u8]) -> Option<Date> {
    let stem = name.strip_suffix(b".md").or_else(|| name.strip_suffix(b".MD"))?;
    let date = Date::parse(stem.get(..10)?)?;
    stem.get(10).is_none_or(|next| !next.is_ascii_alphanumeric()).then_some(date)
}

/// The notes in `folder`, by day and name; none if there is no folder. What is no regular file is none.
pub(crate) fn list(folder: &Path) -> anyhow::Result<Vec<Note>> {
    let context = || format!("could not read folder {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(context)?,
    };
    let mut notes = Vec::new();
    for entry in entries {
        let entry = entry.with_context(context)?;
        let name = entry.file_name();
        let Some(date) = date_of(name.as_bytes()) else { continue };
        if entry.file_type().with_context(context)?.is_file() {
            notes.push(Note { date, name });
        }
    }
    notes.sort();
    Ok(notes)
}

/// A note on its way to the archive.
#[derive(Debug)]
pub(crate) struct Move {
    /// Where it is.
    from: PathBuf,
    /// Where it goes.
    to: PathBuf,
    /// What is to be done at `to`.
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// It gets a second name there.
    Link,
    /// What is there is its beginning.
    Replace,
    /// It is there already: a killed run, or a restore, left it in both places.
    Nothing,
}

impl Move {
    /// Decides where the note at `from` goes: below `folder` under its own name, or a numbered one if another has it.
    pub(crate) fn plan(from: PathBuf, folder: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(&from).with_context(|| format!("could not read {}", from.display()))?;
        let name = from.file_name().unwrap_or_default().to_owned();
        for number in 0..1000 {
            let to = folder.join(numbered(&name, number));
            let how = match fs::read(&to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => How::Link,
                there => {
                    let there = there.with_context(|| format!("could not read {}", to.display()))?;
                    match () {
                        () if there == bytes => How::Nothing,
                        () if bytes.starts_with(&there) => How::Replace,
                        () => continue,
                    }
                }
            };
            return Ok(Self { from, to, how });
        }
        bail!("could not archive {}: {} has a thousand of that name", from.display(), folder.display())
    }

    /// Its name in the archive.
    pub(crate) fn name(&self) -> &OsStr {
        self.to.file_name().unwrap_or_default()
    }

    /// Where it goes.
    pub(crate) fn to(&self) -> &Path {
        &self.to
    }

    /// Where it is.
    pub(crate) fn from(&self) -> &Path {
        &self.from
    }

    /// Puts the note into the archive as well; from then on it is in both places. A hard link costs nothing and follows
    /// whoever still writes to the note; where no link can be made, a copy is written.
    pub(crate) fn add_to_archive(&self) -> anyhow::Result<()> {
        match self.how {
            How::Nothing => return Ok(()),
            How::Link if fs::hard_link(&self.from, &self.to).is_ok() => return Ok(()),
            _ => {}
        }
        let context = || format!("could not read {}", self.from.display());
        let found = fs::metadata(&self.from).with_context(context)?;
        copy(&fs::read(&self.from).with_context(context)?, &self.to, &found)
    }

    /// Removes the original and returns true, unless the two differ because somebody wrote meanwhile: then the next run
    /// looks again.
    pub(crate) fn remove_original(&self) -> anyhow::Result<bool> {
        let context = || format!("could not remove {}", self.from.display());
        let look = |path: &Path| match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some).with_context(context),
        };
        let same = match (look(&self.from)?, look(&self.to)?) {
            (Some(from), Some(to)) if (from.dev(), from.ino()) == (to.dev(), to.ino()) => true,
            (Some(_), Some(_)) => {
                let read = |path: &Path| fs::read(path).with_context(context);
                read(&self.from)? == read(&self.to)?
            }
            _ => false,
        };
        if same {
            fs::remove_file(&self.from).with_context(context)?;
        }
        Ok(same)
    }
}

/// Writes `bytes` to `to` with mode and time of what they come from.
pub(crate) fn copy(bytes: &[u8], to: &Path, like: &fs::Metadata) -> anyhow::Result<()> {
    atomic::write(to, like.mode() & 0o7777, bytes)?;
    let _ = File::open(to).and_then(|file| file.set_modified(like.modified()?));
    Ok(())
}

fn numbered(name: &OsStr, number: u32) -> OsString {
    if number == 0 {
        return name.to_owned();
    }
    let bytes = name.as_bytes();
    let (stem, end) = bytes.split_at(bytes.len().saturating_sub(3));
    let mut out = OsStr::from_bytes(stem).to_owned();
    out.push(format!(".{number}"));
    out.push(OsStr::from_bytes(end));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_begins_with_a_day_is_a_note() {
        for name in [
            "2026-03-18.md",
            "2026-03-18-final.md",
            "2026-03-18 topic.md",
            "2026-03-18_x.md",
            "2026-03-18.1.md",
            "2026-03-18会议.md",
        ] {
            assert_eq!(date_of(name.as_bytes()), Date::new(2026, 3, 18), "{name}");
        }
        for name in [
            "2026-03-188.md",
            "2026-03-18",
            "2026-03-18.txt",
            "notes.md",
            "x-2026-03-18.md",
            "2026-02-30.md",
            ".2026-03-18.md",
            "2026-03.md",
        ] {
            assert_eq!(date_of(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn a_note_is_in_both_places_before_it_is_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let [live, archive] = ["live", "archive"].map(|name| folder.path().join(name));
        fs::create_dir_all(&live).unwrap();
        fs::create_dir_all(&archive).unwrap();
        let note = live.join("2026-03-18.md");
        let kept = archive.join("2026-03-18.md");
        fs::write(&note, "one").unwrap();
        let first = Move::plan(note.clone(), &archive).unwrap();
        assert_eq!(first.how, How::Link);
        first.add_to_archive().unwrap();
        assert!(note.exists() && kept.exists());
        assert!(first.remove_original().unwrap() && !note.exists());
        // Written again, and longer: the longer one holds both.
        fs::write(&note, "one and two").unwrap();
        let longer = Move::plan(note.clone(), &archive).unwrap();
        assert_eq!(longer.how, How::Replace);
        longer.add_to_archive().unwrap();
        fs::write(&note, "changed meanwhile").unwrap();
        assert!(!longer.remove_original().unwrap() && note.exists());
        assert_eq!(fs::read(&kept).unwrap(), b"one and two");
        let other = Move::plan(note.clone(), &archive).unwrap();
        assert_eq!((other.how, other.name()), (How::Link, OsStr::new("2026-03-18.1.md")));
        fs::write(&note, "one and two").unwrap();
        assert_eq!(Move::plan(note, &archive).unwrap().how, How::Nothing);
    }
}
