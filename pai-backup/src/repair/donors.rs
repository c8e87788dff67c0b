//! Other archives, which may hold the same members: those of the folder, nearest first, then those of the store.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pai_common::sha256::{self, Digest};

use super::unread::Unread;
use crate::Context;
use crate::archive::index::{Group, Index};
use crate::archive::member::{MemberInfo, Opener};
use crate::archive::open::{Archive, bytes_of};
use crate::contents::open_member;
use crate::crypt::{self, END, Keys};
use crate::shelf::EXTENSION;
use crate::store::{Series, Store};

/// Where members can be taken from.
#[derive(Debug)]
pub(super) struct Donors {
    places: Vec<Place>,
    store: Option<Store>,
    /// The archive's own name in the store, if it may be there.
    twin: Option<String>,
    /// The parts of donors that could not be read.
    unread: Unread,
    /// Identities for encrypted donors.
    keys: Arc<Keys>,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Stored(String),
}

/// A member of another archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// Number of that archive.
    pub(super) donor: usize,
    /// Where it is there.
    pub(super) offset: u64,
    /// What is known of it there.
    pub(super) info: MemberInfo,
}

impl Donors {
    /// The archives beside `path`, and those of the store that is named.
    pub(super) fn beside(path: &Path, unread: &Unread, run: &Context<'_>) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let own = path.file_name().unwrap_or_default();
        let listed = std::fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>());
        let mut files = listed.with_context(|| format!("could not read {}", folder.display()))?;
        files.retain(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let name = if run.keys.are_named() { name.trim_end_matches(END) } else { &name };
            name.ends_with(EXTENSION) && !name.starts_with('.')
        });
        files.sort();
        let middle = files.partition_point(|file| file.file_name().unwrap_or_default() < own);
        let mut far: Vec<(usize, PathBuf)> =
            files.into_iter().enumerate().map(|(at, file)| (at.abs_diff(middle), file)).collect();
        far.sort_by_key(|(far, _)| *far);
        let files = far.into_iter().map(|(_, file)| file).filter(|file| file.file_name() != Some(own));
        let mut places: Vec<Place> = files.map(Place::File).collect();
        let store = run.store_named()?;
        let twin = store.as_ref().and(own.to_str()).and_then(|own| own.strip_suffix(EXTENSION));
        let twin = twin.map(str::to_owned);
        if let Some(store) = &store {
            let names = store.archives(&Series::new(&run.place.prefix)?)?.into_iter().map(|entry| entry.name);
            let (same, others): (Vec<String>, Vec<String>) =
                names.partition(|name| Some(name) == twin.as_ref());
            // The same archive knows all of it, and comes first.
            places.splice(0..0, same.into_iter().map(Place::Stored));
            places.extend(others.into_iter().map(Place::Stored));
        }
        Ok(Self { places, store, twin, unread: unread.clone(), keys: Arc::clone(&run.keys) })
    }

    /// What messages call a donor.
    pub(super) fn name(&self, donor: usize) -> String {
        match (&self.places[donor], &self.store) {
            (Place::File(path), _) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            (Place::Stored(name), Some(store)) => store.path_of(name).display().to_string(),
            (Place::Stored(name), None) => name.clone(),
        }
    }

    /// Opens a donor; `None` if it has no index to go by, or cannot be read.
    pub(super) fn open(&self, donor: usize) -> Option<Archive> {
        let opened = self.try_open(donor);
        opened.inspect_err(|error| self.unread.elsewhere(error)).ok()
    }

    /// Opens a donor, or says why it cannot be opened.
    pub(super) fn try_open(&self, donor: usize) -> anyhow::Result<Archive> {
        let archive = match (&self.places[donor], &self.store) {
            (Place::File(path), _) => {
                let bytes = crypt::open_bytes(bytes_of(path)?, &path.display(), &self.keys)?;
                Archive::of_bytes(path, bytes)?
            }
            (Place::Stored(name), Some(store)) => store.open_archive(name)?,
            (Place::Stored(name), None) => bail!("could not open {name}: no store is named"),
        };
        archive.index().map_err(Clone::clone)?;
        Ok(archive)
    }

    /// The parts of other archives that could not be read.
    pub(super) fn unread(&self) -> &Unread {
        &self.unread
    }

    /// The same archive, in the store.
    pub(super) fn twin(&self) -> Option<Archive> {
        match self.places.first() {
            Some(Place::Stored(name)) if Some(name) == self.twin.as_ref() => self.open(0),
            _ => None,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// The first whole copy of each of these payloads.
    pub(super) fn find(&self, wanted: &HashSet<Digest>) -> anyhow::Result<HashMap<Digest, Taken>> {
        let mut found = HashMap::new();
        let mut opener = Opener::default();
        for donor in 0..self.count() {
            pai_common::signal::check()?;
            if found.len() == wanted.len() {
                break;
            }
            let Some(archive) = self.open(donor) else { continue };
            let Ok(places) = archive.index().map_or(Ok(Vec::new()), Index::members) else { continue };
            for place in places {
                let mut offset = place.offset;
                for info in place.members {
                    let is_new = wanted.contains(&info.digest) && !found.contains_key(&info.digest);
                    if is_new {
                        match open_member(archive.file(), offset, &info, &mut opener) {
                            Ok(_) => drop(found.insert(info.digest, Taken { donor, offset, info })),
                            Err(error) => self.unread.elsewhere(&error),
                        }
                    }
                    offset += u64::from(info.size);
                }
            }
        }
        Ok(found)
    }

    /// The groups of the nearest archives, by the digest of their first member.
    pub(super) fn groups(&self, nearest: usize) -> HashMap<Digest, Group> {
        let mut groups = HashMap::new();
        let near = (0..self.count()).filter_map(|donor| self.open(donor)).take(nearest);
        for archive in near {
            let found = archive.index().into_iter().flat_map(Index::groups).flatten();
            for (_, group) in found {
                if let Some(first) = group.members.first() {
                    groups.entry(first.digest).or_insert(group);
                }
            }
        }
        groups
    }
}

/// The bytes of a member taken from another archive, checked.
pub(super) fn read(
    archive: &Archive,
    taken: &Taken,
    opener: &mut Opener,
) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let bytes = archive.file().member(taken.offset, &taken.info)?;
    let (payload, _) = opener.open(&bytes)?;
    anyhow::ensure!(sha256::digest(&payload) == taken.info.digest, "a member changed while it was read");
    Ok((bytes, payload))
}
