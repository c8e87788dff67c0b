//! Carrying out a restore: files first, on all cores; then hard links, symbolic links, and last the modes and
//! times of folders, deepest first, for writing into a folder changes them.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use pai_common::console::Console;
use pai_common::progress::Progress;
use rustix::io::Errno;

use crate::Context;
use crate::archive::header::Xattr;
use crate::archive::index::{Group, Record};
use crate::archive::member::Opener;
use crate::archive::open::Archive;
use crate::archive::reader::{TarEntry, TarError, TarReader};
use crate::archive::stream::TarBytes;
use crate::contents;
use crate::entry::{Entry, Kind};
use crate::pipeline::{self, Stopped};
use crate::restore::beneath::{self, Beneath, Folder};
use crate::restore::plan::{Plan, Selector, Verdict, may_exist, safe_path, safe_place};

const SET_ID: u32 = 0o6000;

/// Writes entries below a target folder.
#[derive(Debug)]
pub(super) struct Applier<'a> {
    beneath: Beneath,
    privileged: bool,
    replace: bool,
    is_root: bool,
    console: &'a Console,
    later: Mutex<Later>,
}

/// What must wait until all files are there.
#[derive(Debug, Default)]
struct Later {
    /// Files written in this run: the only ones a hard link may name.
    written: HashMap<PathBuf, PathBuf>,
    hard_links: Vec<Entry>,
    symlinks: Vec<Entry>,
    folders: Vec<(Entry, Vec<Xattr>)>,
}

/// The folder a thread wrote to last: entries come folder by folder.
#[derive(Debug, Default)]
pub(super) struct LastFolder {
    last: Option<(PathBuf, Folder)>,
}

/// Restores what the plan says from an archive file.
pub(super) fn apply(
    archive: &Archive,
    plan: &Plan,
    applier: &Applier<'_>,
    run: &Context<'_>,
) -> anyhow::Result<()> {
    if archive.index().is_ok() {
        apply_indexed(archive, plan, applier, run)?;
    } else {
        let mut reader = contents::scan(archive, run.threads())?;
        let wants = |path: &Path| target_of(plan, path);
        match apply_scanned(&mut reader, wants, applier) {
            Err(error) if plan.broken().is_none() => {
                return Err(error).with_context(|| {
                    format!("could not read {} to its end", super::name_of(archive).display())
                });
            }
            // It ends where the plan has found it to end, and that has been said; but not inside which file.
            Err(error) => {
                pai_common::signal::check()?;
                if !error.is::<TarError>() {
                    applier.console.complain(format_args!("{error:#}"));
                }
            }
            Ok(()) => {}
        }
    }
    applier.finish();
    Ok(())
}

/// Restores what is selected from a tar stream that is seen only once.
pub(super) fn apply_stream(
    reader: &mut TarReader<TarBytes>,
    selector: &Selector,
    applier: &Applier<'_>,
    run: &Context<'_>,
) -> anyhow::Result<()> {
    let mut hits = std::collections::HashSet::new();
    let mut seen = std::collections::HashSet::new();
    let outcome = apply_scanned(
        reader,
        |path| {
            if !selector.wants(path, &mut hits) {
                return None;
            }
            if !seen.insert(path.to_owned()) {
                run.console
                    .complain(format_args!("refused {}: the archive has this name twice", path.display()));
                return None;
            }
            Some(path.to_owned())
        },
        applier,
    );
    applier.finish();
    outcome?;
    for pattern in selector.missing(&hits) {
        run.console.complain(format_args!("could not find {pattern} in the archive from stdin"));
    }
    Ok(())
}

/// Where a path of the archive goes: to itself, to the name of a hard link it stands in for, or nowhere.
fn target_of(plan: &Plan, path: &Path) -> Option<PathBuf> {
    match plan.verdict(path) {
        Some(Verdict::Write | Verdict::Replace) => Some(path.to_owned()),
        Some(_) => None,
        None => plan.stand_in(path).cloned(),
    }
}

fn apply_scanned(
    reader: &mut TarReader<TarBytes>,
    mut wants: impl FnMut(&Path) -> Option<PathBuf>,
    applier: &Applier<'_>,
) -> anyhow::Result<()> {
    let mut last = LastFolder::default();
    while let Some(found) = reader.next_entry()? {
        pai_common::signal::check()?;
        let path = match safe_place(&found.entry) {
            Ok(None) => continue,
            Ok(Some(path)) => path,
            Err(why) => {
                applier.refuse(&found.entry.path, why);
                continue;
            }
        };
        let Some(target) = wants(&path) else { continue };
        applier.place(&found, &path, &target, &mut reader.data(), &mut last)?;
    }
    Ok(())
}

/// One chunk to restore from.
struct Job {
    offset: u64,
    group: Group,
}

fn apply_indexed(
    archive: &Archive,
    plan: &Plan,
    applier: &Applier<'_>,
    run: &Context<'_>,
) -> anyhow::Result<()> {
    let index = archive.index().map_err(Clone::clone)?;
    let progress = Progress::bytes(run.console, "restoring", Some(index.totals().bytes));
    pipeline::ordered(
        run.threads(),
        |submit| {
            let places = index.members()?.into_iter().enumerate();
            for (_, place) in places.filter(|(number, _)| plan.needs_group(*number)) {
                let (offset, mut group) = (place.offset, index.group_at(place.at)?);
                group.records.retain(|record| {
                    safe_path(&record.entry.path).is_ok_and(|path| target_of(plan, &path).is_some())
                });
                if !group.records.is_empty() && submit.submit(Job { offset, group }) == Err(Stopped) {
                    break;
                }
            }
            Ok(())
        },
        || (Opener::default(), LastFolder::default()),
        |(opener, last), job: Job| {
            let sizes = job.group.records.iter().map(|record| record.entry.size);
            let bytes = sizes.fold(0, u64::saturating_add);
            let outcome = apply_group(archive, plan, applier, &job, opener, last);
            progress.add(bytes);
            outcome
        },
        |outcome: anyhow::Result<()>| {
            pai_common::signal::check()?;
            // One damaged member costs its own entries; the others are still worth having.
            if let Err(error) = outcome {
                run.console.complain(format_args!("{error:#}"));
            }
            Ok(())
        },
    )
}

fn apply_group(
    archive: &Archive,
    plan: &Plan,
    applier: &Applier<'_>,
    job: &Job,
    opener: &mut Opener,
    last: &mut LastFolder,
) -> anyhow::Result<()> {
    if let [info] = job.group.members[..] {
        let payload = contents::open_member(archive.file(), job.offset, &info, opener)
            .with_context(|| lost(&job.group.records))?;
        for record in &job.group.records {
            let mut reader = TarReader::new(payload.get(record.offset as usize..).unwrap_or_default());
            let found = match reader.next_entry() {
                Ok(found) => found.context("the index names an entry that is not there")?,
                Err(error) => {
                    applier.refuse(&record.entry.path, &error.to_string());
                    continue;
                }
            };
            place_record(&found, record, plan, applier, &mut reader.data(), last)?;
        }
        return Ok(());
    }
    for record in &job.group.records {
        let (found, mut reader) = contents::open_entry(archive.file(), job.offset, &job.group, record)
            .with_context(|| lost(std::slice::from_ref(record)))?;
        place_record(&found, record, plan, applier, &mut reader.data(), last)?;
    }
    Ok(())
}

fn lost(records: &[Record]) -> String {
    let first = records.first().map(|record| record.entry.path.display().to_string()).unwrap_or_default();
    match records.len() {
        1 => format!("could not restore {first}"),
        count => format!("could not restore {first} and {} more", count - 1),
    }
}

fn place_record(
    found: &TarEntry,
    record: &Record,
    plan: &Plan,
    applier: &Applier<'_>,
    data: &mut impl Read,
    last: &mut LastFolder,
) -> anyhow::Result<()> {
    if found.entry != record.entry {
        applier.refuse(&record.entry.path, "the index disagrees with the tar header");
        return Ok(());
    }
    let Ok(path) = safe_path(&found.entry.path) else { return Ok(()) };
    match target_of(plan, &path) {
        Some(target) => applier.place(found, &path, &target, data, last),
        None => Ok(()),
    }
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
        })
    }

    fn refuse(&self, path: &Path, why: &str) {
        self.console.complain(format_args!("refused {}: {why}", path.display()));
    }

    /// Writes one entry at `target`, or notes it for later. Trouble with the entry is a complaint; only
    /// trouble with the archive is an error.
    fn place(
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
                self.later().written.insert(path.to_owned(), target.to_owned());
            }),
            Kind::Folder => self.beneath.folder(target, true).map(|_| {
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

    fn file(
        &self,
        found: &TarEntry,
        entry: &Entry,
        data: &mut impl Read,
        last: &mut LastFolder,
    ) -> io::Result<()> {
        let (parent, name) = beneath::split(&entry.path)?;
        let folder = last.open(&self.beneath, parent)?;
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
        for (name, value) in self.allowed(&found.xattrs) {
            if let Err(error) = rustix::fs::fsetxattr(file, name, value, rustix::fs::XattrFlags::empty()) {
                self.xattr_trouble(entry, name, error);
            }
        }
        if self.is_root {
            let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::other("an owner beyond 32 bits"));
            std::os::unix::fs::fchown(file, Some(id(entry.uid)?), Some(id(entry.gid)?))?;
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

    /// Links, then folders.
    fn finish(&self) {
        let Later { written, hard_links, symlinks, mut folders } = std::mem::take(&mut *self.later());
        let mut last = LastFolder::default();
        for entry in hard_links {
            if let Err(error) = self.hard_link(&entry, &written, &mut last) {
                self.console.complain(format_args!("could not restore {}: {error}", entry.path.display()));
            }
        }
        for entry in symlinks {
            if let Err(error) = self.symlink(&entry, &mut last) {
                self.console.complain(format_args!("could not restore {}: {error}", entry.path.display()));
            }
        }
        folders.sort_by_key(|(entry, _)| std::cmp::Reverse(entry.path.components().count()));
        for (entry, xattrs) in folders {
            if let Err(error) = self.folder(&entry, &xattrs) {
                self.console.complain(format_args!("could not restore {}: {error}", entry.path.display()));
            }
        }
    }

    fn hard_link(
        &self,
        entry: &Entry,
        written: &HashMap<PathBuf, PathBuf>,
        last: &mut LastFolder,
    ) -> io::Result<()> {
        let link = safe_path(&entry.link).map_err(io::Error::other)?;
        let Some(file) = written.get(&link) else {
            return Err(io::Error::other(format!("it links to {}, which was not restored", link.display())));
        };
        if *file == entry.path {
            // The file was written under this very name.
            return Ok(());
        }
        let (from_parent, from_name) = beneath::split(file)?;
        let from = self.beneath.folder(from_parent, false)?;
        let (parent, name) = beneath::split(&entry.path)?;
        let folder = last.open(&self.beneath, parent)?;
        self.beside(&folder, name, |temp| beneath::hard_link((&from, from_name), (&folder, temp)))
    }

    fn symlink(&self, entry: &Entry, last: &mut LastFolder) -> io::Result<()> {
        let (parent, name) = beneath::split(&entry.path)?;
        let folder = last.open(&self.beneath, parent)?;
        self.beside(&folder, name, |temp| {
            beneath::symlink(&folder, temp, &entry.link)?;
            if self.is_root {
                beneath::own(&folder, temp, entry)?;
            }
            beneath::set_time(&folder, temp, entry.mtime)
        })
    }

    fn folder(&self, entry: &Entry, xattrs: &[Xattr]) -> io::Result<()> {
        let folder = self.beneath.folder(&entry.path, true)?;
        for (name, value) in self.allowed(xattrs) {
            if let Err(error) = rustix::fs::fsetxattr(&*folder, name, value, rustix::fs::XattrFlags::empty())
            {
                self.xattr_trouble(entry, name, error);
            }
        }
        if self.is_root {
            let (parent, name) = beneath::split(&entry.path)?;
            beneath::own(&self.beneath.folder(parent, false)?, name, entry)?;
        }
        rustix::fs::fchmod(&*folder, rustix::fs::Mode::from_raw_mode(entry.mode))?;
        beneath::set_file_time(&*folder, entry.mtime)
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
