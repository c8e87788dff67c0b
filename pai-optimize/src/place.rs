//! Which memory file, which archive, and what counts as an entry there.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use pai_common::hint::Hinted;
use pai_common::home::Home;

use crate::archive::Archive;
use crate::cli::{self, Bullets};
use crate::file::folder_of;
use crate::memory::{Headings, Reading};
use crate::settings::Settings;

/// A memory file, its archive, and the workspace it belongs to.
#[derive(Debug)]
pub(crate) struct Place {
    /// The memory file, by the name it was given.
    pub memory: PathBuf,
    /// Whether that name is the user's own.
    pub named: bool,
    /// Its archive.
    pub archive: Archive,
    /// The folder of daily notes.
    pub notes: Option<PathBuf>,
    /// The workspace.
    pub home: Option<Home>,
    /// The rules by which entries are told.
    pub reading: Reading,
    /// The settings in the file beside it.
    pub settings: Settings,
}

impl Place {
    /// Finds the place by the command line, and by the settings beside the memory file.
    pub(crate) fn find(args: &cli::Args) -> anyhow::Result<Self> {
        let named = args.job.memory.as_ref().or(args.place.file.as_ref());
        let workspace = &args.place.workspace;
        // A file of one's own needs no workspace; an empty PAI_HOME names none.
        let unnamed = workspace.home.as_ref().is_none_or(|home| home.as_os_str().is_empty());
        let home = if named.is_some() && unnamed { None } else { Some(workspace.resolve()?) };
        let memory = match (named, &home) {
            (Some(file), _) => file.clone(),
            (None, Some(home)) => of_workspace(home.root())?,
            (None, None) => PathBuf::from("memory.md"),
        };
        let settings = Settings::beside(&memory)?;
        let archive = Archive::of(&memory, args.place.archive_dir.as_deref());
        // A settings file goes by its own folder.
        let beside = settings.notes.as_ref().map(|notes| folder_of(&memory).join(notes));
        let notes = args.place.notes.clone().or(beside);
        let reading = reading(&args.place, &settings);
        Ok(Self { memory, named: named.is_some(), archive, notes, home, reading, settings })
    }
}

fn reading(place: &cli::Place, settings: &Settings) -> Reading {
    let told = if place.titles { Some(Headings::Titles) } else { place.headings };
    Reading {
        headings: told.or(settings.headings).unwrap_or_default(),
        order: place.date_order.or(settings.date_order),
        bullets: place.bullets.or(settings.bullets) == Some(Bullets::Dated),
    }
}

/// Returns `memory.md`, or else `MEMORY.md`. On a file system that does not tell them apart, both are one.
fn of_workspace(root: &Path) -> anyhow::Result<PathBuf> {
    let [lower, upper] = ["memory.md", "MEMORY.md"].map(|name| root.join(name));
    let is_there = |path: &Path| path.try_exists().unwrap_or(true) || path.is_symlink();
    if !is_there(&upper) {
        return Ok(lower);
    }
    if !is_there(&lower) {
        return Ok(upper);
    }
    match (lower.canonicalize(), upper.canonicalize()) {
        (Ok(one), Ok(other)) if one == other || same_file(&one, &other) => Ok(lower),
        _ => Err(Hinted::new(
            anyhow!("{} and {} are two files", lower.display(), upper.display()),
            "name the one that is meant by --file, or put them together",
        )
        .into()),
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    id(one).is_some() && id(one) == id(other)
}
