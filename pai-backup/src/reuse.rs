//! Which chunks of the previous archive still hold.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::bail;
use pai_common::clock::Timestamp;
use pai_common::sha256::Digest;

use crate::archive::index::{About, BadIndex, Group, GroupPlace, Index, Record, Totals};
use crate::archive::member::MemberInfo;
use crate::archive::open::{Archive, ArchiveFile, read_member_at};
use crate::archive::writer::Origin;
use crate::source::Source;

/// File systems keep times in steps of up to two seconds (FAT); within one step a change does not show.
const CLOCK_STEP: i64 = 2;

/// An earlier archive to take chunks from.
#[derive(Debug)]
pub(crate) struct Parent {
    archive: ArchiveFile,
    index: Index,
    places: Vec<GroupPlace>,
    /// Groups by the hash of their first entry's path.
    by_first: HashMap<u64, Vec<usize>>,
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
    /// Set if what is known need not be copied: a store has it where it is.
    in_store: Option<&'a dyn InStore>,
}

/// A store that the archive being written and its parent are in.
pub(crate) trait InStore: fmt::Debug + Sync {
    /// Whether these bytes of the parent are there to stay.
    fn keeps(&self, offset: u64, length: u64) -> bool;
}

/// A member that need not be compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its bytes, which are good.
    Bytes(Vec<u8>),
    /// Where it is.
    At(Origin, u64),
}

/// What the archive being written holds already.
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
        Self { parent, own, in_store: None }
    }

    /// The same where nothing is copied.
    pub(crate) fn in_store(parent: Option<&'a Parent>, store: &'a dyn InStore) -> Self {
        let own = Some(Own { file: None, members: Mutex::default() });
        Self { parent, own, in_store: Some(store) }
    }

    /// The parent's member at `offset`.
    pub(crate) fn of_parent(&self, offset: u64, info: &MemberInfo) -> anyhow::Result<Found> {
        let Some(parent) = self.parent else { bail!("there is no archive to copy from") };
        match self.in_store {
            None => parent.member(offset, info).map(Found::Bytes),
            Some(store) if store.keeps(offset, u64::from(info.size)) => Ok(Found::At(Origin::Parent, offset)),
            Some(_) => bail!("a pack at byte {offset} of the last archive is about to go"),
        }
    }

    /// A member with this payload, if one need not be made.
    pub(crate) fn member(&self, digest: &Digest) -> Option<(Found, MemberInfo)> {
        if let Some(parent) = self.parent
            && let Some((offset, info)) = parent.known(digest)
            && let Ok(found) = self.of_parent(offset, &info)
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
pub(crate) struct Unchanged {
    /// Offset of its first member in the parent.
    pub(crate) offset: u64,
    /// Its members and records.
    pub(crate) group: Group,
}

impl Parent {
    /// Makes an archive a parent, if one with these settings can take chunks from it.
    pub(crate) fn new(archive: Archive, about: &About) -> Result<Option<Self>, BadIndex> {
        let (archive, index) = archive.into_parts();
        let Some(index) = index.filter(|index| fits(index.about(), about)) else { return Ok(None) };
        let places = index.members()?;
        let mut by_first: HashMap<u64, Vec<usize>> = HashMap::with_capacity(places.len());
        let mut by_digest = HashMap::with_capacity(places.len());
        for (number, place) in places.iter().enumerate() {
            if let Some(first) = index.first_path(place.at)? {
                by_first.entry(hash(&first)).or_default().push(number);
            }
            for (member, info) in place.members.iter().enumerate() {
                by_digest.insert(info.digest, (number as u32, member as u32));
            }
        }
        Ok(Some(Self { archive, index, places, by_first, by_digest }))
    }

    /// The parent's chunk that holds exactly these entries, if none of them can have changed since.
    pub(crate) fn unchanged(&self, sources: &[Source]) -> anyhow::Result<Option<Unchanged>> {
        let Some(first) = sources.first() else { return Ok(None) };
        let key = hash(first.entry.path.as_os_str());
        for &number in self.by_first.get(&key).into_iter().flatten() {
            let place = &self.places[number];
            let group = self.index.group_at(place.at)?;
            if holds(&group.records, sources, self.walk()) {
                return Ok(Some(Unchanged { offset: place.offset, group }));
            }
        }
        Ok(None)
    }

    /// A member with this payload.
    pub(crate) fn known(&self, digest: &Digest) -> Option<(u64, MemberInfo)> {
        let &(number, member) = self.by_digest.get(digest)?;
        let place = &self.places[number as usize];
        let before = &place.members[..member as usize];
        let offset = place.offset + before.iter().map(|info| u64::from(info.size)).sum::<u64>();
        Some((offset, place.members[member as usize]))
    }

    /// The bytes of one of its members, checked by CRC.
    pub(crate) fn member(&self, offset: u64, info: &MemberInfo) -> anyhow::Result<Vec<u8>> {
        self.archive.member(offset, info)
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

/// Whether what was recorded is what is there now, as far as metadata can tell.
fn holds(records: &[Record], sources: &[Source], walk: Timestamp) -> bool {
    records.len() == sources.len()
        && records.iter().zip(sources).all(|(record, source)| {
            record.entry == source.entry
                && record.identity.ctime == source.identity.ctime
                && record.identity.inode == source.identity.inode
                && is_settled(source, walk)
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

    fn record() -> Record {
        let Source { entry, identity, .. } = source();
        Record { entry, identity, digest: Some([1; 32]), member: 0, offset: 0 }
    }

    fn holds_after(change: impl Fn(&mut Source), walk: i64) -> bool {
        let mut source = source();
        change(&mut source);
        holds(&[record()], &[source], Timestamp::new(walk, 0))
    }

    #[test]
    fn an_unchanged_settled_file_is_trusted_and_any_change_is_not() {
        assert!(holds_after(|_| (), 1000));
        assert!(holds_after(|source| source.identity.device = 9, 1000), "device numbers move between boots");
        let changes: [&dyn Fn(&mut Source); 7] = [
            &|source| source.entry.path = "b".into(),
            &|source| source.entry.mode = 0o600,
            &|source| source.entry.uid = 1,
            &|source| source.entry.size = 4,
            &|source| source.entry.mtime = Timestamp::new(100, 6),
            &|source| source.identity.ctime = Timestamp::new(200, 1),
            &|source| source.identity.inode = 8,
        ];
        for (number, change) in changes.iter().enumerate() {
            assert!(!holds_after(change, 1000), "change {number}");
        }
        assert!(!holds(&[record()], &[source(), source()], Timestamp::new(1000, 0)));
    }

    #[test]
    fn a_file_as_young_as_the_walk_is_never_trusted() {
        for (walk, trusted) in [(199, false), (200, false), (202, false), (203, true)] {
            assert_eq!(holds_after(|_| (), walk), trusted, "{walk}");
        }
    }
}
