//! Files that appear whole or not at all: written beside their place, synced, renamed, the folder synced.
//!
//! The order is restic's (`internal/backend/local/local.go`). The temporary file `.NAME.partial` is locked
//! while it is written, so a later run can tell one left by a crash (removed) from one in use (busy).

mod batch;
mod write_back;

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::lock::Busy;

use self::write_back::WriteBack;

pub use self::batch::{Batch, Ownership};

/// The most that one write takes.
const PART: usize = 8 << 20;

/// A file on its way to `target`. Dropped before [`AtomicFile::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    temp: PathBuf,
    target: PathBuf,
    committed: bool,
    write_back: WriteBack,
}

impl AtomicFile {
    /// Starts a file that will become `target` with permission bits `mode`. A device, a pipe or a folder of that name
    /// is refused, for it would be replaced, not written to.
    pub fn create(target: &Path, mode: u32) -> anyhow::Result<Self> {
        let temp = temp_path(target)?;
        if std::fs::metadata(target).is_ok_and(|existing| !existing.is_file()) {
            bail!("could not write {}: not a regular file", target.display());
        }
        let file = create_temp(&temp).with_context(|| format!("could not create {}", target.display()))?;
        let this = Self {
            file,
            temp,
            target: target.to_owned(),
            committed: false,
            write_back: WriteBack::default(),
        };
        // open(2) applies the umask; the caller's mode is meant exactly.
        this.file
            .set_permissions(Permissions::from_mode(mode))
            .with_context(|| format!("could not set the mode of {}", this.temp.display()))?;
        Ok(this)
    }

    /// Starts a file that will replace `target`, keeping its mode and, where allowed, its owner.
    /// `mode` counts when there is nothing to replace yet.
    pub fn replace(target: &Path, mode: u32) -> anyhow::Result<Self> {
        let Ok(existing) = std::fs::metadata(target) else { return Self::create(target, mode) };
        let this = Self::create(target, existing.mode() & 0o7777)?;
        // Only root may give files away; everyone else already owns what they may replace.
        let _ = std::os::unix::fs::fchown(&this.file, Some(existing.uid()), Some(existing.gid()));
        Ok(this)
    }

    /// Where the bytes are until the commit.
    pub fn temp(&self) -> &Path {
        &self.temp
    }

    /// The file behind the temporary name.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the bytes, gives the file its name (replacing what had it), and syncs the folder.
    pub fn commit(mut self) -> anyhow::Result<()> {
        self.sync()?;
        std::fs::rename(&self.temp, &self.target).with_context(|| {
            format!("could not rename {} to {}", self.temp.display(), self.target.display())
        })?;
        self.committed = true;
        sync_folder(&self.target)
    }

    fn sync(&mut self) -> anyhow::Result<()> {
        let early = self.write_back.finish();
        early
            .and_then(|()| self.file.sync_all())
            .with_context(|| format!("could not sync {}", self.temp.display()))
    }

    /// Syncs the bytes and swaps names with `target`: what had that name is now the returned path, for the caller to
    /// look at and to remove. `None` where there was nothing, or the file system cannot swap; then `target` was replaced.
    pub fn exchange(mut self) -> anyhow::Result<Option<PathBuf>> {
        self.sync()?;
        let swapped = renameat_with(CWD, &self.temp, CWD, &self.target, RenameFlags::EXCHANGE);
        match swapped {
            Ok(()) => {
                self.committed = true;
                sync_folder(&self.target)?;
                Ok(Some(self.temp.clone()))
            }
            Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.commit().map(|()| None)
            }
            Err(error) => Err(io::Error::from(error)).with_context(|| {
                format!("could not swap {} and {}", self.temp.display(), self.target.display())
            }),
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // In parts, so that write-back begins while the rest of a large buffer is still to come.
        let count = self.file.write(&buf[..buf.len().min(PART)])?;
        self.write_back.wrote(&self.file, count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl io::Seek for AtomicFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.committed {
            let _ = std::fs::remove_file(&self.temp);
        }
    }
}

/// Writes `bytes` to `target`, or to the file it is a link to, in one atomic step, keeping an existing file's mode and
/// owner.
pub fn write(target: &Path, mode: u32, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = AtomicFile::replace(&behind_links(target), mode)?;
    file.write_all(bytes).with_context(|| format!("could not write {}", target.display()))?;
    file.commit()
}

/// Where [`write()`] writes: what `target` leads to, if it is a link that leads anywhere.
pub fn behind_links(target: &Path) -> PathBuf {
    let real = if target.is_symlink() { target.canonicalize().ok() } else { None };
    real.unwrap_or_else(|| target.to_owned())
}

/// Makes a rename or an unlink in the folder of `path` survive a power cut.
pub fn sync_folder(path: &Path) -> anyhow::Result<()> {
    let folder = folder_of(path);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("could not sync folder {}", folder.display()))
}

/// The temporary name that [`AtomicFile`] uses for `target`.
pub fn temp_path(target: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = target.file_name() else {
        bail!("could not write {}: not a file name", target.display())
    };
    let mut temp = OsString::from(".");
    temp.push(name);
    temp.push(".partial");
    Ok(target.with_file_name(temp))
}

/// Removes the temporary files in `folder` that runs which did not end have left for targets that `ours`
/// knows by name; one that is still being written is locked, and stays.
pub fn remove_abandoned(folder: &Path, ours: impl Fn(&[u8]) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    let context = || format!("could not read {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name();
        let target = name.as_bytes().strip_prefix(b".").and_then(|name| name.strip_suffix(b".partial"));
        if target.is_some_and(&ours) && remove_stale(&entry.path()).is_ok() {
            removed.push(entry.path());
        }
    }
    Ok(removed)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn create_temp(temp: &Path) -> anyhow::Result<File> {
    let open = || OpenOptions::new().write(true).read(true).create_new(true).mode(0o600).open(temp);
    loop {
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove_stale(temp)?;
                continue;
            }
            other => other?,
        };
        // Before it was locked, another run may have taken it for a stale one.
        if lock_named(&file, temp)? == Named::Ours {
            return Ok(file);
        }
    }
}

fn remove_stale(temp: &Path) -> anyhow::Result<()> {
    // Without waiting: it may be a pipe, which nobody will ever write to.
    let flags = O_NOFOLLOW | O_NONBLOCK;
    let left = match OpenOptions::new().read(true).custom_flags(flags).open(temp) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    match lock_named(&left, temp)? {
        Named::Ours => {
            std::fs::remove_file(temp).with_context(|| format!("could not remove stale {}", temp.display()))
        }
        Named::InUse => Err(Busy { folder: folder_of(temp).to_owned() }.into()),
        Named::Gone => Ok(()),
    }
}

/// Whose a temporary file is.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    /// We hold its lock, and with it the right to remove or rename it.
    Ours,
    /// Another run holds its lock.
    InUse,
    /// The file no longer has its name.
    Gone,
}

fn lock_named(file: &File, temp: &Path) -> io::Result<Named> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(Named::InUse),
        // A file system without locks only loses the protection.
        Err(TryLockError::Error(_)) => return Ok(Named::Ours),
        Ok(()) => {}
    }
    let held = file.metadata()?;
    match temp.symlink_metadata() {
        Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => Ok(Named::Ours),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(Named::Gone),
    }
}

const O_NOFOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;
const O_NONBLOCK: i32 = OFlags::NONBLOCK.bits() as i32;

#[cfg(test)]
mod tests;
