//! Files and folders on disk that a policy may decide on, from paths, patterns and folders.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::iter::successors;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use pai_common::console::Console;
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::cli::Prune;
use crate::look::{Identity, look_into};
use crate::paths::{self, Named};
use crate::plan::{Entry, SIDECARS, sidecar_of};
use crate::reading::Reading;

/// The items found: those to decide on, and those left out.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// The folders, as they were named.
    pub folders: Vec<PathBuf>,
    /// Items to decide on.
    pub files: Vec<Candidate>,
    /// Items left out of the decision, each with the reason.
    pub skipped: Vec<(PathBuf, &'static str)>,
}

/// A file, or with `--dirs` a folder.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Index of its folder in [`Candidates::folders`].
    pub folder: u32,
    /// Its name there.
    pub name: OsString,
    /// Identity of the item when it was looked at.
    pub identity: Identity,
    /// Bytes; 0 for folders.
    pub size: u64,
    /// Whether the item holds something: an empty file is no good copy.
    pub good: bool,
}

/// What was learned by looking at one name.
struct Seen {
    name: OsString,
    identity: Identity,
    size: u64,
}

impl Seen {
    fn new(name: OsString, metadata: &Metadata) -> Self {
        Self { name, identity: Identity::of(metadata), size: metadata.len() }
    }
}

impl Candidates {
    /// The path as the user would write it.
    pub(crate) fn path(&self, file: &Candidate) -> PathBuf {
        self.folders[file.folder as usize].join(&file.name)
    }

    /// For each folder, the text to print before a name.
    pub(crate) fn prefixes(&self) -> Vec<Vec<u8>> {
        self.folders.iter().map(|folder| folder.join("").into_os_string().into_vec()).collect()
    }

    /// A file goes with its sidecars: one whose sidecar could not be looked at stays.
    fn set_aside_owners(&mut self, unseen: &HashSet<(u32, OsString)>) {
        if unseen.is_empty() {
            return;
        }
        let Self { folders, files, skipped } = self;
        files.retain(|file| {
            let stays = unseen.contains(&(file.folder, file.name.clone()));
            if stays {
                let path = folders[file.folder as usize].join(&file.name);
                skipped.push((path, "its sidecar could not be looked at"));
            }
            !stays
        });
    }

    /// A sidecar goes with its file: one whose file is there but was not named, or was left out, stays, and with it
    /// what signs it in turn.
    fn set_aside_lone_sidecars(&mut self) {
        while self.set_aside_sidecars_of_others() {}
    }

    /// One round; whether any were set aside, which may leave others alone.
    fn set_aside_sidecars_of_others(&mut self) -> bool {
        let Self { folders, files, skipped } = self;
        if !files.iter().any(|file| sidecar_of(file.name.as_bytes()).is_some()) {
            return false;
        }
        let count = files.len();
        let names: HashSet<(u32, OsString)> =
            files.iter().map(|file| (file.folder, file.name.clone())).collect();
        files.retain(|file| {
            let Some(owner) = sidecar_of(file.name.as_bytes()).map(OsStr::from_bytes) else { return true };
            let folder = &folders[file.folder as usize];
            let is_lone = !names.contains(&(file.folder, owner.to_owned()))
                && folder.join(owner).symlink_metadata().is_ok();
            if is_lone {
                skipped.push((folder.join(&file.name), "sidecar of a file that is not looked at"));
            }
            !is_lone
        });
        files.len() < count
    }

    /// The entries for the plan, in the order of [`Candidates::files`].
    pub(crate) fn entries(&self, reading: &Reading) -> Vec<Entry<'_>> {
        let files = self.files.iter().map(|file| {
            let entry = reading.entry(file.name.as_bytes(), || Some(file.identity.mtime));
            Entry { folder: file.folder, good: file.good, ..entry }
        });
        files.collect()
    }
}

/// Looks up `named`; what cannot be looked at is complained about. With `--dirs` folders that `reading` finds a stamp
/// in are candidates, too; the list of checksums is never one.
pub(crate) fn find(named: &[Named], args: &Prune, reading: &Reading, console: &Console) -> Candidates {
    let except = args.checksums.as_deref();
    let except = except.and_then(|path| path.metadata().ok()).map(|metadata| Identity::of(&metadata));
    let (found, ids, unseen) = Default::default();
    let mut finder = Finder { found, ids, unseen, dirs: args.dirs, reading, except, console };
    for named in named {
        finder.take(named);
    }
    let Finder { mut found, unseen, .. } = finder;
    found.set_aside_owners(&unseen);
    found.set_aside_lone_sidecars();
    found.skipped.sort();
    found
}

struct Finder<'a> {
    found: Candidates,
    /// Folders by their real path, so that `a/` and `./a` are one.
    ids: HashMap<PathBuf, u32>,
    /// Files whose sidecars could not be looked at.
    unseen: HashSet<(u32, OsString)>,
    dirs: bool,
    reading: &'a Reading,
    except: Option<Identity>,
    console: &'a Console,
}

impl Finder<'_> {
    fn take(&mut self, named: &Named) {
        let is_item = self.dirs
            && !paths::ends_with_slash(&named.path)
            && named.path.file_name().is_some_and(|name| self.is_stamped(name));
        if named.metadata.is_dir() && named.may_scan && !is_item {
            if let Err(error) = self.scan(&named.path) {
                self.console
                    .complain(format_args!("could not read folder {}: {error}", named.path.display()));
            }
            return;
        }
        let Some(name) = named.path.file_name() else {
            return self.found.skipped.push((named.path.clone(), "folder"));
        };
        match self.folder(paths::folder_of(&named.path)) {
            Ok(folder) => {
                self.consider(folder, Seen::new(name.to_owned(), &named.metadata));
                self.consider_sidecars(folder, name);
            }
            Err(error) => {
                self.console.complain(format_args!("could not look up {}: {error}", named.path.display()));
            }
        }
    }

    /// The files in a folder, not below; names that start with a dot are hidden, as from a shell's `*`.
    fn scan(&mut self, path: &Path) -> io::Result<()> {
        let folder = self.folder(path)?;
        let shares = look_into(path)?;
        self.found.files.reserve(shares.iter().map(Vec::len).sum());
        for (name, seen) in shares.into_iter().flatten() {
            match seen {
                Ok((identity, size)) => self.consider(folder, Seen { name, identity, size }),
                // Gone since the folder was read: nothing to decide.
                Err(Errno::NOENT) => {}
                Err(error) => {
                    let owners = successors(sidecar_of(name.as_bytes()), |owner| sidecar_of(owner));
                    self.unseen.extend(owners.map(|owner| (folder, OsStr::from_bytes(owner).to_owned())));
                    let (path, error) = (path.join(name), io::Error::from(error));
                    self.console.complain(format_args!("could not look up {}: {error}", path.display()));
                }
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path) -> io::Result<u32> {
        let real = if path.as_os_str().is_empty() { Path::new(".") } else { path }.canonicalize()?;
        let next = self.found.folders.len() as u32;
        let id = *self.ids.entry(real).or_insert(next);
        if id == next {
            self.found.folders.push(path.to_owned());
        }
        Ok(id)
    }

    fn consider(&mut self, folder: u32, seen: Seen) {
        let Seen { name, identity, size } = seen;
        if let Some(why) = self.out_of_question(&name, &identity) {
            let path = self.found.folders[folder as usize].join(name);
            self.found.skipped.push((path, why));
            return;
        }
        let good = match identity.kind {
            FileType::Directory => holds_something(&self.found.folders[folder as usize].join(&name)),
            _ => !is_hollow(&name, size),
        };
        let size = if identity.is_folder() { 0 } else { size };
        self.found.files.push(Candidate { folder, name, identity, size, good });
    }

    /// A pattern such as `*.tar.gz` does not name them, and they go with their file all the same.
    fn consider_sidecars(&mut self, folder: u32, owner: &OsStr) {
        for ending in SIDECARS {
            let mut name = owner.to_owned();
            name.push(ending);
            let path = self.found.folders[folder as usize].join(&name);
            if let Ok(metadata) = path.symlink_metadata() {
                self.consider_sidecars(folder, &name);
                self.consider(folder, Seen::new(name, &metadata));
            }
        }
    }

    fn is_stamped(&self, name: &OsStr) -> bool {
        self.reading.stamped(name.as_bytes()).0.is_some()
    }

    fn out_of_question(&self, name: &OsStr, identity: &Identity) -> Option<&'static str> {
        match identity.kind {
            FileType::Symlink => Some("symbolic link"),
            FileType::Directory if !self.dirs => Some("folder"),
            FileType::Directory if !self.is_stamped(name) => Some("folder without a stamp in its name"),
            FileType::RegularFile if self.except == Some(*identity) => Some("the list of checksums"),
            FileType::RegularFile | FileType::Directory => None,
            _ => Some("not a regular file"),
        }
    }
}

/// The largest file that each compressor makes of empty input, as `pg_dump ... | gzip` does when `pg_dump` fails. Input of one
/// byte makes a larger file with every one of them.
const HOLLOW: [(&str, u64); 9] = [
    // age for one recipient of its own kind adds 200 bytes.
    (".gz.age", 220),
    (".tgz.age", 220),
    (".age", 200),
    (".gz", 20),
    (".tgz", 20),
    (".bz2", 14),
    (".xz", 32),
    (".zst", 13),
    (".lz4", 15),
];

/// Whether a file is empty, or a compressed file of this size holds nothing.
fn is_hollow(name: &OsStr, size: u64) -> bool {
    let most = HOLLOW.iter().find(|(ending, _)| name.as_bytes().ends_with(ending.as_bytes()));
    size <= most.map_or(0, |(_, size)| *size)
}

fn holds_something(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_compressor_makes_of_nothing_is_hollow() {
        for (name, most) in [
            ("a.sql", 0),
            ("a.sql.gz", 20),
            ("a.tgz", 20),
            ("a.sql.xz", 32),
            ("a.zst", 13),
            ("a.gz.age", 220),
            ("a.sql.age", 200),
            ("a.gz.gpg", 0),
        ] {
            assert!(is_hollow(OsStr::new(name), most), "{name}");
            assert!(!is_hollow(OsStr::new(name), most + 1), "{name}");
        }
    }
}
