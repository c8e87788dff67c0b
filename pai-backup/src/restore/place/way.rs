//! Folders where something else lies: with `--force` it makes way, as for tar.

use std::io;
use std::path::{Path, PathBuf};

use crate::restore::beneath::{self, Folder};
use crate::restore::place::Applier;

impl Applier<'_> {
    /// Makes these folders before anything is written into them, for that comes from several threads. The first goes
    /// first: one may lie in another.
    pub(in crate::restore) fn make_way<'p>(&self, folders: impl Iterator<Item = &'p PathBuf>) {
        for folder in folders {
            if let Err(error) = self.folder_at(folder) {
                self.console.complain(format_args!("could not restore {}: {error}", folder.display()));
            }
        }
    }

    /// The folder at `path`. What is in its place is removed only if it may be replaced; a link never, for it may be
    /// meant to lead elsewhere.
    pub(super) fn folder_at(&self, path: &Path) -> io::Result<Folder> {
        match self.beneath.folder(path, true) {
            Err(error) if self.replace && error.kind() == io::ErrorKind::NotADirectory => {
                let (parent, name) = beneath::split(path)?;
                let parent = self.beneath.folder(parent, true)?;
                beneath::remove(&parent, name)?;
                self.beneath.folder(path, true)
            }
            other => other,
        }
    }
}
