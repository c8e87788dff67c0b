//! Which part of the disk an archive is compared with.

use std::path::PathBuf;

use pai_common::walk::{self, Excludes};

use crate::Context;
use crate::archive::index::Selection;
use crate::archive::open::Archive;
use crate::source;

/// What of the disk an archive is about: the same names, with the same excludes, as when it was made.
pub(super) struct Scope {
    pub(super) root: PathBuf,
    pub(super) names: Vec<PathBuf>,
    pub(super) options: walk::Options,
}

impl Scope {
    pub(super) fn of(archive: &Archive, run: &Context<'_>) -> anyhow::Result<Self> {
        let (recorded, selection) = match archive.index() {
            Ok(index) => (PathBuf::from(&index.about().root), index.about().selection.clone()),
            Err(_) => (PathBuf::new(), Selection::default()),
        };
        let root = match &run.place.workspace.home {
            None if !recorded.as_os_str().is_empty() => recorded,
            _ => run.place.workspace.resolve()?.root().to_owned(),
        };
        let mut excludes = Excludes::default();
        for pattern in &selection.excludes {
            excludes.add(pattern)?;
        }
        let there = |path: &PathBuf| root.join(path).symlink_metadata().is_ok();
        let named: Vec<PathBuf> = selection.paths.iter().map(PathBuf::from).filter(there).collect();
        // No name at all would mean everything.
        let all_gone = named.is_empty() && !selection.paths.is_empty();
        let names = if all_gone { Vec::new() } else { source::top_level(&root, &named)? };
        let options = walk::Options {
            excludes,
            skip_caches: selection.no_caches,
            one_file_system: selection.one_file_system,
        };
        Ok(Self { root, names, options })
    }
}
