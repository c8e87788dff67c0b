//! What a restore would do to each path: decided before anything is touched.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pai_common::sha256::{Digest, Sha256};

use crate::Context;
use crate::archive::open::Archive;
use crate::contents::{self, Listed};
use crate::entry::{Entry, Kind};
use crate::restore::beneath::Beneath;
use crate::restore::safe::{may_exist, safe_path, safe_place};
use crate::restore::select::Selector;

/// The decision on one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is there: it is written.
    Write,
    /// Something else is there: it is replaced.
    Replace,
    /// The same content, mode and time are there already: nothing is done.
    Leave,
    /// The archive must not have it, and why.
    Refuse(String),
}

/// The plan of a restore.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The decision on each wanted path.
    verdicts: BTreeMap<PathBuf, Verdict>,
    /// Files to be written under other names: those of hard links that were wanted without their file.
    stand_ins: HashMap<PathBuf, PathBuf>,
    /// Files that stay as they are and get hard links.
    left_links: BTreeSet<PathBuf>,
    /// Folders that something else is in the place of, which is replaced.
    folders_to_be: BTreeSet<PathBuf>,
    /// Folders that stay as they are, and the index's groups that they are in.
    left_folders: HashMap<PathBuf, usize>,
    /// The index's groups that wanted entries are in.
    groups: BTreeSet<usize>,
    missing: Vec<String>,
    /// Why the archive could not be read to its end; what comes before that is in the plan.
    broken: Option<anyhow::Error>,
}

impl Plan {
    /// Compares an archive with what is below `target`.
    pub(super) fn make(
        archive: &Archive,
        target: &Path,
        selector: &Selector,
        privileged: bool,
        run: &Context<'_>,
    ) -> anyhow::Result<Self> {
        let exists =
            target.try_exists().with_context(|| format!("could not look at {}", target.display()))?;
        let beneath = exists.then(|| Beneath::open(target)).transpose()?;
        let mut plan = Self::default();
        let mut hits = HashSet::new();
        // A digest is wanted where a file of the same size is already there; a hole alone can be exabytes long.
        let compared = |entry: &Entry| {
            let path = safe_path(&entry.path).ok();
            let there =
                path.zip(beneath.as_ref()).and_then(|(path, beneath)| beneath.look(&path).ok().flatten());
            there.is_some_and(|existing| existing.kind == Kind::File && existing.size == entry.size)
        };
        let read = contents::visit(archive, compared, run.threads(), run.console, |listed| {
            plan.decide(&listed, selector, beneath.as_ref(), privileged, &mut hits);
            Ok(())
        });
        if let Err(error) = read {
            pai_common::signal::check()?;
            if plan.verdicts.is_empty() {
                return Err(error);
            }
            // What comes before the damage is still worth having.
            plan.broken = Some(error);
        }
        plan.touch_folders();
        plan.missing = selector.missing(&hits).map(str::to_owned).collect();
        Ok(plan)
    }

    fn decide(
        &mut self,
        listed: &Listed,
        selector: &Selector,
        beneath: Option<&Beneath>,
        privileged: bool,
        hits: &mut HashSet<usize>,
    ) {
        let entry = &listed.entry;
        let path = match safe_place(entry) {
            Ok(None) => return,
            Ok(Some(path)) if !selector.wants(&path, hits) => return,
            Ok(Some(path)) => path,
            Err(why) => {
                self.verdicts.insert(entry.path.clone(), Verdict::Refuse(why.to_owned()));
                return;
            }
        };
        let verdict = match may_exist(entry, privileged) {
            Err(why) => Verdict::Refuse(why.to_owned()),
            Ok(()) => self.compare(listed, &path, beneath),
        };
        let verdict = match self.verdicts.get(&*path) {
            Some(_) if entry.kind == Kind::Folder => return,
            Some(_) => Verdict::Refuse("the archive has this name twice".to_owned()),
            None => verdict,
        };
        if matches!(verdict, Verdict::Write | Verdict::Replace) {
            self.groups.insert(listed.group);
        } else if entry.kind == Kind::Folder && verdict == Verdict::Leave {
            self.left_folders.insert(path.to_path_buf(), listed.group);
        }
        self.verdicts.insert(path.into_owned(), verdict);
    }

    fn compare(&mut self, listed: &Listed, path: &Path, beneath: Option<&Beneath>) -> Verdict {
        if listed.entry.kind == Kind::HardLink {
            let Ok(link) = safe_path(&listed.entry.link) else {
                return Verdict::Refuse(format!("a hard link to {}", listed.entry.link.display()));
            };
            match self.verdicts.get(&*link) {
                Some(Verdict::Refuse(_)) => {
                    return Verdict::Refuse("a hard link to a refused file".to_owned());
                }
                Some(Verdict::Leave) if beneath.is_some_and(|beneath| beneath.is_same_file(path, &link)) => {
                    return Verdict::Leave;
                }
                Some(Verdict::Leave) => {
                    self.left_links.insert(link.into_owned());
                }
                Some(_) => {}
                None => {
                    self.stand_ins.entry(link.into_owned()).or_insert_with(|| path.to_owned());
                }
            }
        }
        let Some(beneath) = beneath else { return Verdict::Write };
        match beneath.look(path) {
            Err(why) if why.kind() == io::ErrorKind::NotADirectory => {
                if path.ancestors().any(|folder| self.folders_to_be.contains(folder)) {
                    Verdict::Write
                } else {
                    Verdict::Refuse("what is in its folder's place is no folder".to_owned())
                }
            }
            Err(why) => Verdict::Refuse(why.to_string()),
            Ok(None) => Verdict::Write,
            Ok(Some(existing)) => match (existing.kind, listed.entry.kind) {
                // A folder's mode and times are set like tar's; they are nothing to be lost.
                (Kind::Folder, Kind::Folder) if is_like(listed, &existing) => Verdict::Leave,
                (Kind::Folder, Kind::Folder) => Verdict::Write,
                (Kind::Folder, _) => Verdict::Refuse("a folder is in its place".to_owned()),
                (kind, Kind::Folder) if kind != Kind::Symlink => {
                    self.folders_to_be.insert(path.to_owned());
                    Verdict::Replace
                }
                _ if same(listed, &existing, beneath, path) => Verdict::Leave,
                _ => Verdict::Replace,
            },
        }
    }

    /// Writing into a folder changes its times: they are set again.
    fn touch_folders(&mut self) {
        let written = |(path, verdict): (&PathBuf, &Verdict)| {
            matches!(verdict, Verdict::Write | Verdict::Replace).then(|| path.parent().map(Path::to_owned))?
        };
        let parents: BTreeSet<PathBuf> = self.verdicts.iter().filter_map(written).collect();
        for parent in parents {
            if let Some(group) = self.left_folders.remove(&parent) {
                self.groups.insert(group);
                self.verdicts.insert(parent, Verdict::Write);
            }
        }
    }

    /// Files that are as the archive has them and that hard links are to be made to.
    pub(super) fn left_links(&self) -> impl Iterator<Item = &PathBuf> {
        self.left_links.iter()
    }

    /// The decision on `path`, if it is wanted.
    pub(super) fn verdict(&self, path: &Path) -> Option<&Verdict> {
        self.verdicts.get(path)
    }

    /// The name under which a file must be written though it is not wanted itself.
    pub(super) fn stand_in(&self, path: &Path) -> Option<&PathBuf> {
        self.stand_ins.get(path)
    }

    /// Whether entries of this group may have to be written. A stand-in's file can be in any.
    pub(super) fn needs_group(&self, number: usize) -> bool {
        !self.stand_ins.is_empty() || self.groups.contains(&number)
    }

    /// Every wanted path, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&PathBuf, &Verdict)> {
        self.verdicts.iter()
    }

    /// Paths that must not be restored, each with the reason.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&PathBuf, &String)> {
        self.verdicts.iter().filter_map(|(path, verdict)| match verdict {
            Verdict::Refuse(why) => Some((path, why)),
            _ => None,
        })
    }

    /// Paths that would be replaced.
    pub(super) fn replaced(&self) -> Vec<PathBuf> {
        self.verdicts
            .iter()
            .filter(|(_, verdict)| **verdict == Verdict::Replace)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Folders that something else is in the place of.
    pub(super) fn folders_to_be(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders_to_be.iter()
    }

    /// Why the archive could not be read to its end, if that is so.
    pub(super) fn broken(&self) -> Option<&anyhow::Error> {
        self.broken.as_ref()
    }

    /// Wanted patterns that nothing matched.
    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }
}

/// Whether the entry on disk is the one in the archive.
fn same(listed: &Listed, existing: &Entry, beneath: &Beneath, path: &Path) -> bool {
    let entry = &listed.entry;
    if entry.kind == Kind::HardLink {
        // Cheap to make again.
        return false;
    }
    if !is_like(listed, existing) {
        return entry.kind == Kind::Symlink && existing.kind == Kind::Symlink && existing.link == entry.link;
    }
    match entry.kind {
        Kind::File if existing.size == entry.size => {
            beneath.read(path).ok().and_then(digest).is_some_and(|digest| Some(digest) == listed.digest)
        }
        Kind::File => false,
        Kind::Symlink => existing.link == entry.link,
        _ => existing.device == entry.device,
    }
}

fn is_like(listed: &Listed, existing: &Entry) -> bool {
    let entry = &listed.entry;
    (existing.kind, existing.mode, existing.mtime) == (entry.kind, entry.mode, entry.mtime)
}

fn digest(mut file: File) -> Option<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
