//! What this machine remembers of a store, so that a night in which little changed fetches nothing: the list and the index
//! of the last archive of each series.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pai_common::atomic;
use pai_common::home::ensure_private_folder;
use pai_common::sha256::{self, Digest};

use super::layout::{self, Form};
use super::list::List;
use super::tail::{NewTail, Tail};

const LIST: &str = ".list.gz";
const TAIL: &str = ".tail";
/// What ends the name of a file that says how a list lies in the store, its length and its SHA-256 there.
const OBJECT: &str = ".object";
const SEALED: &str = "sealed";

/// A folder of one store's own.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
}

/// An archive whose list and index are known.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    /// The archive's list.
    pub(crate) list: List,
    /// Length of the list as it lies in the store, perhaps encrypted.
    pub(crate) list_size: u64,
    /// SHA-256 of the list as it lies in the store.
    pub(crate) list_digest: Digest,
    /// Index members and footer, the last bytes of the archive.
    pub(crate) tail: Tail,
}

impl Remembered {
    /// A list, the object it was read from, and the archive's last bytes.
    fn new(list: List, object: &[u8], tail: Tail) -> Self {
        Self { list, list_size: object.len() as u64, list_digest: sha256::digest(object), tail }
    }

    /// Reads what the cache says of the list's object in the store: its form, its length and its SHA-256.
    fn parse(mut list: List, object: &str, tail: Tail) -> Option<Self> {
        let mut words = object.split_whitespace();
        list.form = if words.next()? == SEALED { Form::Sealed } else { Form::Plain };
        let (size, digest) = (words.next()?.parse().ok()?, layout::digest(words.next()?)?);
        Some(Self { list, list_size: size, list_digest: digest, tail })
    }

    /// Whether `object` is, byte for byte, the list that the archive was remembered with.
    pub(crate) fn is_of(&self, object: &[u8]) -> bool {
        self.list_size == object.len() as u64 && self.list_digest == sha256::digest(object)
    }

    /// Where in the archive the tail begins.
    pub(crate) fn tail_start(&self) -> u64 {
        self.list.runs.size().saturating_sub(self.tail.size())
    }
}

impl Cache {
    /// The cache of a store, below `$XDG_CACHE_HOME/pai-backup` or `~/.cache/pai-backup`.
    pub(crate) fn of(store: &str) -> anyhow::Result<Self> {
        Self::below(&Self::root()?, store)
    }

    /// The user's folder for caches: `$XDG_CACHE_HOME` or `~/.cache`.
    fn root() -> anyhow::Result<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        root.context("could not find a folder for the cache: neither XDG_CACHE_HOME nor HOME is set")
    }

    /// The cache of a store, below the folder `root`.
    pub(crate) fn below(root: &Path, store: &str) -> anyhow::Result<Self> {
        let name = &sha256::to_hex(&sha256::digest(store.as_bytes()))[..32];
        let folder = root.join("pai-backup").join(name);
        ensure_private_folder(&folder)?;
        Ok(Self { folder })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The remembered archive of this name, if its three files are there and agree.
    pub(crate) fn recall(&self, archive: &str) -> Option<Remembered> {
        let bytes = fs::read(self.folder.join(format!("{archive}{LIST}"))).ok()?;
        let tail = Tail::open(&self.folder.join(format!("{archive}{TAIL}"))).ok()?;
        let list = List::unpack(&bytes, archive).ok()?;
        // Here it is never encrypted: this machine has what it is about.
        let object = fs::read_to_string(self.folder.join(format!("{archive}{OBJECT}")));
        let known = match object {
            Ok(object) => Remembered::parse(list, &object, tail)?,
            Err(_) => Remembered::new(list, &bytes, tail),
        };
        (known.tail.size() <= known.list.runs.size()).then_some(known)
    }

    /// The archives that are remembered.
    pub(crate) fn archives(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let name = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(LIST)?.to_owned());
        entries.filter_map(name).filter(|name| !name.starts_with('.')).collect()
    }

    /// Where the last bytes of a new archive go, for [`Cache::remember`].
    pub(crate) fn new_tail(&self, archive: &str) -> NewTail {
        NewTail::begin(&self.folder.join(format!("{archive}{TAIL}")))
    }

    /// Remembers an archive: its list, the object that the list is in the store, and its last bytes. Forgets `others`.
    pub(crate) fn remember(
        &self,
        list: List,
        object: &[u8],
        tail: NewTail,
        others: &[String],
    ) -> anyhow::Result<Remembered> {
        let archive = &list.archive;
        let path = |end| self.folder.join(format!("{archive}{end}"));
        self.forget(archive);
        // The list last: it is what makes the archive a remembered one.
        let form = if list.form == Form::Sealed { SEALED } else { "plain" };
        let digest = sha256::to_hex(&sha256::digest(object));
        atomic::write(&path(OBJECT), 0o600, format!("{form} {} {digest}\n", object.len()).as_bytes())?;
        tail.commit()?;
        atomic::write(&path(LIST), 0o600, &list.pack()?)?;
        for other in others.iter().filter(|other| *other != archive) {
            self.forget(other);
        }
        let tail =
            Tail::open(&path(TAIL)).with_context(|| format!("could not read {}", path(TAIL).display()))?;
        Ok(Remembered::new(list, object, tail))
    }

    /// Removes the temporary files of interrupted runs.
    pub(crate) fn sweep(&self) -> anyhow::Result<()> {
        atomic::remove_abandoned(&self.folder, |name| name.ends_with(TAIL.as_bytes())).map(drop)
    }

    /// Forgets an archive.
    pub(crate) fn forget(&self, archive: &str) {
        for end in [LIST, TAIL, OBJECT] {
            // What cannot be removed is looked at again, and found to disagree with the store.
            let _ = fs::remove_file(self.folder.join(format!("{archive}{end}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::runs::Runs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_archive_is_remembered_and_the_ones_before_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::below(folder.path(), "s3://x").unwrap();
        assert_eq!(cache.folder().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let mut runs = Runs::default();
        runs.push([1; 32], 0, 10);
        for (form, object) in [(Form::Sealed, &[1_u8; 1000][..]), (Form::Plain, &[2; 900])] {
            let list = List { archive: "pai-2".to_owned(), runs: runs.clone(), form, ..List::default() };
            fs::write(cache.folder().join("pai-1.tail"), "tail").unwrap();
            fs::write(cache.folder().join("pai-1.list.gz"), "no list").unwrap();
            assert!(cache.recall("pai-1").is_none(), "a damaged list is as good as none");
            let mut tail = cache.new_tail("pai-2");
            tail.append(b"tail");
            cache.remember(list.clone(), object, tail, &cache.archives()).unwrap();
            assert_eq!(cache.archives(), ["pai-2"]);
            let found = cache.recall("pai-2").unwrap();
            assert_eq!((found.list.clone(), found.tail_start()), (list, 6));
            assert_eq!(found.tail.read().unwrap(), b"tail");
            assert_eq!((found.list_size, found.list_digest), (object.len() as u64, sha256::digest(object)));
        }
        assert!(Cache::below(folder.path(), "s3://y").unwrap().archives().is_empty());
        let dead = cache.folder().join(".pai-3.tail.partial");
        fs::write(&dead, "half").unwrap();
        let living = cache.new_tail("pai-4");
        cache.sweep().unwrap();
        assert!(!dead.exists());
        let path = cache.folder().join(".pai-4.tail.partial");
        assert!(path.exists(), "it is being written");
        drop(living);
        assert!(!path.exists());
    }
}
