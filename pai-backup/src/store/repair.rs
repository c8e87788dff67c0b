//! `push --repair`: packs that are missing or damaged are made again from archives of the archive folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use pai_common::output::Output;
use pai_common::progress::Progress;
use pai_common::sha256::{self, Digest};

use super::Store;
use super::layout::{self, Form};
use super::list::List;
use super::push::{digest_of, members_of, name_of};
use super::ranges::Ranges;
use super::rewrite::{self, Mover};
use super::stored::{BadPack, fetch_object};
use crate::Context;
use crate::archive::member::MemberInfo;
use crate::archive::open::{Archive, open_to_read};
use crate::shelf::Shelf;

/// Reads every pack that an archive needs, repairs those it can, and complains of the others.
pub(super) fn repair(store: &Store, shelf: &Shelf, run: &Context<'_>) -> anyhow::Result<()> {
    let lists = rewrite::all_lists(store)?;
    let used = rewrite::used(&lists);
    let forms = forms(&lists);
    let bad = find_bad(store, &forms, &used, run)?;
    if bad.is_empty() {
        run.console.note(format_args!("all {} packs are there and whole", used.len()));
        return Ok(());
    }
    let local = Local::open(shelf, run)?;
    let mut lost = BTreeSet::new();
    let mut mover = Mover::begin(store, &lists)?;
    let mut out = Output::stdout(false);
    for (pack, why) in bad {
        let users = users(&lists, &pack);
        run.console.warn(format_args!("{why}: it costs {}", names(&users)));
        let mut fill = Fill::default();
        for list in &users {
            local.fill(store, list, &pack, &mut fill)?;
        }
        let name = layout::pack_name(&pack, forms[&pack]);
        if fill.is_the_pack(&pack) {
            store.backend().put(&name, &fill.bytes)?;
            out.line(format!("mended  {name}").as_bytes())?;
            continue;
        }
        let (good, bad): (Vec<_>, Vec<_>) = users.into_iter().partition(|list| fill.has_all(list, &pack));
        if !bad.is_empty() {
            run.console.complain(format_args!(
                "could not mend {name} for {}: no archive in {} has all of it",
                names(&bad),
                shelf.folder().display()
            ));
            lost.extend(bad.iter().map(|list| list.archive.as_str()));
        }
        if !good.is_empty() {
            fill.move_to(&mut mover, &pack)?;
            warn_of_blind(&good, run);
            out.line(format!("mended  {name}  for {}", names(&good)).as_bytes())?;
        }
    }
    let kept = lists.iter().filter(|list| !lost.contains(list.archive.as_str()));
    for archive in mover.finish(store, kept)? {
        run.console.detail(format_args!("{archive} has a new list"));
    }
    out.finish()
}

/// The form of each pack: encrypted or not.
fn forms(lists: &[List]) -> HashMap<Digest, Form> {
    lists.iter().flat_map(|list| list.runs.packs().into_iter().map(|pack| (pack, list.form))).collect()
}

/// The packs that are not what they must be, and what is wrong with each.
fn find_bad(
    store: &Store,
    forms: &HashMap<Digest, Form>,
    used: &BTreeMap<Digest, Ranges>,
    run: &Context<'_>,
) -> anyhow::Result<Vec<(Digest, String)>> {
    let progress = Progress::bytes(run.console, "reading", Some(used.values().map(Ranges::end).sum()));
    let mut bad = Vec::new();
    for (pack, ranges) in used {
        pai_common::signal::check()?;
        if let Err(error) = fetch_object(&**store.backend(), pack, forms[pack]) {
            match BadPack::within(&error) {
                Some(found) => bad.push((*pack, found.to_string())),
                None => return Err(error.into()),
            }
        }
        progress.add(ranges.end());
    }
    Ok(bad)
}

/// The archives that need a pack.
fn users<'a>(lists: &'a [List], pack: &Digest) -> Vec<&'a List> {
    lists.iter().filter(|list| list.runs.packs().contains(pack)).collect()
}

fn names(lists: &[&List]) -> String {
    lists.iter().map(|list| list.archive.as_str()).collect::<Vec<_>>().join(", ")
}

fn warn_of_blind(users: &[&List], run: &Context<'_>) {
    if let Some(list) = users.iter().rev().find(|list| list.blind) {
        run.console.warn(format_args!(
            "the machine that sends {} may only write, and cannot see this: remove its ~/.cache/pai-backup, and it sends everything once more",
            list.archive
        ));
    }
}

/// A pack that is being made again.
#[derive(Debug, Default)]
struct Fill {
    bytes: Vec<u8>,
    /// The ranges that have been filled in.
    have: Ranges,
    /// The ranges that are certainly right. The others are right only if the whole pack has the digest of its name.
    certain: Ranges,
}

impl Fill {
    fn put(&mut self, offset: u64, bytes: &[u8], certain: bool) {
        let range = offset..offset + bytes.len() as u64;
        if self.certain.hold(&range) || (!certain && self.have.hold(&range)) {
            return;
        }
        self.have.add(range.clone());
        if certain {
            self.certain.add(range.clone());
        }
        self.bytes.resize(self.bytes.len().max(range.end as usize), 0);
        self.bytes[range.start as usize..range.end as usize].copy_from_slice(bytes);
    }

    /// Whether everything that an archive needs of the pack is certain.
    fn has_all(&self, list: &List, pack: &Digest) -> bool {
        places(list, pack).iter().all(|(_, offset, length)| self.certain.hold(&(*offset..offset + length)))
    }

    fn move_to(&self, mover: &mut Mover, pack: &Digest) -> anyhow::Result<()> {
        for range in self.certain.iter() {
            mover.add(*pack, range.start, &self.bytes[range.start as usize..range.end as usize])?;
        }
        Ok(())
    }

    fn is_the_pack(&self, pack: &Digest) -> bool {
        self.have.hold(&(0..self.bytes.len() as u64)) && sha256::digest(&self.bytes) == *pack
    }
}

/// The archives of the archive folder.
struct Local {
    archives: Vec<Archive>,
    /// By the SHA-256 of a member's payload: the archive that holds the member, and its place in it.
    members: HashMap<Digest, (usize, u64, MemberInfo)>,
    by_name: HashMap<String, PathBuf>,
}

impl Local {
    fn open(shelf: &Shelf, run: &Context<'_>) -> anyhow::Result<Self> {
        let mut this = Self { archives: Vec::new(), members: HashMap::new(), by_name: HashMap::new() };
        for stored in shelf.list()? {
            pai_common::signal::check()?;
            let opened = Archive::open(&stored.path).and_then(|archive| {
                let members = members_of(archive.index().map_err(Clone::clone)?)?;
                Ok((archive, members))
            });
            match opened {
                Ok((archive, members)) => {
                    let number = this.archives.len();
                    let found = members.into_iter().map(|(digest, (at, info))| (digest, (number, at, info)));
                    this.members.extend(found);
                    this.archives.push(archive);
                    this.by_name.extend(name_of(&stored.path).ok().map(|name| (name, stored.path)));
                }
                Err(error) => {
                    run.console.warn(format_args!("passing over {}: {error:#}", stored.path.display()));
                }
            }
        }
        Ok(this)
    }

    /// Fills in the bytes that an archive of the store has in the pack.
    fn fill(&self, store: &Store, list: &List, pack: &Digest, fill: &mut Fill) -> anyhow::Result<()> {
        if let Some(path) = self.by_name.get(&list.archive) {
            fill_from_same(path, list, pack, fill)?;
        }
        // Without its index nobody knows what its members are.
        let Ok(members) = members_in_order(store, list) else { return Ok(()) };
        for (start, offset, length) in places(list, pack) {
            let first = members.partition_point(|(at, _)| *at < start);
            for (at, info) in
                members[first..].iter().take_while(|(at, info)| at + u64::from(info.size) <= start + length)
            {
                let known = self.members.get(&info.digest).filter(|(.., other)| other == info);
                let Some((number, local, _)) = known else { continue };
                // One that cannot be read is as good as none.
                if let Ok(bytes) = self.archives[*number].file().member(*local, info) {
                    fill.put(offset + (at - start), &bytes, true);
                }
            }
        }
        Ok(())
    }
}

/// A local archive of the same name has the same bytes, if it has the digest that the list gives.
fn fill_from_same(path: &Path, list: &List, pack: &Digest, fill: &mut Fill) -> anyhow::Result<()> {
    let file: File = open_to_read(path)?;
    if file.metadata()?.len() != list.runs.size() {
        return Ok(());
    }
    let certain = list.digest.is_some() && list.digest == Some(digest_of(path)?);
    if list.digest.is_some() && !certain {
        return Ok(());
    }
    for (start, offset, length) in places(list, pack) {
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, start)?;
        fill.put(offset, &bytes, certain);
    }
    Ok(())
}

/// Where an archive has bytes of a pack: where in the archive, where in the pack, how many.
fn places(list: &List, pack: &Digest) -> Vec<(u64, u64, u64)> {
    let mut start = 0;
    let mut places = Vec::new();
    for (other, run) in list.runs.iter() {
        if other == pack {
            places.push((start, run.offset, run.length));
        }
        start += run.length;
    }
    places
}

/// The members of an archive in the store, and where they begin.
fn members_in_order(store: &Store, list: &List) -> anyhow::Result<Vec<(u64, MemberInfo)>> {
    let archive = store.open_list(list)?;
    let index = archive.index().map_err(Clone::clone)?;
    let mut members = Vec::new();
    for place in index.members()? {
        let mut offset = place.offset;
        for info in place.members {
            members.push((offset, info));
            offset += u64::from(info.size);
        }
    }
    Ok(members)
}
