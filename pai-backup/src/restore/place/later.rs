//! What must wait until all files are there: hard links, symbolic links, and last the modes and times of folders,
//! deepest first, for writing into a folder changes them.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use crate::archive::header::Xattr;
use crate::entry::Entry;
use crate::restore::beneath;
use crate::restore::place::{Applier, LastFolder};
use crate::restore::safe::safe_path;

/// Work that must wait until all files are there.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// Files written in this run, or found to be as they should: the only ones a hard link may name.
    pub(super) written: HashMap<PathBuf, PathBuf>,
    pub(super) hard_links: Vec<Entry>,
    pub(super) symlinks: Vec<Entry>,
    pub(super) folders: Vec<(Entry, Vec<Xattr>)>,
}

impl Applier<'_> {
    /// Links, then folders.
    pub(in crate::restore) fn finish(&self) {
        let Later { written, hard_links, symlinks, mut folders } = std::mem::take(&mut *self.later());
        let mut last = LastFolder::default();
        for entry in hard_links {
            if let Err(error) = self.hard_link(&entry, &written, &mut last) {
                self.console.complain(format_args!("could not restore {}: {error}", entry.path.display()));
            }
        }
        for entry in symlinks {
            if let Err(error) = self.symlink(&entry, &mut last) {
                self.console.complain(format_args!("could not restore {}: {error}", entry.path.display()));
            }
        }
        folders.sort_by_key(|(entry, _)| std::cmp::Reverse(entry.path.components().count()));
        for (entry, xattrs) in folders {
            if let Err(error) = self.folder(&entry, &xattrs) {
                self.console.complain(format_args!("could not restore {}: {error}", entry.path.display()));
            }
        }
    }

    fn hard_link(
        &self,
        entry: &Entry,
        written: &HashMap<PathBuf, PathBuf>,
        last: &mut LastFolder,
    ) -> io::Result<()> {
        let link = safe_path(&entry.link).map_err(io::Error::other)?;
        let Some(file) = written.get(&*link) else {
            return Err(io::Error::other(format!("it links to {}, which was not restored", link.display())));
        };
        if *file == entry.path {
            // The file was written under this very name.
            return Ok(());
        }
        let (from_parent, from_name) = beneath::split(file)?;
        let from = self.beneath.folder(from_parent, false)?;
        let (parent, name) = beneath::split(&entry.path)?;
        let folder = last.open(&self.beneath, parent)?;
        self.beside(&folder, name, |temp| beneath::hard_link((&from, from_name), (&folder, temp)))
    }

    fn symlink(&self, entry: &Entry, last: &mut LastFolder) -> io::Result<()> {
        let (parent, name) = beneath::split(&entry.path)?;
        let folder = last.open(&self.beneath, parent)?;
        self.beside(&folder, name, |temp| {
            beneath::symlink(&folder, temp, &entry.link)?;
            if self.is_root {
                beneath::own(&folder, temp, entry)?;
            }
            beneath::set_time(&folder, temp, entry.mtime)
        })
    }

    fn folder(&self, entry: &Entry, xattrs: &[Xattr]) -> io::Result<()> {
        let folder = self.beneath.folder(&entry.path, true)?;
        for (name, value) in self.allowed(xattrs) {
            if let Err(error) = rustix::fs::fsetxattr(&*folder, name, value, rustix::fs::XattrFlags::empty())
            {
                self.xattr_trouble(entry, name, error);
            }
        }
        if self.is_root {
            let (parent, name) = beneath::split(&entry.path)?;
            beneath::own(&self.beneath.folder(parent, false)?, name, entry)?;
        }
        rustix::fs::fchmod(&*folder, rustix::fs::Mode::from_raw_mode(entry.mode))?;
        beneath::set_file_time(&*folder, entry.mtime)
    }
}
