//! Writing entries below a target folder: files and nodes at once, the rest when all files are there (`later`).

mod later;
mod way;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use pai_common::console::Console;
use pai_common::units::{counted, human_size};
use rustix::io::Errno;

use crate::Context;
use crate::archive::header::Xattr;
use crate::archive::reader::TarEntry;
use crate::entry::{Entry, Kind};
use crate::restore::beneath::{self, Beneath, Folder};
use crate::restore::place::later::Later;
use crate::restore::safe::may_exist;

const SET_ID: u32 = 0o6000;

/// Writes entries below a target folder.
#[derive(Debug)]
pub(super) struct Applier<'a> {
    beneath: Beneath,
    privileged: bool,
    replace: bool,
    is_root: bool,
    pub(super) console: &'a Console,
    later: Mutex<Later>,
    /// Number of files written, and their bytes.
    done: (AtomicU64, AtomicU64),
}

/// The folder a thread wrote to last: entries come folder by folder.
#[derive(Debug, Default)]
pub(super) struct LastFolder {
    last: Option<(PathBuf, Folder)>,
}

impl<'a> Applier<'a> {
    /// An applier for `target`, which must exist. `replace` allows it to replace what is there.
    pub(super) fn new(
        target: &Path,
        privileged: bool,
        replace: bool,
        run: &Context<'a>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            beneath: Beneath::open(target)?,
            privileged,
            replace,
            is_root: rustix::process::geteuid().is_root(),
            console: run.console,
            later: Mutex::default(),
            done: (AtomicU64::new(0), AtomicU64::new(0)),
        })
    }

    /// Files that are there as they should be, and that hard links are to be made to.
    pub(super) fn may_link_to<'p>(&self, files: impl Iterator<Item = &'p PathBuf>) {
        self.later().written.extend(files.map(|path| (path.clone(), path.clone())));
    }

    /// Tells a person who watches what was done.
    pub(super) fn report(&self, target: &Path) {
        let [files, bytes] = [&self.done.0, &self.done.1].map(|number| number.load(Ordering::Relaxed));
        self.console.summary(format_args!(
            "restored {} ({}) into {}",
            counted(files, "file", "files"),
            human_size(bytes),
            target.display()
        ));
    }

    pub(super) fn refuse(&self, path: &Path, why: &str) {
        self.console.complain(format_args!("refused {}: {why}", path.display()));
    }

    /// Writes one entry at `target`, or notes it for later. Trouble with the entry is a complaint; only
    /// trouble with the archive is an error.
    pub(super) fn place(
        &self,
        found: &TarEntry,
        path: &Path,
        target: &Path,
        data: &mut impl Read,
        last: &mut LastFolder,
    ) -> anyhow::Result<()> {
        if let Err(why) = may_exist(&found.entry, self.privileged) {
            self.refuse(path, why);
            return Ok(());
        }
        let mut entry = Entry { path: target.to_owned(), ..found.entry.clone() };
        if entry.mode & SET_ID != 0 && !self.privileged {
            entry.mode &= !SET_ID;
            self.refuse(target, "its set-user-ID or set-group-ID bit (only for root, with --privileged)");
        }
        let mut reading = Reading { data, failed: false };
        let outcome = match entry.kind {
            Kind::File => self.file(found, &entry, &mut reading, last).inspect(|()| {
                self.done.0.fetch_add(1, Ordering::Relaxed);
                self.done.1.fetch_add(entry.size, Ordering::Relaxed);
                self.later().written.insert(path.to_owned(), target.to_owned());
            }),
            Kind::Folder => self.folder_at(target).map(|_| {
                self.later().folders.push((entry, found.xattrs.clone()));
            }),
            Kind::HardLink => {
                self.later().hard_links.push(entry);
                Ok(())
            }
            Kind::Symlink => {
                self.later().symlinks.push(entry);
                Ok(())
            }
            Kind::Fifo | Kind::CharDevice | Kind::BlockDevice => self.node(&entry, last),
        };
        match outcome {
            Err(error) if reading.failed => {
                Err(error).with_context(|| format!("could not restore {}", target.display()))
            }
            Err(error) => {
                self.console.complain(format_args!("could not restore {}: {error}", target.display()));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// A file gets its name when it is whole, so that no kill leaves half of one; where files cannot be without a
    /// name, an error removes it.
    fn file(
        &self,
        found: &TarEntry,
        entry: &Entry,
        data: &mut impl Read,
        last: &mut LastFolder,
    ) -> io::Result<()> {
        let (parent, name) = beneath::split(&entry.path)?;
        let folder = last.open(&self.beneath, parent)?;
        if let Some(file) = beneath::create_nameless(&folder)? {
            self.fill(&file, found, entry, data)?;
            return match beneath::give_name(&file, &folder, name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.beside(&folder, name, |temp| beneath::give_name(&file, &folder, temp))
                }
                named => named,
            };
        }
        match beneath::create(&folder, name) {
            Ok(file) => self.fill(&file, found, entry, data).inspect_err(|_| {
                // Half a file must not pass for a restored one.
                let _ = beneath::remove(&folder, name);
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.beside(&folder, name, |temp| {
                    beneath::create(&folder, temp).and_then(|file| self.fill(&file, found, entry, data))
                })
            }
            Err(error) => Err(error),
        }
    }

    fn fill(&self, file: &File, found: &TarEntry, entry: &Entry, data: &mut impl Read) -> io::Result<()> {
        write_content(file, found, data)?;
        if self.is_root {
            let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::other("an owner beyond 32 bits"));
            std::os::unix::fs::fchown(file, Some(id(entry.uid)?), Some(id(entry.gid)?))?;
        }
        // After the owner: a change of owner takes a file's capabilities away (capabilities(7)).
        for (name, value) in self.allowed(&found.xattrs) {
            if let Err(error) = rustix::fs::fsetxattr(file, name, value, rustix::fs::XattrFlags::empty()) {
                self.xattr_trouble(entry, name, error);
            }
        }
        rustix::fs::fchmod(file, rustix::fs::Mode::from_raw_mode(entry.mode))?;
        beneath::set_file_time(file, entry.mtime)
    }

    fn node(&self, entry: &Entry, last: &mut LastFolder) -> io::Result<()> {
        let (parent, name) = beneath::split(&entry.path)?;
        let folder = last.open(&self.beneath, parent)?;
        self.beside(&folder, name, |temp| {
            beneath::node(&folder, temp, entry)?;
            if self.is_root {
                beneath::own(&folder, temp, entry)?;
            }
            beneath::set_node_mode(&folder, temp, entry.mode)?;
            beneath::set_time(&folder, temp, entry.mtime)
        })
    }

    /// Makes something: under its own name where that is free, else under a temporary one that then replaces it.
    fn beside(
        &self,
        folder: &Folder,
        name: &OsStr,
        make: impl FnOnce(&OsStr) -> io::Result<()>,
    ) -> io::Result<()> {
        if !exists(folder, name) {
            return make(name).inspect_err(|error| {
                // Somebody else's that has just come is not ours to remove.
                if error.kind() != io::ErrorKind::AlreadyExists {
                    let _ = beneath::remove(folder, name);
                }
            });
        }
        if !self.replace {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists (--force replaces it)"));
        }
        // Always the same for a name, so that what a killed run left is replaced; never too long; and no name that
        // something else in the archive may have.
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let temp = OsString::from(format!(".{:016x}.restoring", hasher.finish()));
        let _ = beneath::remove(folder, &temp);
        make(&temp).and_then(|()| beneath::rename(folder, &temp, name)).inspect_err(|_| {
            let _ = beneath::remove(folder, &temp);
        })
    }

    /// Attributes outside `user.` grant powers; they are for root who asks.
    fn allowed<'x>(&self, xattrs: &'x [Xattr]) -> impl Iterator<Item = (&'x OsString, &'x Vec<u8>)> {
        let all = self.privileged;
        xattrs
            .iter()
            .filter(move |(name, _)| all || name.as_encoded_bytes().starts_with(b"user."))
            .map(|(name, value)| (name, value))
    }

    fn xattr_trouble(&self, entry: &Entry, name: &OsStr, errno: Errno) {
        let name = name.to_string_lossy();
        self.console.complain(format_args!("could not set {name} of {}: {errno}", entry.path.display()));
    }

    fn later(&self) -> std::sync::MutexGuard<'_, Later> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastFolder {
    fn open(&mut self, beneath: &Beneath, path: &Path) -> io::Result<Folder> {
        if let Some((last, folder)) = &self.last
            && last == path
        {
            return Ok(Folder::clone(folder));
        }
        let folder = beneath.folder(path, true)?;
        self.last = Some((path.to_owned(), Folder::clone(&folder)));
        Ok(folder)
    }
}

/// Tells trouble with the archive from trouble with the disk.
struct Reading<'a, R> {
    data: &'a mut R,
    failed: bool,
}

impl<R: Read> Read for Reading<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.data.read(buf).inspect_err(|error| self.failed = error.kind() != io::ErrorKind::Interrupted)
    }
}

fn exists(folder: &Folder, name: &OsStr) -> bool {
    rustix::fs::statat(&**folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Stored bytes to their places; holes stay holes.
fn write_content(file: &File, found: &TarEntry, data: &mut impl Read) -> io::Result<()> {
    let Some(map) = &found.sparse else {
        let mut out = BufWriter::with_capacity(128 << 10, file);
        let count = io::copy(data, &mut out)?;
        out.flush()?;
        return if count == found.stored { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
    };
    let mut out = file;
    for &(offset, length) in &map.extents {
        out.seek(SeekFrom::Start(offset))?;
        if io::copy(&mut data.take(length), &mut out)? != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    file.set_len(found.entry.size)
}
