//! What the kernel asks, answered.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, Request,
};
use pai_common::clock::Timestamp;

use super::Run;
use super::by_file::{ByFile, Item};
use super::content::Content;
use super::members::Members;
use super::nights::{self, Nights, lock};
use super::place::Place;
use super::tree::{Node, implied};
use crate::entry::Kind;

/// How long the kernel may remember an entry of an archive: an archive never changes.
const FOR_LONG: Duration = Duration::from_secs(24 * 60 * 60);
const FOR_NOW: Duration = Duration::from_secs(1);

/// Names in the mounted folder.
const LATEST: &str = "latest";
const BY_FILE: &str = "by-file";

/// A listing, as it was when the folder was opened.
type Listing = Vec<(Place, FileType, OsString)>;

/// The file system.
#[derive(Debug)]
pub(super) struct Archives {
    nights: Nights,
    by_file: ByFile,
    members: Members,
    /// When it was mounted.
    since: Timestamp,
    handles: AtomicU64,
    listings: Mutex<HashMap<u64, Arc<Listing>>>,
    contents: Mutex<HashMap<u64, Arc<Content>>>,
}

impl Archives {
    pub(super) fn new(place: crate::past::nights::Place, run: Arc<Run>) -> Self {
        Self {
            since: run.clock.now(),
            nights: Nights::new(place, run),
            by_file: ByFile::new(),
            members: Members::default(),
            handles: AtomicU64::new(1),
            listings: Mutex::default(),
            contents: Mutex::default(),
        }
    }

    fn handle(&self) -> u64 {
        self.handles.fetch_add(1, Ordering::Relaxed)
    }

    /// Says what went wrong, for which the kernel has but a number.
    fn trouble(&self, error: &anyhow::Error) -> Errno {
        self.nights.complain(format!("{error:#}"));
        Errno::EIO
    }

    /// Finds the entry of this name in a folder.
    fn find(&self, parent: INodeNo, name: &OsStr) -> Result<Place, Errno> {
        let trouble = |error| self.trouble(&error);
        match Place::of(parent.0).ok_or(Errno::ENOENT)? {
            Place::Root if name == LATEST => Ok(Place::Latest),
            Place::Root if name == BY_FILE => Ok(Place::ByFile(0)),
            Place::Root => {
                let row = self.nights.row_named(name.to_str().ok_or(Errno::ENOENT)?).map_err(trouble)?;
                Ok(Place::In(row.ok_or(Errno::ENOENT)?, 0))
            }
            Place::Latest => Err(Errno::ENOTDIR),
            Place::ByFile(folder) => match &*self.by_file.item(folder).ok_or(Errno::ENOENT)? {
                Item::Folder(path) => {
                    let names = self.by_file.names(path, &self.nights).map_err(trouble)?;
                    names.get(name).map(|&number| Place::ByFile(number)).ok_or(Errno::ENOENT)
                }
                Item::Version(_) => Err(Errno::ENOTDIR),
            },
            Place::In(row, folder) => {
                let night = self.nights.enter(row).ok_or(Errno::EIO)?;
                Ok(Place::In(row, night.tree.child(folder, name).ok_or(Errno::ENOENT)?))
            }
        }
    }

    /// The attributes that `stat` shows.
    fn attributes(&self, place: Place) -> Result<FileAttr, Errno> {
        let own = |kind, mode, size| {
            let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
            attributes(place, &Node { kind, mode, size, ..implied(uid, gid, self.since) })
        };
        match place {
            Place::Root => Ok(own(Kind::Folder, 0o555, 0)),
            Place::Latest => Ok(own(Kind::Symlink, 0o777, self.latest()?.len() as u64)),
            Place::ByFile(number) => match &*self.by_file.item(number).ok_or(Errno::ENOENT)? {
                Item::Folder(_) => Ok(own(Kind::Folder, 0o555, 0)),
                Item::Version(version) => {
                    let thing = &version.thing;
                    let own = own(Kind::File, thing.mode, thing.size);
                    let time = thing.mtime.to_system();
                    Ok(FileAttr { mtime: time, atime: time, ctime: time, ..own })
                }
            },
            Place::In(row, 0) => match self.nights.named(row) {
                // To list the archives, none has to be opened.
                Some(named) => Ok(attributes(place, &nights::top(&named))),
                None => Err(Errno::ENOENT),
            },
            Place::In(row, number) => {
                let night = self.nights.enter(row).ok_or(Errno::EIO)?;
                let node = night.tree.node(number).ok_or(Errno::ENOENT)?;
                Ok(attributes(place, node))
            }
        }
    }

    fn latest(&self) -> Result<String, Errno> {
        let latest = self.nights.latest().map_err(|error| self.trouble(&error))?;
        latest.ok_or(Errno::ENOENT)
    }

    /// The entries of a folder.
    fn listing(&self, folder: Place) -> Result<Listing, Errno> {
        let trouble = |error| self.trouble(&error);
        let folders = |place, name: OsString| (place, FileType::Directory, name);
        match folder {
            Place::Root => {
                let archives = self.nights.look().map_err(trouble)?.into_iter();
                let mut listing: Listing =
                    archives.map(|(row, name)| folders(Place::In(row, 0), name.into())).collect();
                listing.push((Place::Latest, FileType::Symlink, LATEST.into()));
                listing.push(folders(Place::ByFile(0), BY_FILE.into()));
                Ok(listing)
            }
            Place::Latest => Err(Errno::ENOTDIR),
            Place::ByFile(number) => {
                let item = self.by_file.item(number).ok_or(Errno::ENOENT)?;
                let Item::Folder(path) = &*item else { return Err(Errno::ENOTDIR) };
                let names = self.by_file.names(path, &self.nights).map_err(trouble)?.into_iter();
                let kind = |number| match self.by_file.item(number).as_deref() {
                    Some(Item::Version(_)) => FileType::RegularFile,
                    _ => FileType::Directory,
                };
                Ok(names.map(|(name, number)| (Place::ByFile(number), kind(number), name)).collect())
            }
            Place::In(row, folder) => {
                let night = self.nights.enter(row).ok_or(Errno::EIO)?;
                let names = night.tree.names(folder).ok_or(Errno::ENOTDIR)?.iter();
                let kind =
                    |number| night.tree.node(number).map_or(FileType::RegularFile, |node| kind(node.kind));
                Ok(names
                    .map(|(name, number)| (Place::In(row, *number), kind(*number), name.clone()))
                    .collect())
            }
        }
    }

    /// Opens a file for reading.
    fn content(&self, place: Place) -> Result<Content, Errno> {
        let (row, path) = match place {
            Place::In(row, _) => (row, None),
            Place::ByFile(number) => match &*self.by_file.item(number).ok_or(Errno::ENOENT)? {
                Item::Version(version) => (self.nights.row_of(&version.archive), Some(version.path.clone())),
                Item::Folder(_) => return Err(Errno::EISDIR),
            },
            Place::Root | Place::Latest => return Err(Errno::EINVAL),
        };
        let night = self.nights.enter(row).ok_or(Errno::EIO)?;
        let number = match (path, place) {
            (Some(path), _) => night.tree.at(&path).ok_or(Errno::ENOENT)?,
            (None, Place::In(_, number)) => number,
            (None, _) => return Err(Errno::EINVAL),
        };
        let spot = night.tree.node(number).and_then(|node| node.spot).ok_or(Errno::EINVAL)?;
        let name = night.name().to_owned();
        Content::open(row, night, spot, &self.members).map_err(|error| self.damage(&name, &error))
    }

    fn damage(&self, archive: &str, error: &anyhow::Error) -> Errno {
        self.nights.complain(format!("{error:#}"));
        self.nights.hint(archive);
        Errno::EIO
    }
}

impl Filesystem for Archives {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.find(parent, name).and_then(|place| Ok((place, self.attributes(place)?)));
        match found {
            Ok((place, attributes)) => reply.entry(&lasting(place), &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let Some(place) = Place::of(number.0) else { return reply.error(Errno::ENOENT) };
        match self.attributes(place) {
            Ok(attributes) => reply.attr(&lasting(place), &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        let target = match Place::of(number.0) {
            Some(Place::Latest) => self.latest().map(String::into_bytes),
            Some(Place::In(row, number)) => {
                let night = self.nights.enter(row).ok_or(Errno::EIO);
                night.and_then(|night| {
                    let node = night.tree.node(number).ok_or(Errno::ENOENT)?;
                    Ok(node.link.as_os_str().as_bytes().to_vec())
                })
            }
            _ => Err(Errno::EINVAL),
        };
        match target {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(error),
        }
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match Place::of(number.0).ok_or(Errno::ENOENT).and_then(|place| self.listing(place)) {
            Ok(listing) => {
                let handle = self.handle();
                lock(&self.listings).insert(handle, Arc::new(listing));
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn readdir(&self, _: &Request, number: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listing = lock(&self.listings).get(&fh.0).cloned();
        let Some(listing) = listing else { return reply.error(Errno::EBADF) };
        let number = number.0;
        let dots =
            [(number, FileType::Directory, OsStr::new(".")), (number, FileType::Directory, OsStr::new(".."))];
        let names = listing.iter().map(|(place, kind, name)| (place.number(), *kind, name.as_os_str()));
        for (at, (number, kind, name)) in dots.into_iter().chain(names).enumerate().skip(offset as usize) {
            if reply.add(INodeNo(number), at as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        lock(&self.listings).remove(&fh.0);
        reply.ok();
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match Place::of(number.0).ok_or(Errno::ENOENT).and_then(|place| self.content(place)) {
            Ok(content) => {
                let handle = self.handle();
                lock(&self.contents).insert(handle, Arc::new(content));
                reply.opened(FileHandle(handle), FopenFlags::FOPEN_KEEP_CACHE);
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let content = lock(&self.contents).get(&fh.0).cloned();
        let Some(content) = content else { return reply.error(Errno::EBADF) };
        match content.read(offset, size, &self.members) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(self.damage(content.archive(), &error)),
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        lock(&self.contents).remove(&fh.0);
        reply.ok();
    }
}

/// How long the kernel may remember it.
fn lasting(place: Place) -> Duration {
    match place {
        Place::In(_, number) if number > 0 => FOR_LONG,
        _ => FOR_NOW,
    }
}

fn attributes(place: Place, node: &Node) -> FileAttr {
    let time = node.mtime.to_system();
    let size = if node.kind == Kind::Symlink && node.size == 0 {
        node.link.as_os_str().len() as u64
    } else {
        node.size
    };
    FileAttr {
        ino: INodeNo(place.number()),
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: kind(node.kind),
        perm: node.mode as u16,
        nlink: node.names,
        uid: node.uid,
        gid: node.gid,
        rdev: rustix::fs::makedev(node.device.0, node.device.1) as u32,
        blksize: 4096,
        flags: 0,
    }
}

fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::File | Kind::HardLink => FileType::RegularFile,
        Kind::Symlink => FileType::Symlink,
        Kind::Folder => FileType::Directory,
        Kind::Fifo => FileType::NamedPipe,
        Kind::CharDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
    }
}
