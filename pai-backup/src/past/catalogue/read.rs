//! Filling the catalogue: what is remembered, and the indexes of the archives that are new.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pai_common::sha256::{self, Digest};

use super::{Catalogue, Night, Piece, Record, Thing};
use crate::Context;
use crate::archive::index::{About, BadIndex, Deflated, Index, groups_of_piece};
use crate::archive::member::{Footer, Opener};
use crate::contents;
use crate::entry::{Entry, Kind, without_dots};
use crate::past::nights::{Named, Place};
use crate::pipeline;

/// So many pieces are hashed side by side.
const AT_ONCE: usize = 64;

/// What an archive turned out to hold.
struct Found {
    night: Night,
    /// Its pieces, in order.
    digests: Vec<Digest>,
    /// Those that no other archive's reader took.
    fresh: Vec<(Digest, Vec<(PathBuf, Thing)>)>,
}

impl Catalogue {
    /// What the archives of a place hold. An archive that cannot be read is complained of, and counts as not there.
    pub(crate) fn load(place: &Place, run: &Context<'_>) -> anyhow::Result<Self> {
        let archives = place.archives()?;
        let cache = place.cache();
        let mut catalogue = cache.as_deref().and_then(Self::recall).unwrap_or_default();
        let forgotten = catalogue.keep_only(&archives);
        let known: HashSet<&Named> = catalogue.nights.iter().map(|night| &night.named).collect();
        let new: Vec<Named> = archives.iter().filter(|named| !known.contains(named)).cloned().collect();
        let read = !new.is_empty();
        if read {
            catalogue.read_all(new, place, run)?;
        }
        if let (true, Some(cache)) = (read || forgotten, &cache) {
            catalogue.remember(cache, run);
        }
        Ok(catalogue)
    }

    /// Forgets the archives that are not among these; says whether there were any.
    fn keep_only(&mut self, archives: &[Named]) -> bool {
        let there: HashSet<&Named> = archives.iter().collect();
        let before = self.nights.len();
        self.nights.retain(|night| there.contains(&night.named));
        self.nights.len() != before
    }

    /// Reads archives on all threads and adds them.
    fn read_all(&mut self, new: Vec<Named>, place: &Place, run: &Context<'_>) -> anyhow::Result<()> {
        let taken: Mutex<HashSet<Digest>> =
            Mutex::new(self.pieces.iter().map(|piece| piece.digest).collect());
        let mut builder = Builder::of(self);
        pipeline::ordered(
            run.threads(),
            |submit| {
                for named in new {
                    pai_common::signal::check()?;
                    if submit.submit(named).is_err() {
                        break;
                    }
                }
                Ok(())
            },
            Reader::default,
            |reader: &mut Reader, named| {
                let shown = named.name.clone();
                (shown, reader.read(named, place, &taken, run))
            },
            |(name, found): (String, anyhow::Result<Found>)| {
                match found {
                    Ok(found) => builder.add(found),
                    Err(error) => run.console.complain(format_args!("passing over {name}: {error:#}")),
                }
                Ok::<(), anyhow::Error>(())
            },
        )?;
        for name in builder.finish() {
            run.console.complain(format_args!("passing over {name}: {BadIndex}"));
        }
        Ok(())
    }
}

/// One thread's tools.
#[derive(Default)]
struct Reader {
    opener: Opener,
    room: Vec<u8>,
}

impl Reader {
    fn read(
        &mut self,
        named: Named,
        place: &Place,
        taken: &Mutex<HashSet<Digest>>,
        run: &Context<'_>,
    ) -> anyhow::Result<Found> {
        let file = place.file(&named.name)?;
        let size = file.size();
        let Ok((deflated, footer)) = file.deflated_index()? else {
            return scan(named, place, run);
        };
        let about = Index::read_header(&deflated)?;
        let mut found = Found { night: night(named, size, &about), digests: Vec::new(), fresh: Vec::new() };
        if footer.version == 1 {
            return whole(found, &deflated, &footer);
        }
        let all: Vec<&[u8]> = deflated.pieces().collect();
        let pieces = all.get(1..all.len().saturating_sub(1)).unwrap_or_default();
        for pieces in pieces.chunks(AT_ONCE) {
            let digests = sha256::digest_many(pieces);
            let fresh: Vec<bool> = {
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                digests.iter().map(|digest| taken.insert(*digest)).collect()
            };
            for ((piece, digest), _) in pieces.iter().zip(&digests).zip(fresh).filter(|(_, fresh)| *fresh) {
                let groups = groups_of_piece(piece, footer.index_inflated, &mut self.opener, &mut self.room)?;
                let records = groups.into_iter().flat_map(|group| group.records);
                let things = records.map(|record| thing(record.entry, record.digest)).collect();
                found.fresh.push((*digest, things));
            }
            found.digests.extend(digests);
        }
        Ok(found)
    }
}

fn night(named: Named, size: u64, about: &About) -> Night {
    Night {
        named,
        size,
        totals: about.totals.unwrap_or_default(),
        incomplete: about.incomplete,
        damaged: false,
        selection: about.selection.paths.iter().map(PathBuf::from).collect(),
        pieces: Vec::new(),
    }
}

/// An index of version 1 is one piece.
fn whole(mut found: Found, deflated: &Deflated, footer: &Footer) -> anyhow::Result<Found> {
    let index = Index::read(deflated, footer.index_inflated)?;
    found.night.totals = index.totals();
    let mut things = Vec::new();
    for group in index.groups() {
        things.extend(group?.1.records.into_iter().map(|record| thing(record.entry, record.digest)));
    }
    found.digests = vec![footer.index_digest];
    found.fresh = vec![(footer.index_digest, things)];
    Ok(found)
}

/// An archive without an index is read front to back.
fn scan(named: Named, place: &Place, run: &Context<'_>) -> anyhow::Result<Found> {
    let archive = place.open(&named.name)?;
    let digest = sha256::digest(format!("{} {}", named.name, named.stamp).as_bytes());
    let damaged = archive.index().is_err_and(|why| *why != crate::archive::open::NoIndex::Foreign);
    let mut found = Found {
        night: night(named, archive.file().size(), &About::default()),
        digests: vec![digest],
        fresh: Vec::new(),
    };
    let mut things: HashMap<PathBuf, Thing> = HashMap::new();
    let read = contents::visit(
        &archive,
        |_| true,
        1,
        run.console,
        |listed| {
            found.night.totals.count(&listed.entry);
            let (path, thing) = thing(listed.entry, listed.digest);
            things.insert(path, thing);
            Ok(())
        },
    );
    if let Err(error) = &read {
        pai_common::signal::check()?;
        run.console.complain(format_args!("{error:#}"));
    }
    found.night.damaged = damaged || read.is_err();
    found.fresh.push((digest, things.into_iter().filter(|(path, _)| !path.as_os_str().is_empty()).collect()));
    Ok(found)
}

fn thing(entry: Entry, digest: Option<Digest>) -> (PathBuf, Thing) {
    let Entry { path, kind, mode, size, mtime, link, device, .. } = entry;
    let link = if kind == Kind::HardLink { without_dots(&link) } else { link };
    (without_dots(&path), Thing { kind, mode, size, mtime, link, device, digest })
}

/// Adds to a catalogue, each path and thing once.
struct Builder<'a> {
    catalogue: &'a mut Catalogue,
    paths: HashMap<Box<[u8]>, u32>,
    things: HashMap<Thing, u32>,
    numbers: HashMap<Digest, u32>,
    /// The new nights, and the digests of their pieces, all of which may not have come yet.
    waiting: Vec<(Night, Vec<Digest>)>,
}

impl<'a> Builder<'a> {
    fn of(catalogue: &'a mut Catalogue) -> Self {
        Self {
            paths: catalogue.paths.iter().cloned().zip(0..).collect(),
            things: catalogue.things.iter().cloned().zip(0..).collect(),
            numbers: catalogue.pieces.iter().map(|piece| piece.digest).zip(0..).collect(),
            catalogue,
            waiting: Vec::new(),
        }
    }

    fn add(&mut self, found: Found) {
        for (digest, things) in found.fresh {
            let records = things.into_iter().map(|(path, thing)| self.record(&path, thing)).collect();
            self.numbers.insert(digest, self.catalogue.pieces.len() as u32);
            self.catalogue.pieces.push(Piece { digest, records });
        }
        self.waiting.push((found.night, found.digests));
    }

    fn record(&mut self, path: &Path, thing: Thing) -> Record {
        let path = path.as_os_str().as_bytes();
        let path = if let Some(&number) = self.paths.get(path) {
            number
        } else {
            let number = self.catalogue.paths.len() as u32;
            self.catalogue.paths.push(path.into());
            self.paths.insert(path.into(), number);
            number
        };
        let thing = *self.things.entry(thing).or_insert_with_key(|thing| {
            self.catalogue.things.push(thing.clone());
            self.catalogue.things.len() as u32 - 1
        });
        (path, thing)
    }

    /// Puts the nights in their order. The names of those that need a piece which nobody could read.
    fn finish(self) -> Vec<String> {
        let mut bad = Vec::new();
        for (mut night, digests) in self.waiting {
            let pieces: Option<Vec<u32>> =
                digests.iter().map(|digest| self.numbers.get(digest).copied()).collect();
            match pieces {
                Some(pieces) => {
                    night.pieces = pieces;
                    self.catalogue.nights.push(night);
                }
                None => bad.push(night.named.name),
            }
        }
        self.catalogue
            .nights
            .sort_by(|a, b| (a.named.time, &a.named.name).cmp(&(b.named.time, &b.named.name)));
        bad
    }
}
