//! An archive as folders and names.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use pai_common::clock::Timestamp;

use crate::entry::{Entry, Kind};
use crate::restore::safe::safe_path;

/// Longer names no file system has, and the kernel takes none.
const LONGEST_NAME: usize = 255;

/// Where a record is: the number of its group, and its own in the group.
pub(super) type Spot = (u32, u32);

/// One file, link or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) mtime: Timestamp,
    pub(super) link: PathBuf,
    pub(super) device: (u32, u32),
    /// Number of its names (hard links).
    pub(super) names: u32,
    /// `None` for folders that are only implied.
    pub(super) spot: Option<Spot>,
}

/// All nodes of an archive. Node 0 is the top folder.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// The entries of each folder, sorted by name.
    folders: HashMap<u32, Vec<(OsString, u32)>>,
}

/// A tree that grows entry by entry.
#[derive(Debug)]
pub(super) struct Growing {
    nodes: Vec<Node>,
    folders: HashMap<u32, HashMap<OsString, u32>>,
    refused: Vec<(PathBuf, &'static str)>,
}

impl Growing {
    /// A tree whose top is this.
    pub(super) fn new(top: Node) -> Self {
        Self { nodes: vec![top], folders: HashMap::from([(0, HashMap::new())]), refused: Vec::new() }
    }

    /// Puts in what an archive has. As with tar, the last one of a name counts. Names that could lead out, or that no
    /// file system could have, are left out.
    pub(super) fn add(&mut self, entry: &Entry, spot: Spot) {
        if let Err(why) = self.try_add(entry, spot) {
            self.refused.push((entry.path.clone(), why));
        }
    }

    fn try_add(&mut self, entry: &Entry, spot: Spot) -> Result<(), &'static str> {
        let path = safe_path(&entry.path)?;
        if path.iter().any(|name| name.len() > LONGEST_NAME) {
            return Err("a name longer than any file system has");
        }
        let target = match entry.kind {
            Kind::HardLink => {
                let target = safe_path(&entry.link).ok().and_then(|link| self.at(&link));
                let target = target.filter(|&node| self.nodes[node as usize].kind != Kind::Folder);
                Some(target.ok_or("a hard link to what is not there")?)
            }
            _ => None,
        };
        let Some(name) = path.file_name() else {
            if entry.kind != Kind::Folder {
                return Err("the top's own name");
            }
            self.nodes[0] = Node { spot: Some(spot), ..node(entry) };
            return Ok(());
        };
        let folder = self.folder(path.parent().unwrap_or(Path::new("")))?;
        let there = self.folders[&folder].get(name).copied();
        match there {
            Some(there) if self.folders.contains_key(&there) != (entry.kind == Kind::Folder) => {
                return Err("a folder and something else of one name");
            }
            Some(there) if entry.kind == Kind::Folder => {
                self.nodes[there as usize] = Node { spot: Some(spot), ..node(entry) };
                return Ok(());
            }
            Some(there) => self.nodes[there as usize].names -= 1,
            None => {}
        }
        let number = target.unwrap_or(self.nodes.len() as u32);
        if target.is_some() {
            self.nodes[number as usize].names += 1;
        } else {
            self.nodes.push(Node { spot: Some(spot), ..node(entry) });
        }
        self.put(folder, name, number, entry.kind == Kind::Folder);
        Ok(())
    }

    /// The folder at a path; those that no entry told of are made.
    fn folder(&mut self, path: &Path) -> Result<u32, &'static str> {
        let mut at = 0;
        for name in path {
            at = match self.folders[&at].get(name) {
                Some(&there) if self.folders.contains_key(&there) => there,
                Some(_) => return Err("its folder is none"),
                None => {
                    let number = self.nodes.len() as u32;
                    self.nodes.push(Node { spot: None, names: 1, ..self.nodes[0].clone() });
                    self.put(at, name, number, true);
                    number
                }
            };
        }
        Ok(at)
    }

    fn put(&mut self, folder: u32, name: &OsStr, number: u32, is_folder: bool) {
        self.folders.entry(folder).or_default().insert(name.to_owned(), number);
        if is_folder {
            self.folders.insert(number, HashMap::new());
        }
    }

    fn at(&self, path: &Path) -> Option<u32> {
        path.iter().try_fold(0, |at, name| self.folders.get(&at)?.get(name).copied())
    }

    /// The tree, and what is not in it.
    pub(super) fn finish(self) -> (Tree, Vec<(PathBuf, &'static str)>) {
        let sorted = |names: HashMap<OsString, u32>| {
            let mut names: Vec<(OsString, u32)> = names.into_iter().collect();
            names.sort_unstable();
            names.shrink_to_fit();
            names
        };
        let folders = self.folders.into_iter().map(|(number, names)| (number, sorted(names))).collect();
        (Tree { nodes: self.nodes, folders }, self.refused)
    }
}

impl Tree {
    /// A node by its number.
    pub(super) fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)
    }

    /// The entries of a folder, sorted by name.
    pub(super) fn names(&self, folder: u32) -> Option<&[(OsString, u32)]> {
        self.folders.get(&folder).map(Vec::as_slice)
    }

    /// Finds the entry of this name in a folder.
    pub(super) fn child(&self, folder: u32, name: &OsStr) -> Option<u32> {
        let names = self.names(folder)?;
        let found = names.binary_search_by(|(known, _)| known.as_os_str().cmp(name)).ok()?;
        Some(names[found].1)
    }

    /// Finds the entry at a path.
    pub(super) fn at(&self, path: &Path) -> Option<u32> {
        path.iter().try_fold(0, |at, name| self.child(at, name))
    }
}

/// A folder that no entry tells of.
pub(super) fn implied(uid: u32, gid: u32, mtime: Timestamp) -> Node {
    Node {
        kind: Kind::Folder,
        mode: 0o755,
        uid,
        gid,
        size: 0,
        mtime,
        link: PathBuf::new(),
        device: (0, 0),
        names: 1,
        spot: None,
    }
}

fn node(entry: &Entry) -> Node {
    // Larger numbers are for tar headers alone: no file system has them.
    let id = |id: u64| u32::try_from(id).unwrap_or(u32::MAX);
    Node {
        kind: entry.kind,
        mode: entry.mode,
        uid: id(entry.uid),
        gid: id(entry.gid),
        size: entry.size,
        mtime: entry.mtime,
        link: entry.link.clone(),
        device: entry.device,
        names: 1,
        spot: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: Kind, link: &str) -> Entry {
        Entry {
            path: PathBuf::from(path),
            kind,
            mode: 0o600,
            uid: 1,
            gid: 2,
            size: 3,
            mtime: Timestamp::new(4, 0),
            link: PathBuf::from(link),
            device: (0, 0),
        }
    }

    fn grown(entries: &[(&str, Kind, &str)]) -> (Tree, Vec<String>) {
        let mut growing = Growing::new(implied(0, 0, Timestamp::new(0, 0)));
        for (number, (path, kind, link)) in entries.iter().enumerate() {
            growing.add(&entry(path, *kind, link), (0, number as u32));
        }
        let (tree, refused) = growing.finish();
        (tree, refused.into_iter().map(|(path, _)| path.display().to_string()).collect())
    }

    fn listing(tree: &Tree, path: &str) -> String {
        let folder = tree.at(Path::new(path)).unwrap();
        let names = tree.names(folder).unwrap().iter().map(|(name, _)| name.to_str().unwrap());
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_are_in_their_folders_and_told_or_not_folders_are_there() {
        let (tree, refused) = grown(&[
            ("b", Kind::File, ""),
            ("d/e/f", Kind::File, ""),
            ("d", Kind::Folder, ""),
            ("./a", Kind::Symlink, "b"),
        ]);
        assert!(refused.is_empty());
        assert_eq!(listing(&tree, ""), "a b d");
        assert_eq!(listing(&tree, "d/e"), "f");
        let folder = tree.node(tree.at(Path::new("d")).unwrap()).unwrap();
        assert_eq!((folder.mode, folder.spot), (0o600, Some((0, 2))), "told after what is in it");
        assert_eq!(tree.node(tree.at(Path::new("d/e")).unwrap()).unwrap().spot, None);
        assert_eq!(tree.at(Path::new("b/x")), None);
    }

    #[test]
    fn hard_links_are_names_of_one_file() {
        let (tree, refused) = grown(&[
            ("a", Kind::File, ""),
            ("b", Kind::HardLink, "a"),
            ("c", Kind::HardLink, "./b"),
            ("lost", Kind::HardLink, "nothing"),
            ("d", Kind::Folder, ""),
            ("to-folder", Kind::HardLink, "d"),
        ]);
        assert_eq!(refused, ["lost", "to-folder"]);
        assert_eq!(tree.at(Path::new("a")), tree.at(Path::new("c")));
        assert_eq!(tree.node(tree.at(Path::new("b")).unwrap()).unwrap().names, 3);
    }

    #[test]
    fn what_could_lead_elsewhere_is_left_out() {
        let long = "x".repeat(256);
        let (tree, refused) = grown(&[
            ("../up", Kind::File, ""),
            ("/etc/passwd", Kind::File, ""),
            ("a/../b", Kind::File, ""),
            (".", Kind::File, ""),
            (&long, Kind::File, ""),
            ("link", Kind::Symlink, "/etc"),
            ("link/passwd", Kind::File, ""),
            ("link", Kind::Folder, ""),
            ("f", Kind::File, ""),
        ]);
        assert_eq!(refused, ["../up", "/etc/passwd", "a/../b", ".", &long, "link/passwd", "link"]);
        assert_eq!(listing(&tree, ""), "f link");
    }

    #[test]
    fn the_last_one_of_a_name_counts() {
        let (tree, refused) =
            grown(&[("a", Kind::File, ""), ("b", Kind::HardLink, "a"), ("a", Kind::Symlink, "b")]);
        assert!(refused.is_empty());
        let (a, b) = (tree.at(Path::new("a")).unwrap(), tree.at(Path::new("b")).unwrap());
        assert_eq!((tree.node(a).unwrap().kind, tree.node(b).unwrap().kind), (Kind::Symlink, Kind::File));
        assert_eq!(tree.node(b).unwrap().names, 1);
    }
}
