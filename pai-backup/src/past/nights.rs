//! Where archives are, and which there are.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::bail;
use pai_common::clock::Timestamp;

use crate::Context;
use crate::archive::open::{Archive, ArchiveFile};
use crate::shelf::{EXTENSION, Shelf};
use crate::store::cache::Cache;
use crate::store::{Series, Store};

/// A folder of archives, or a store.
#[derive(Debug)]
pub(crate) enum Place {
    /// The archive folder.
    Folder(Shelf),
    /// A store, and the series that is asked for.
    Store(Box<Store>, Series),
}

/// An archive by its name, nothing of it read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Named {
    /// Its file name.
    pub(crate) name: String,
    /// When it was begun, by its name.
    pub(crate) time: Timestamp,
    /// Changes when the archive does.
    pub(crate) stamp: String,
}

impl Place {
    /// The one that this run is about.
    pub(crate) fn of(run: &Context<'_>) -> anyhow::Result<Self> {
        Ok(match run.store_of(Path::new("latest"))? {
            Some(store) => Self::Store(Box::new(store), Series::new(&run.place.prefix)?),
            None => Self::Folder(run.shelf(None)?),
        })
    }

    /// All its archives, oldest first; none at all is an error.
    pub(crate) fn archives(&self) -> anyhow::Result<Vec<Named>> {
        let mut found = match self {
            Self::Folder(shelf) => {
                let named = shelf.list()?.into_iter().filter_map(|stored| {
                    let metadata = stored.path.metadata().ok()?;
                    Some(Named {
                        name: stored.path.file_name()?.to_str()?.to_owned(),
                        time: stored.time,
                        stamp: format!(
                            "{} {} {}.{} {}.{}",
                            metadata.ino(),
                            metadata.len(),
                            metadata.mtime(),
                            metadata.mtime_nsec(),
                            metadata.ctime(),
                            metadata.ctime_nsec()
                        ),
                    })
                });
                named.collect::<Vec<Named>>()
            }
            Self::Store(store, series) => {
                let stamped = store.stamped(series)?.into_iter();
                stamped
                    .map(|(entry, stamp)| Named {
                        name: format!("{}{EXTENSION}", entry.name),
                        time: entry.time,
                        stamp,
                    })
                    .collect()
            }
        };
        if found.is_empty() {
            match self {
                Self::Folder(shelf) => {
                    bail!("no archive {} in {}", shelf.pattern(), shelf.folder().display())
                }
                Self::Store(store, series) => {
                    bail!("no archive of the series {} in {}", series.prefix(), store.shown())
                }
            }
        }
        found.reverse();
        Ok(found)
    }

    /// The bytes of an archive, of which nothing is read yet.
    pub(crate) fn file(&self, name: &str) -> anyhow::Result<ArchiveFile> {
        match self {
            Self::Folder(shelf) => ArchiveFile::open(&shelf.folder().join(name)),
            Self::Store(store, _) => store.file_of(bare(name)),
        }
    }

    /// Opens an archive.
    pub(crate) fn open(&self, name: &str) -> anyhow::Result<Archive> {
        self.file(name)?.into_archive()
    }

    /// Where what is known of them is remembered; `None` where there is no place for it.
    pub(crate) fn cache(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(shelf) => {
                let folder = shelf.folder().canonicalize().ok()?;
                let text = [b"folder ".as_slice(), folder.as_os_str().as_bytes()].concat();
                let cache = Cache::of(&String::from_utf8_lossy(&text)).ok()?;
                Some(cache.folder().join(format!("{}.past", shelf.prefix())))
            }
            Self::Store(store, series) => {
                Some(store.cache_folder().join(format!("{}.past", series.prefix())))
            }
        }
    }
}

/// An archive's name without what follows its time.
fn bare(name: &str) -> &str {
    name.strip_suffix(EXTENSION).unwrap_or(name)
}
