//! What all archives hold, in one table.
//!
//! Indexes are written in pieces that repeat from night to night wherever the workspace did not change. So a piece is read
//! once, however many archives have it, and a night is the list of its pieces.

mod disk;
mod read;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use pai_common::clock::Timestamp;
use pai_common::sha256::Digest;

use super::nights::Named;
use crate::archive::index::Totals;
use crate::entry::Kind;

/// What all archives of a place hold.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// The archives, oldest first.
    nights: Vec<Night>,
    pieces: Vec<Piece>,
    paths: Vec<Box<[u8]>>,
    things: Vec<Thing>,
}

/// One archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Night {
    /// Its name, time and stamp.
    pub(crate) named: Named,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// What it holds.
    pub(crate) totals: Totals,
    /// How many files are missing from it, or cut.
    pub(crate) incomplete: u64,
    /// Whether it could not be read to its end, or its index not at all.
    pub(crate) damaged: bool,
    /// The paths it was made of; none: all.
    selection: Vec<PathBuf>,
    pieces: Vec<u32>,
}

/// A piece of an index: what it says of which path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    digest: Digest,
    records: Vec<Record>,
}

/// Number of a path, number of a thing.
type Record = (u32, u32);

/// What stood at a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Thing {
    /// What it was.
    pub(crate) kind: Kind,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Bytes of content.
    pub(crate) size: u64,
    /// Last modification.
    pub(crate) mtime: Timestamp,
    /// Where a link leads.
    pub(crate) link: PathBuf,
    /// Numbers of a device.
    pub(crate) device: (u32, u32),
    /// SHA-256 of a file's content.
    pub(crate) digest: Option<Digest>,
}

impl Thing {
    /// Whether both have the same content: what was written, wherever, whenever and by whomever.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        (self.kind, self.digest, &self.link, self.device)
            == (other.kind, other.digest, &other.link, other.device)
    }
}

/// What differs at a path between two nights: numbers of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// The path.
    pub(crate) path: u32,
    /// What stood there before.
    pub(crate) old: Option<u32>,
    /// What stands there after.
    pub(crate) new: Option<u32>,
}

impl Night {
    /// Whether the archive would have this path if the workspace had it.
    pub(crate) fn covers(&self, path: &Path) -> bool {
        let is_part = self.selection.is_empty() || self.selection.iter().any(|above| path.starts_with(above));
        is_part && self.incomplete == 0 && !self.damaged
    }
}

impl Catalogue {
    /// The archives, oldest first.
    pub(crate) fn nights(&self) -> &[Night] {
        &self.nights
    }

    /// A path by its number.
    pub(crate) fn path(&self, number: u32) -> &Path {
        Path::new(OsStr::from_bytes(&self.paths[number as usize]))
    }

    /// The number of a path, if any archive has it.
    pub(crate) fn number_of(&self, path: &Path) -> Option<u32> {
        let bytes = path.as_os_str().as_bytes();
        self.paths.iter().position(|known| **known == *bytes).map(|number| number as u32)
    }

    /// All paths, with their numbers.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (u32, &Path)> {
        self.paths.iter().zip(0..).map(|(bytes, number)| (number, Path::new(OsStr::from_bytes(bytes))))
    }

    /// The numbers of all paths that were a file at some night, under whichever of its names.
    #[cfg(feature = "mount")]
    pub(crate) fn files(&self) -> Vec<u32> {
        let mut was_file = vec![false; self.paths.len()];
        for &(path, thing) in self.pieces.iter().flat_map(|piece| &piece.records) {
            was_file[path as usize] |= matches!(self.thing(thing).kind, Kind::File | Kind::HardLink);
        }
        (0..).zip(was_file).filter_map(|(path, was)| was.then_some(path)).collect()
    }

    /// A thing by its number.
    pub(crate) fn thing(&self, number: u32) -> &Thing {
        &self.things[number as usize]
    }

    /// What a night holds: numbers of paths and things, in the order of the archive.
    pub(crate) fn held(&self, night: usize) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.nights[night]
            .pieces
            .iter()
            .flat_map(|&piece| self.pieces[piece as usize].records.iter().copied())
    }

    /// The archive of this name.
    pub(crate) fn night_of(&self, name: &str) -> Option<usize> {
        self.nights.iter().position(|night| night.named.name == name)
    }

    /// What stood at a path.
    pub(crate) fn thing_at(&self, night: usize, path: &Path) -> Option<&Thing> {
        let wanted = self.number_of(path)?;
        let found = self.held(night).find(|&(path, _)| path == wanted)?;
        Some(self.thing(found.1))
    }

    /// The file at a path, under whichever of its names.
    pub(crate) fn file_at(&self, night: usize, path: &Path) -> Option<&Thing> {
        let thing = self.thing_at(night, path)?;
        match thing.kind {
            Kind::File => Some(thing),
            // Archives name the first of a file's names, which is no link itself.
            Kind::HardLink => self.thing_at(night, &thing.link).filter(|thing| thing.kind == Kind::File),
            _ => None,
        }
    }

    /// What differs between two nights in content. Pieces that both have cannot differ, and are not looked at.
    pub(crate) fn differences(&self, old: usize, new: usize) -> Vec<Change> {
        let pieces = |night: usize| self.nights[night].pieces.iter().copied().collect::<HashSet<u32>>();
        let (before, after) = (pieces(old), pieces(new));
        let records = |of: &HashSet<u32>, not: &HashSet<u32>| -> Vec<Record> {
            of.difference(not)
                .flat_map(|&piece| self.pieces[piece as usize].records.iter().copied())
                .collect()
        };
        let mut olds: HashMap<u32, u32> = records(&before, &after).into_iter().collect();
        let mut changes = Vec::new();
        for (path, new) in records(&after, &before) {
            let old = olds.remove(&path);
            if !old.is_some_and(|old| self.thing(old).same_content(self.thing(new))) {
                changes.push(Change { path, old, new: Some(new) });
            }
        }
        changes.extend(olds.into_iter().map(|(path, old)| Change { path, old: Some(old), new: None }));
        changes.sort_by(|a, b| self.path(a.path).cmp(self.path(b.path)));
        changes
    }

    /// What stood at these paths at a night.
    pub(crate) fn things_at<'a>(
        &self,
        night: usize,
        paths: impl Iterator<Item = &'a Path>,
    ) -> HashMap<PathBuf, &Thing> {
        let wanted: HashSet<&Path> = paths.collect();
        let held = self.held(night).filter(|&(path, _)| wanted.contains(self.path(path)));
        held.map(|(path, thing)| (self.path(path).to_owned(), self.thing(thing))).collect()
    }

    /// The things that stood at each of the wanted paths, one for each night.
    pub(crate) fn lines(&self, wanted: &[u32]) -> HashMap<u32, Vec<Option<u32>>> {
        let mut is_wanted = vec![false; self.paths.len()];
        for &path in wanted {
            is_wanted[path as usize] = true;
        }
        let hits: Vec<Vec<Record>> = self
            .pieces
            .iter()
            .map(|piece| {
                piece.records.iter().copied().filter(|&(path, _)| is_wanted[path as usize]).collect()
            })
            .collect();
        let mut lines: HashMap<u32, Vec<Option<u32>>> =
            wanted.iter().map(|&path| (path, vec![None; self.nights.len()])).collect();
        for (number, night) in self.nights.iter().enumerate() {
            for &(path, thing) in night.pieces.iter().flat_map(|&piece| &hits[piece as usize]) {
                if let Some(line) = lines.get_mut(&path) {
                    line[number] = Some(thing);
                }
            }
        }
        lines
    }
}
