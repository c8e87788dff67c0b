//! Which archives there are, and the trees of the last ones that were entered.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

use super::Run;
use super::tree::{Growing, Node, Spot, Tree, implied};
use crate::archive::index::{Group, Index, Record};
use crate::archive::open::{Archive, ArchiveFile};
use crate::past::nights::{Named, Place};
use crate::shelf::EXTENSION;

/// Number of trees that are kept. It bounds the memory, however many archives there are.
const KEPT: usize = 8;

/// The archives of a place. Rows are given once and never again, so that they can be told to the kernel.
#[derive(Debug)]
pub(super) struct Nights {
    place: Place,
    run: Arc<Run>,
    rows: Mutex<Rows>,
    trees: Mutex<VecDeque<(u32, Arc<Night>)>>,
    /// Complaints already made: each is made once.
    told: Mutex<HashSet<String>>,
}

#[derive(Debug, Default)]
struct Rows {
    all: Vec<Named>,
    numbers: HashMap<Named, u32>,
    /// The archives that exist now, oldest first.
    now: Vec<u32>,
}

/// An archive that was entered.
#[derive(Debug)]
pub(super) struct Night {
    /// Its name in messages.
    name: String,
    archive: Archive,
    pub(super) tree: Tree,
    /// For each group its position in the index, and the position of its first member in the archive.
    groups: Vec<(usize, u64)>,
}

impl Nights {
    pub(super) fn new(place: Place, run: Arc<Run>) -> Self {
        Self { place, run, rows: Mutex::default(), trees: Mutex::default(), told: Mutex::default() }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// Looks for archives that are new or gone. The rows of those that there are, oldest first, and their folders' names.
    pub(super) fn look(&self) -> anyhow::Result<Vec<(u32, String)>> {
        let archives = self.place.archives()?;
        let mut rows = lock(&self.rows);
        rows.now = archives.into_iter().map(|named| rows.row_of(named)).collect();
        Ok(rows.now.iter().map(|&row| (row, folder_name(&rows.all[row as usize]))).collect())
    }

    /// The row of an archive.
    pub(super) fn row_of(&self, named: &Named) -> u32 {
        lock(&self.rows).row_of(named.clone())
    }

    /// The row of the archive whose folder has this name.
    pub(super) fn row_named(&self, name: &str) -> anyhow::Result<Option<u32>> {
        let find =
            |rows: &Rows| rows.now.iter().copied().find(|&row| folder_name(&rows.all[row as usize]) == name);
        if let Some(row) = find(&lock(&self.rows)) {
            return Ok(Some(row));
        }
        self.look()?;
        Ok(find(&lock(&self.rows)))
    }

    /// The name of the folder that `latest` leads to: the newest archive whose index holds.
    pub(super) fn latest(&self) -> anyhow::Result<Option<String>> {
        let archives = self.look()?;
        let newest = archives.into_iter().rev().find(|&(row, _)| self.enter(row).is_some());
        Ok(newest.map(|(_, name)| name))
    }

    /// When an archive was begun.
    pub(super) fn named(&self, row: u32) -> Option<Named> {
        lock(&self.rows).all.get(row as usize).cloned()
    }

    /// An archive's tree, which is read if it is none of the last ones. What is wrong with it is told.
    pub(super) fn enter(&self, row: u32) -> Option<Arc<Night>> {
        if let Some(night) = self.kept(row) {
            return Some(night);
        }
        let named = self.named(row)?;
        let (night, refused) = match self.read(&named) {
            Ok(read) => read,
            Err(error) => {
                self.complain(format!("{error:#}"));
                return None;
            }
        };
        for (path, why) in refused {
            self.complain(format!("not shown: {} of {}: {why}", path.display(), named.name));
        }
        let night = Arc::new(night);
        let mut trees = lock(&self.trees);
        trees.truncate(KEPT - 1);
        trees.push_front((row, Arc::clone(&night)));
        Some(night)
    }

    fn kept(&self, row: u32) -> Option<Arc<Night>> {
        let mut trees = lock(&self.trees);
        let at = trees.iter().position(|(kept, _)| *kept == row)?;
        let found = trees.remove(at)?;
        trees.push_front(found);
        trees.front().map(|(_, night)| Arc::clone(night))
    }

    fn read(&self, named: &Named) -> anyhow::Result<(Night, Vec<(PathBuf, &'static str)>)> {
        let context = || format!("could not enter {}", named.name);
        let archive = self.place.open(&named.name).with_context(context)?;
        let index = archive.index().map_err(Clone::clone).with_context(|| {
            format!("{} (pai-backup list, cat and restore read it front to back)", context())
        })?;
        let mut growing = Growing::new(top(named));
        let mut groups = Vec::new();
        for (number, place) in index.members().with_context(context)?.into_iter().enumerate() {
            let group = index.group_at(place.at).with_context(context)?;
            for (record, told) in group.records.iter().enumerate() {
                growing.add(&told.entry, (number as u32, record as u32));
            }
            groups.push((place.at, place.offset));
        }
        let (tree, refused) = growing.finish();
        Ok((Night { name: named.name.clone(), archive, tree, groups }, refused))
    }

    /// Says on stderr what is wrong, each once: the kernel asks again and again.
    pub(super) fn complain(&self, what: String) {
        let mut told = lock(&self.told);
        if !told.contains(&what) {
            self.run.console.complain(&what);
            told.insert(what);
        }
    }

    /// Says what can be done about a damaged archive.
    pub(super) fn hint(&self, archive: &str) {
        let hint = format!("hint: pai-backup repair -n {archive} shows what other archives can mend");
        if lock(&self.told).insert(hint.clone()) {
            self.run.console.warn(hint);
        }
    }
}

impl Rows {
    fn row_of(&mut self, named: Named) -> u32 {
        if let Some(&row) = self.numbers.get(&named) {
            return row;
        }
        let row = self.all.len() as u32;
        self.all.push(named.clone());
        self.numbers.insert(named, row);
        row
    }
}

impl Night {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn file(&self) -> &ArchiveFile {
        self.archive.file()
    }

    /// Where the members of a record's group begin, the group, and the record.
    pub(super) fn record(&self, (group, record): Spot) -> anyhow::Result<(u64, Group, Record)> {
        let index: &Index = self.archive.index().map_err(Clone::clone)?;
        let &(at, offset) = self.groups.get(group as usize).context("there is no such group")?;
        let group = index.group_at(at)?;
        let record = group.records.get(record as usize).context("there is no such record")?.clone();
        Ok((offset, group, record))
    }
}

/// The folder of an archive.
pub(super) fn top(named: &Named) -> Node {
    implied(rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw(), named.time)
}

fn folder_name(named: &Named) -> String {
    named.name.strip_suffix(EXTENSION).unwrap_or(&named.name).to_owned()
}

/// A panic of another thread does not make the tables wrong.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
