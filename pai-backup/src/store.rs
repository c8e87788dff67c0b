//! A store: archives beyond one disk, each night at the price of what changed.
//!
//! An archive in a store is a list of runs of bytes in packs; a pack is a run of whole members that the store did not have.
//! The runs one after another are the archive, byte for byte. `docs/stores.md` is the long form.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `address`, `backend` | where a store is, and the few requests it must answer |
//! | `folder`, `s3`, `rclone` | how they are answered there |
//! | `layout`, `list`, `lists`, `needs`, `runs`, `measure`, `readme` | what lies there |
//! | `stored` | the bytes of an archive, fetched as they are asked for |
//! | `send`, `cache`, `tail` | a new archive, and what is remembered of the last one |
//! | `rewrite`, `ranges` | bytes that move to other packs |
//! | `seal`, `state` | whom it is encrypted for, and what must not be forgotten |
//! | `push`, `repair`, `pull`, `forget`, `prune`, `repack` | the commands |

mod address;
mod backend;
pub(crate) mod cache;
mod folder;
pub(crate) mod forget;
mod layout;
mod list;
mod lists;
mod measure;
#[cfg(test)]
mod memory;
mod needs;
pub(crate) mod probe;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
mod ranges;
mod rclone;
mod readme;
mod repack;
mod repair;
mod rewrite;
mod runs;
#[cfg(feature = "s3")]
mod s3;
mod seal;
mod send;
mod state;
mod stored;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pai_common::clock::Timestamp;
use pai_common::console::Console;
use pai_common::lock::DirLock;
use pai_common::sha256::Digest;
use pai_common::units::human_size;

use self::address::Address;
use self::backend::{Backend, Patient, StoreError, Traffic};
use self::cache::{Cache, Remembered};
use self::list::List;
use self::needs::Needs;
use self::state::State;
use self::stored::{BadPack, Stored};
use crate::archive::open::{Archive, ArchiveFile};
use crate::crypt::Keys;
use crate::shelf::{EXTENSION, Shelf};

pub(crate) use self::backend::Kind;
pub(crate) use self::layout::Form;
pub(crate) use self::send::{Sender, StoreSink};

/// Longest object that is fetched whole, packs aside.
const LONGEST: u64 = 64 << 20;

/// A store that is connected to.
#[derive(Debug)]
pub(crate) struct Store {
    backend: Arc<dyn Backend>,
    traffic: Arc<Traffic>,
    cache: Cache,
    state: State,
    keys: Arc<Keys>,
    shown: String,
}

/// An archive in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name, without extension.
    pub(crate) name: String,
    /// When it was begun, by its name.
    pub(crate) time: Timestamp,
    /// How it lies there.
    pub(crate) form: Form,
}

/// Archives that share the first part of their names: those of one machine, say.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    shelf: Shelf,
}

impl Series {
    /// The archives called `PREFIX-YYYYMMDD-HHMMSS`.
    pub(crate) fn new(prefix: &str) -> anyhow::Result<Self> {
        layout::check_series(prefix)?;
        Ok(Self { shelf: Shelf::new(PathBuf::new(), prefix) })
    }

    pub(crate) fn prefix(&self) -> &str {
        self.shelf.prefix()
    }

    /// When an archive of the series was begun; `None` for the others.
    pub(crate) fn time_of(&self, archive: &str) -> Option<Timestamp> {
        self.shelf.time_of(OsStr::new(&format!("{archive}{EXTENSION}")))
    }

    /// The newest of these that is of the series.
    pub(crate) fn newest<'a>(&self, archives: impl Iterator<Item = &'a str>) -> Option<String> {
        let timed = archives.filter_map(|archive| Some((self.time_of(archive)?, archive)));
        timed.max().map(|(_, archive)| archive.to_owned())
    }
}

impl Store {
    /// Connects to the store that `address` names. If it is encrypted, `keys` open what is in it.
    pub(crate) fn open(address: &str, keys: &Arc<Keys>) -> anyhow::Result<Self> {
        let parsed = Address::parse(address)?;
        let cache = Cache::of(&parsed.text())?;
        let patient = Patient::new(parsed.connect()?);
        Ok(Self {
            traffic: patient.traffic(),
            backend: Arc::new(patient),
            state: State::beside(cache.folder()),
            cache,
            keys: Arc::clone(keys),
            shown: address.to_owned(),
        })
    }

    fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    fn cache(&self) -> &Cache {
        &self.cache
    }

    /// What must not be forgotten of it.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// As it was named on the command line.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// One run of this machine at a time writes to a store.
    pub(crate) fn lock(&self, wait: Option<Duration>) -> anyhow::Result<DirLock> {
        let lock = DirLock::acquire(self.cache.folder(), wait)?;
        self.cache.sweep()?;
        Ok(lock)
    }

    /// Says what went over the line.
    pub(crate) fn report(&self, console: &Console) {
        let (requests, sent, received) = self.traffic.so_far();
        console.detail(format_args!(
            "{requests} requests to {}, {} sent, {} received",
            self.shown,
            human_size(sent),
            human_size(received)
        ));
    }

    /// The archives of a series, newest first.
    pub(crate) fn archives(&self, series: &Series) -> anyhow::Result<Vec<Entry>> {
        Ok(self.stamped(series)?.into_iter().map(|(entry, _)| entry).collect())
    }

    /// The same, each with what tells that its list is the one of last time: length and time of the object.
    pub(crate) fn stamped(&self, series: &Series) -> anyhow::Result<Vec<(Entry, String)>> {
        let objects = self.backend.list(layout::ARCHIVES)?;
        let mut entries: Vec<(Entry, String)> = Vec::new();
        for object in &objects {
            if let Some((name, form)) = layout::archive_of_list(&object.name)
                && let Some(time) = series.time_of(name)
            {
                let entry = Entry { name: name.to_owned(), time, form };
                entries.push((entry, format!("{} {}", object.size, object.modified.secs())));
            }
        }
        let any_sealed = entries.iter().any(|(entry, _)| entry.form == Form::Sealed);
        if self.state.is_pinned() || (any_sealed && self.keys.are_named()) {
            // Whoever can write there can put an archive that is not encrypted beside those that are.
            entries.retain(|(entry, _)| entry.form == Form::Sealed);
        }
        entries.sort_by(|(a, _), (b, _)| (b.time, &b.name).cmp(&(a.time, &a.name)));
        entries.dedup_by(|(a, _), (b, _)| a.name == b.name);
        Ok(entries)
    }

    /// The archive that `named` means: `latest`, or its name with or without extension.
    pub(crate) fn resolve(&self, named: &Path, series: &Series) -> anyhow::Result<String> {
        if named.as_os_str() == "latest" {
            return self.newest(&self.archives(series)?, series);
        }
        let name = named.to_str().map(|name| name.strip_suffix(EXTENSION).unwrap_or(name));
        match name.filter(|name| layout::is_archive(name)) {
            Some(name) => Ok(name.to_owned()),
            None => bail!("could not open {}: that is no name of an archive in a store", named.display()),
        }
    }

    /// The name of the newest of a series, of which these are all archives, newest first.
    pub(crate) fn newest(&self, there: &[Entry], series: &Series) -> anyhow::Result<String> {
        let newest = there.first().map(|entry| entry.name.clone());
        newest.with_context(|| format!("no archive {} in {}", series.shelf.pattern(), self.shown))
    }

    /// Opens an archive. Of one that this machine remembers as it lies there no index is fetched.
    pub(crate) fn open_archive(&self, archive: &str) -> anyhow::Result<Archive> {
        let open = || {
            let (list, object) = self.list_of(archive)?;
            match self.cache.recall(archive) {
                None => self.open_list(&list),
                // The same list means the same bytes, and these are their end.
                Some(known) if known.is_of(&object) => self.open_known(&known),
                Some(known) => {
                    let opened = self.open_list(&list)?;
                    lists::is_the_same(&known, &opened)?;
                    Ok(opened)
                }
            }
        };
        open().with_context(|| self.cannot_open(archive))
    }

    /// The bytes of an archive, of which nothing is read yet.
    pub(crate) fn file_of(&self, archive: &str) -> anyhow::Result<ArchiveFile> {
        let (list, _) = self.list_of(archive).with_context(|| self.cannot_open(archive))?;
        Ok(ArchiveFile::of_bytes(&self.path_of(archive), Arc::new(self.stored(&list))))
    }

    /// The folder of what this machine remembers of the store.
    pub(crate) fn cache_folder(&self) -> &Path {
        self.cache.folder()
    }

    fn cannot_open(&self, archive: &str) -> String {
        format!("could not open {archive} in {}", self.shown)
    }

    /// Opens the archive of a list.
    fn open_list(&self, list: &List) -> anyhow::Result<Archive> {
        // Nothing but archives with an index is sent to a store.
        Archive::of_known_bytes(&self.path_of(&list.archive), Arc::new(self.stored(list)))
    }

    /// The bytes of an archive, each pack fetched whole and checked against its name.
    pub(crate) fn checked(&self, list: &List) -> Stored {
        self.stored(list).checked()
    }

    fn stored(&self, list: &List) -> Stored {
        Stored::new(Arc::clone(&self.backend), list, Arc::clone(&self.keys))
    }

    fn open_known(&self, known: &Remembered) -> anyhow::Result<Archive> {
        let stored = self.stored(&known.list).with_tail(known.tail_start(), known.tail.clone());
        Archive::of_known_bytes(&self.path_of(&known.list.archive), Arc::new(stored))
    }

    /// Writes `.packs` anew, unless it is what belongs to this list; says whether it was not.
    pub(crate) fn mend_needs(&self, list: &List, object: &[u8]) -> anyhow::Result<bool> {
        let needs = Needs::of(list, object);
        let name = layout::needs_name(&list.archive);
        match self.backend.get(&name, 0, LONGEST) {
            Ok(bytes) if bytes == needs.text() => Ok(false),
            Err(error) if error.kind != Kind::Missing => Err(error.into()),
            _ => {
                self.backend.put(&name, &needs.text())?;
                Ok(true)
            }
        }
    }

    /// Says which archives need packs that are not what they must be.
    pub(crate) fn tell_costs(&self, bad: &BTreeSet<Digest>, console: &Console) -> anyhow::Result<()> {
        if bad.is_empty() {
            return Ok(());
        }
        let mut costs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in self.backend.list(layout::ARCHIVES)? {
            let Some(archive) = layout::archive_of_needs(&object.name) else { continue };
            let Some(needs) = Needs::parse(&self.backend.get(&object.name, 0, LONGEST)?) else { continue };
            for pack in bad.iter().filter(|pack| needs.packs.contains(*pack)) {
                costs.entry(layout::pack_name(pack, needs.form)).or_default().push(archive.to_owned());
            }
        }
        for (pack, archives) in costs {
            console.warn(format_args!("{pack} costs {}", archives.join(", ")));
        }
        console
            .warn("hint: pai-backup push --repair makes packs again from local archives that hold the same");
        Ok(())
    }

    /// What messages call an archive.
    pub(crate) fn path_of(&self, archive: &str) -> PathBuf {
        PathBuf::from(format!("{}/{archive}{EXTENSION}", self.shown.trim_end_matches('/')))
    }
}

/// The pack that an error is about, if it is one that is missing or damaged.
pub(crate) fn bad_pack(error: &anyhow::Error) -> Option<Digest> {
    error.chain().find_map(BadPack::within).map(|bad| bad.pack)
}

/// What kind of failure of a store an error is, if it is one.
pub(crate) fn kind_of(error: &anyhow::Error) -> Option<Kind> {
    // An I/O error that carries one is looked into, too.
    error.chain().find_map(|cause| {
        let direct = cause.downcast_ref::<StoreError>();
        let carried = || cause.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<StoreError>();
        direct.or_else(carried).map(|error| error.kind)
    })
}
