//! Which chunks of the previous archive still hold.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::bail;
use pai_common::clock::Timestamp;
use pai_common::sha256::Digest;

use crate::archive::index::{About, BadIndex, Group, GroupPlace, Index, RawGroup, Totals};
use crate::archive::member::MemberInfo;
use crate::archive::open::{Archive, ArchiveFile, read_member_at};
use crate::archive::writer::Origin;
use crate::chunk;
use crate::source::Source;

/// File systems keep times in steps of up to two seconds (FAT); within one step a change does not show.
const CLOCK_STEP: i64 = 2;

/// An earlier archive to take chunks from.
#[derive(Debug)]
pub(crate) struct Parent {
    archive: ArchiveFile,
    index: Index,
    places: Vec<GroupPlace>,
    /// The hash of each group's first path, and which group it is; sorted.
    by_first: Vec<(u64, u32)>,
    /// Members by digest: `(group, member)`.
    by_digest: HashMap<Digest, (u32, u32)>,
}

/// Where members that need not be compressed again can be copied from: the parent, and the archive being
/// written itself.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    /// The archive to take unchanged chunks from.
    pub(crate) parent: Option<&'a Parent>,
    own: Option<Own>,
    /// Buffers that members were copied in and will be again: fresh memory costs more than a copy.
    buffers: Mutex<Vec<Vec<u8>>>,
    /// Set if what is known need not be copied: a store has it where it is.
    in_store: Option<&'a dyn InStore>,
}

/// A store that the archive being written and its parent are in.
pub(crate) trait InStore: fmt::Debug + Sync {
    /// Whether the store keeps these bytes of the parent for as long as the new archive needs them.
    fn keeps(&self, offset: u64, length: u64) -> bool;
}

/// A member that need not be compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its bytes, already checked.
    Bytes(Vec<u8>),
    /// Its place.
    At(Origin, u64),
}

/// The members that the archive being written has already.
#[derive(Debug)]
struct Own {
    /// To read it back. A store need not.
    file: Option<File>,
    members: Mutex<HashMap<Digest, (u64, MemberInfo)>>,
}

impl<'a> Known<'a> {
    /// `own` reads the archive that is being written; a pipe cannot be read back.
    pub(crate) fn new(parent: Option<&'a Parent>, own: Option<File>) -> Self {
        let own = own.map(|file| Own { file: Some(file), members: Mutex::default() });
        Self { parent, own, buffers: Mutex::default(), in_store: None }
    }

    /// For an archive in a store, into which nothing is copied.
    pub(crate) fn in_store(parent: Option<&'a Parent>, store: &'a dyn InStore) -> Self {
        let own = Some(Own { file: None, members: Mutex::default() });
        Self { parent, own, buffers: Mutex::default(), in_store: Some(store) }
    }

    /// Members of the parent that follow each other, from `offset` on, in a buffer that may have been used before.
    pub(crate) fn of_parent<'m>(
        &self,
        offset: u64,
        members: impl Iterator<Item = &'m MemberInfo> + Clone,
        buffer: Vec<u8>,
    ) -> anyhow::Result<Found> {
        let Some(parent) = self.parent else { bail!("there is no archive to copy from") };
        let length = || members.clone().map(|info| u64::from(info.size)).sum();
        match self.in_store {
            None => parent.archive.members(offset, members, buffer).map(Found::Bytes),
            Some(store) if store.keeps(offset, length()) => Ok(Found::At(Origin::Parent, offset)),
            Some(_) => bail!("a pack at byte {offset} of the last archive is about to go"),
        }
    }

    /// A buffer to copy many members in.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes back the buffer of a copied member that has been written.
    pub(crate) fn give_back(&self, found: Found) {
        if let Found::Bytes(bytes) = found {
            self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }

    /// A member with this payload, if one need not be made.
    pub(crate) fn member(&self, digest: &Digest) -> Option<(Found, MemberInfo)> {
        if let Some(parent) = self.parent
            && let Some((offset, info)) = parent.known(digest)
            && let Ok(found) = self.of_parent(offset, std::iter::once(&info), Vec::new())
        {
            return Some((found, info));
        }
        let own = self.own.as_ref()?;
        let (offset, info) = *own.members.lock().unwrap_or_else(PoisonError::into_inner).get(digest)?;
        let found = match &own.file {
            None => Found::At(Origin::Own, offset),
            Some(file) => Found::Bytes(read_member_at(file, offset, &info).ok()?),
        };
        Some((found, info))
    }

    /// A member was written at `offset` of the archive.
    pub(crate) fn written(&self, offset: u64, info: MemberInfo) {
        if let Some(own) = &self.own {
            own.members.lock().unwrap_or_else(PoisonError::into_inner).insert(info.digest, (offset, info));
        }
    }
}

/// A chunk that need not be read.
#[derive(Debug)]
pub(crate) struct Unchanged<'a> {
    /// Its place in the parent, and its members.
    pub(crate) place: &'a GroupPlace,
    /// Sums over its entries.
    pub(crate) totals: Totals,
}

impl Parent {
    /// Makes an archive a parent, if one with these settings can take chunks from it.
    pub(crate) fn new(archive: Archive, about: &About) -> Result<Option<Self>, BadIndex> {
        let (archive, index) = archive.into_parts();
        let Some(index) = index.filter(|index| fits(index.about(), about)) else { return Ok(None) };
        let places = index.members()?;
        let mut by_first = Vec::with_capacity(places.len());
        let mut by_digest = HashMap::with_capacity(places.len());
        for (number, place) in places.iter().enumerate() {
            if let Some(first) = index.raw_at(place.at)?.first_path()? {
                by_first.push((chunk::hash(first), number as u32));
            }
            for (member, info) in place.members.iter().enumerate() {
                by_digest.insert(info.digest, (number as u32, member as u32));
            }
        }
        by_first.sort_unstable();
        Ok(Some(Self { archive, index, places, by_first, by_digest }))
    }

    /// The parent's chunk that holds exactly these entries, if none of them can have changed since.
    pub(crate) fn unchanged(&self, sources: &[Source]) -> anyhow::Result<Option<Unchanged<'_>>> {
        let Some(first) = sources.first() else { return Ok(None) };
        let key = chunk::hash(first.entry.path.as_os_str().as_bytes());
        let from = self.by_first.partition_point(|&(hash, _)| hash < key);
        for &(_, number) in self.by_first[from..].iter().take_while(|&&(hash, _)| hash == key) {
            let place = &self.places[number as usize];
            if holds(&self.index.raw_at(place.at)?, sources, self.walk())? {
                let mut totals = Totals::default();
                for source in sources {
                    totals.count(&source.entry);
                }
                return Ok(Some(Unchanged { place, totals }));
            }
        }
        Ok(None)
    }

    /// The group at an index position, decoded.
    pub(crate) fn group_at(&self, at: usize) -> Result<Group, BadIndex> {
        self.index.group_at(at)
    }

    /// Whether the group at an index position has exactly these members.
    pub(crate) fn has_members(&self, at: usize, members: &[MemberInfo]) -> Result<bool, BadIndex> {
        self.index.raw_at(at)?.has_members(members)
    }

    /// The index.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// A member with this payload.
    pub(crate) fn known(&self, digest: &Digest) -> Option<(u64, MemberInfo)> {
        let &(number, member) = self.by_digest.get(digest)?;
        let place = &self.places[number as usize];
        let before = &place.members[..member as usize];
        let offset = place.offset + before.iter().map(|info| u64::from(info.size)).sum::<u64>();
        Some((offset, place.members[member as usize]))
    }

    /// Sums over its entries.
    pub(crate) fn totals(&self) -> Totals {
        self.index.totals()
    }

    /// Whether the chunk that starts at `path` is in the random share that is read anyway. Another night,
    /// another share: the choice hangs on when the parent was made.
    pub(crate) fn reread(&self, path: &Path, share: f64) -> bool {
        share > 0.0 && (hash(&(path, self.index.about().walk)) as f64) < share * u64::MAX as f64
    }

    fn walk(&self) -> Timestamp {
        let (secs, nanos) = self.index.about().walk;
        Timestamp::new(secs, nanos)
    }
}

/// Whether a chunk of an archive like `parent` would come out the same in one like `child`. Versions of the format differ
/// in where chunks end, not in what one is.
fn fits(parent: &About, child: &About) -> bool {
    (&parent.root, parent.level, &parent.encoder, parent.xattrs)
        == (&child.root, child.level, &child.encoder, child.xattrs)
}

/// Whether the recorded entries are those on disk now, as far as metadata can tell.
fn holds(group: &RawGroup<'_>, sources: &[Source], walk: Timestamp) -> Result<bool, BadIndex> {
    if group.entries() != sources.len() as u64 {
        return Ok(false);
    }
    let mut sources = sources.iter();
    group.all(|path, record| {
        sources.next().is_some_and(|source| {
            record.is_of(path, &source.entry, &source.identity) && is_settled(source, walk)
        })
    })
}

/// Whether a change after the walk would show: a file touched in the same clock step as the walk may have
/// been written again after it was read, with the same times (git calls such an entry racily clean).
fn is_settled(source: &Source, walk: Timestamp) -> bool {
    source.entry.mtime.max(source.identity.ctime).secs() + CLOCK_STEP < walk.secs()
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::index::{IndexWriter, Record};
    use crate::entry::{Entry, Identity, Kind};

    fn source() -> Source {
        Source {
            entry: Entry {
                path: "a".into(),
                kind: Kind::File,
                mode: 0o644,
                uid: 0,
                gid: 0,
                size: 3,
                mtime: Timestamp::new(100, 5),
                link: "".into(),
                device: (0, 0),
            },
            identity: Identity { ctime: Timestamp::new(200, 0), inode: 7, device: 1 },
            sparse: None,
        }
    }

    /// Whether the record of [`source`] is still true for these sources.
    fn holds_for(sources: &[Source], walk: i64) -> bool {
        let Source { entry, identity, .. } = source();
        let record = Record { entry, identity, digest: Some([1; 32]), member: 0, offset: 0 };
        let member = MemberInfo { size: 1, payload: 1, digest: [0; 32], crc: 0 };
        let mut writer = IndexWriter::new(About::default());
        writer.group(&Group { members: vec![member], records: vec![record] });
        let finished = writer.finish().unwrap();
        let index = Index::read(&finished.deflated, finished.inflated).unwrap();
        let group = index.raw_at(index.members().unwrap()[0].at).unwrap();
        holds(&group, sources, Timestamp::new(walk, 0)).unwrap()
    }

    fn holds_after(change: impl Fn(&mut Source), walk: i64) -> bool {
        let mut source = source();
        change(&mut source);
        holds_for(&[source], walk)
    }

    #[test]
    fn an_unchanged_settled_file_is_trusted_and_any_change_is_not() {
        assert!(holds_after(|_| (), 1000));
        assert!(holds_after(|source| source.identity.device = 9, 1000), "device numbers move between boots");
        let changes: [&dyn Fn(&mut Source); 11] = [
            &|source| source.entry.path = "b".into(),
            &|source| source.entry.mode = 0o600,
            &|source| source.entry.uid = 1,
            &|source| source.entry.gid = 1,
            &|source| source.entry.kind = Kind::Fifo,
            &|source| source.entry.link = "a".into(),
            &|source| source.entry.device = (1, 1),
            &|source| source.entry.size = 4,
            &|source| source.entry.mtime = Timestamp::new(100, 6),
            &|source| source.identity.ctime = Timestamp::new(200, 1),
            &|source| source.identity.inode = 8,
        ];
        for (number, change) in changes.iter().enumerate() {
            assert!(!holds_after(change, 1000), "change {number}");
        }
        assert!(!holds_for(&[source(), source()], 1000));
        assert!(!holds_for(&[], 1000));
    }

    #[test]
    fn a_file_as_young_as_the_walk_is_never_trusted() {
        for (walk, trusted) in [(199, false), (200, false), (202, false), (203, true)] {
            assert_eq!(holds_after(|_| (), walk), trusted, "{walk}");
        }
    }
}
