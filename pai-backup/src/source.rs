//! What goes into an archive: the entries of a workspace with their metadata, in archive order.
//!
//! The order is fixed, for chunks repeat only if their entries come in the same order every night: the
//! top-level names as listed, below each name by name in byte order, parents before their children.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use pai_common::console::Console;
use pai_common::walk::{Found, Options, Walk, walk_ahead};
use rustix::fs::{OFlags, SeekFrom};

use crate::archive::header::SparseMap;
use crate::entry::{Entry, Identity, Kind};
use crate::members;

/// Most pieces of a sparse file that is stored as one. A map takes 40 bytes a piece at most, and 8 MiB is what a
/// member may hold.
const MOST_EXTENTS: usize = 1 << 16;

/// One thing to archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The metadata for its header, unless the file changes before it is read.
    pub(crate) entry: Entry,
    /// How a later run recognises it.
    pub(crate) identity: Identity,
    /// Where its data is, if it is a sparse file.
    pub(crate) sparse: Option<SparseMap>,
}

impl Source {
    /// Bytes of data it takes in the archive; for a sparse file the map is not counted.
    pub(crate) fn stored(&self) -> u64 {
        match (&self.sparse, self.entry.kind) {
            (Some(map), _) => map.data_size(),
            (None, Kind::File) => self.entry.size,
            _ => 0,
        }
    }
}

/// The top-level names of an archive of `root`, in order: `named` as given, or all but our own archives and logs.
pub(crate) fn top_level(root: &Path, named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    if !named.is_empty() {
        let named: Vec<PathBuf> =
            named.iter().map(|path| inside(root, path)).collect::<anyhow::Result<_>>()?;
        return Ok(without_covered(&named));
    }
    members::default_members(root)
}

/// The paths that no other one covers: what is archived twice under one name cannot be restored.
fn without_covered(paths: &[PathBuf]) -> Vec<PathBuf> {
    let is_covered = |(at, path): (usize, &PathBuf)| {
        let others = paths.iter().enumerate();
        others.clone().any(|(other, above)| path.starts_with(above) && (path != above || other < at))
    };
    paths.iter().enumerate().filter(|&item| !is_covered(item)).map(|(_, path)| path.clone()).collect()
}

/// A path the user named, relative to `root`. It must be inside and exist: silence about a missing file is
/// how backups turn out empty.
fn inside(root: &Path, named: &Path) -> anyhow::Result<PathBuf> {
    let relative = if named.is_absolute() { named.strip_prefix(root).unwrap_or(named) } else { named };
    let relative: PathBuf = relative.components().filter(|part| *part != Component::CurDir).collect();
    if relative.components().any(|part| !matches!(part, Component::Normal(_)))
        || relative.as_os_str().is_empty()
    {
        bail!("could not archive {}: not a path inside {}", named.display(), root.display());
    }
    root.join(&relative)
        .symlink_metadata()
        .with_context(|| format!("could not archive {}", root.join(&relative).display()))?;
    Ok(relative)
}

/// Walks a workspace and hands out its entries.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    root: &'a Path,
    walk: Walk,
    console: &'a Console,
    /// First path of each file that has several names.
    linked: HashMap<(u64, u64), PathBuf>,
    /// A file never to be archived: the archive being written, should it lie in the workspace; its path there.
    own: Option<&'a Path>,
}

impl<'a> Sources<'a> {
    /// Entries of `root` below `names`, in order. So many threads begin to look at once; `own` is the absolute path of a
    /// file to leave out.
    pub(crate) fn new(
        root: &'a Path,
        names: &[PathBuf],
        options: &Options,
        own: Option<&'a Path>,
        console: &'a Console,
        threads: usize,
    ) -> Self {
        let own = own.and_then(|own| own.strip_prefix(root).ok());
        let walk = walk_ahead(root, names, options, threads);
        Self { root, walk, console, linked: HashMap::new(), own }
    }

    /// Calls `visit` for each entry. What cannot be read is complained of.
    pub(crate) fn visit(mut self, mut visit: impl FnMut(Source) -> anyhow::Result<()>) -> anyhow::Result<()> {
        while let Some(item) = self.walk.next() {
            pai_common::signal::check()?;
            match item {
                Ok(found) => {
                    if let Some(source) = self.source(found) {
                        visit(source)?;
                    }
                }
                Err(failure) => {
                    self.console.complain(format_args!(
                        "could not read {}: {}",
                        failure.path.display(),
                        failure.error
                    ));
                }
            }
        }
        Ok(())
    }

    fn source(&mut self, found: Found) -> Option<Source> {
        let Found { path, metadata } = found;
        let Some(kind) = Kind::of(&metadata) else {
            self.console.note(format_args!("skipping socket {}", path.display()));
            return None;
        };
        if self.own == Some(&path) {
            return None;
        }
        let mut entry = Entry::of(path, kind, &metadata);
        if kind == Kind::Symlink {
            match std::fs::read_link(self.root.join(&entry.path)) {
                Ok(target) => entry.link = target,
                Err(error) => {
                    self.console.complain(format_args!("could not read {}: {error}", entry.path.display()));
                    return None;
                }
            }
        }
        if kind == Kind::File && metadata.nlink() > 1 {
            match self.linked.entry((metadata.dev(), metadata.ino())) {
                std::collections::hash_map::Entry::Occupied(first) => {
                    entry.kind = Kind::HardLink;
                    entry.link.clone_from(first.get());
                    entry.size = 0;
                }
                std::collections::hash_map::Entry::Vacant(first) => {
                    first.insert(entry.path.clone());
                }
            }
        }
        // Fewer blocks than bytes: perhaps holes, perhaps a file system that compresses.
        let may_be_sparse = entry.kind == Kind::File && metadata.blocks() * 512 < entry.size;
        let sparse = if may_be_sparse { self.sparse_map(&entry) } else { None };
        Some(Source { entry, identity: Identity::of(&metadata), sparse })
    }

    fn sparse_map(&self, entry: &Entry) -> Option<SparseMap> {
        sparse_map(&open_plain(&self.root.join(&entry.path)).ok()?, entry.size)
    }
}

/// Opens a file not through a link, and without waiting, should a link or a FIFO have taken its place.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Where the data of a file is; `None` if it has no hole, or the file system cannot tell, or it has so many that
/// their map would be larger than a member: then its holes are archived as the zeros they read as.
pub(crate) fn sparse_map(file: &File, size: u64) -> Option<SparseMap> {
    let mut extents = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(start) if start < size => start,
            // Nothing but a hole up to the end.
            Ok(_) | Err(rustix::io::Errno::NXIO) => break,
            Err(_) => return None,
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start)).ok()?.min(size);
        if extents.len() == MOST_EXTENTS {
            return None;
        }
        extents.push((start, end - start));
        at = end;
    }
    let whole = extents == [(0, size)];
    (!whole).then_some(SparseMap { extents })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_map_too_large_for_a_member_is_none() {
        let file = tempfile::tempfile().unwrap();
        for piece in 0..=MOST_EXTENTS as u64 {
            file.write_all_at(b"x", piece << 13).unwrap();
        }
        let size = file.metadata().unwrap().len();
        assert_eq!(sparse_map(&file, size), None);
        file.set_len(size - 1).unwrap();
        let fewer = sparse_map(&file, size - 1);
        assert!(fewer.is_none_or(|map| map.extents.len() == MOST_EXTENTS), "as many as there may be");
    }

    #[test]
    fn covered_paths_are_dropped_and_the_others_keep_their_order() {
        let paths = ["b/c", "a", "b", "a", "bc", "a/b"].map(PathBuf::from);
        assert_eq!(without_covered(&paths), ["a", "b", "bc"].map(PathBuf::from));
    }
}
