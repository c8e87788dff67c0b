//! `by-file`: under the path of every file a folder with its versions, each by the time of the first archive that has it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pai_common::clock::Zone;
use pai_common::stamp;

use super::nights::{Nights, lock};
use crate::entry::Kind;
use crate::past::catalogue::{Catalogue, Thing};
use crate::past::chronicle::{self, Event};
use crate::past::nights::Named;
use crate::restore::safe::safe_path;

/// Every item that was named so far, and the entries of all archives.
#[derive(Debug)]
pub(super) struct ByFile {
    items: Mutex<Items>,
    known: Mutex<Option<Arc<Known>>>,
}

#[derive(Debug, Default)]
struct Items {
    all: Vec<Arc<Item>>,
    numbers: HashMap<PathBuf, u32>,
}

/// Something below `by-file`.
#[derive(Debug)]
pub(super) enum Item {
    /// A folder, and the path it stands for.
    Folder(PathBuf),
    /// A version of a file.
    Version(Version),
}

/// A version: which archive has it under which path, and what it is.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) archive: Named,
    pub(super) path: PathBuf,
    pub(super) thing: Thing,
}

#[derive(Debug)]
struct Known {
    catalogue: Catalogue,
    /// Numbers of the paths that were files, sorted by their bytes.
    files: Vec<u32>,
}

impl ByFile {
    pub(super) fn new() -> Self {
        let top = Arc::new(Item::Folder(PathBuf::new()));
        let items = Items { all: vec![top], numbers: HashMap::from([(PathBuf::new(), 0)]) };
        Self { items: Mutex::new(items), known: Mutex::default() }
    }

    /// The item of this number.
    pub(super) fn item(&self, number: u32) -> Option<Arc<Item>> {
        lock(&self.items).all.get(number as usize).cloned()
    }

    /// The entries of a folder: folders and files of the workspace, as folders; for a file, its versions.
    pub(super) fn names(&self, folder: &Path, nights: &Nights) -> anyhow::Result<BTreeMap<OsString, u32>> {
        let known = self.known(folder.as_os_str().is_empty(), nights)?;
        let mut names = BTreeMap::new();
        for name in known.below(folder) {
            let path = folder.join(&name);
            let number = self.number(path.clone(), || Item::Folder(path));
            names.insert(name, number);
        }
        for version in known.versions(folder) {
            let name = OsString::from(stamp::compact(version.0, Zone::Local));
            // A path that no workspace can have stands for the version.
            let key = folder.join("\0").join(&name).join(&version.1.archive.stamp);
            let number = self.number(key, || Item::Version(version.1));
            names.entry(name).or_insert(number);
        }
        Ok(names)
    }

    fn number(&self, key: PathBuf, item: impl FnOnce() -> Item) -> u32 {
        let items = &mut *lock(&self.items);
        *items.numbers.entry(key).or_insert_with(|| {
            items.all.push(Arc::new(item()));
            items.all.len() as u32 - 1
        })
    }

    /// The entries of all archives. With `again`, it looks for archives that are new or gone.
    fn known(&self, again: bool, nights: &Nights) -> anyhow::Result<Arc<Known>> {
        // Held while they are read, so that they are read once.
        let mut known = lock(&self.known);
        if let Some(known) = &*known {
            let there = || known.catalogue.nights().iter().map(|night| &night.named);
            if !again || nights.place().archives()?.iter().eq(there()) {
                return Ok(Arc::clone(known));
            }
        }
        let fresh = Arc::new(Known::of(Catalogue::load(nights.place(), &nights.run().context())?));
        *known = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}

impl Known {
    fn of(catalogue: Catalogue) -> Self {
        let mut files = catalogue.files();
        files.retain(|&path| safe_path(catalogue.path(path)).is_ok());
        files.sort_unstable_by_key(|&path| catalogue.path(path).as_os_str().as_bytes());
        Self { catalogue, files }
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        self.files.get(at).map(|&path| self.catalogue.path(path).as_os_str().as_bytes())
    }

    /// The first file whose path is not before these bytes.
    fn first(&self, bytes: &[u8]) -> usize {
        self.files.partition_point(|&path| self.catalogue.path(path).as_os_str().as_bytes() < bytes)
    }

    /// The names directly below a folder. What is further below is hopped over.
    fn below(&self, folder: &Path) -> Vec<OsString> {
        let mut prefix = folder.as_os_str().as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let mut names = std::collections::BTreeSet::new();
        let mut at = self.first(&prefix);
        while let Some(rest) = self.bytes(at).and_then(|path| path.strip_prefix(prefix.as_slice())) {
            match rest.iter().position(|&byte| byte == b'/') {
                None => {
                    names.insert(OsStr::from_bytes(rest).to_owned());
                    at += 1;
                }
                Some(end) => {
                    let name = &rest[..end];
                    names.insert(OsStr::from_bytes(name).to_owned());
                    // The byte behind the slash.
                    at = self.first(&[&prefix, name, b"0"].concat());
                }
            }
        }
        names.into_iter().collect()
    }

    /// The versions of a file, across its names; none if it is none.
    fn versions(&self, path: &Path) -> Vec<(pai_common::clock::Timestamp, Version)> {
        let bytes = path.as_os_str().as_bytes();
        let at = self.first(bytes);
        if self.bytes(at) != Some(bytes) {
            return Vec::new();
        }
        let catalogue = &self.catalogue;
        let events = chronicle::of(catalogue, self.files[at]).into_iter();
        let version = |event| match event {
            Event::Version { path, first, last, thing, .. } if thing.kind == Kind::File => {
                let archive = catalogue.nights()[last].named.clone();
                let path = catalogue.path(path).to_owned();
                Some((catalogue.nights()[first].named.time, Version { archive, path, thing: thing.clone() }))
            }
            _ => None,
        };
        events.filter_map(version).collect()
    }
}
