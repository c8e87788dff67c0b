//! A store in a folder: a disk, a mounted share.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use pai_common::atomic::{self, AtomicFile};
use pai_common::clock::Timestamp;
use pai_common::lock::Busy;

use super::backend::{Answer, Backend, Kind, Object, StoreError};
use crate::archive::open::open_to_read;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Objects are files below a folder. They appear whole, and are on the disk when `put` returns.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn walk(&self, name: &str, found: &mut Vec<Object>) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            // No name of ours is anything but UTF-8, and what is being written begins with a dot.
            let Some(part) =
                entry.file_name().to_str().filter(|part| !part.starts_with('.')).map(str::to_owned)
            else {
                continue;
            };
            let (name, kind) = (format!("{name}/{part}"), entry.file_type()?);
            if kind.is_dir() {
                self.walk(&name, found)?;
            } else if kind.is_file() {
                let metadata = match entry.metadata() {
                    // It was deleted meanwhile. Anything else is no reason to take it for gone.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    other => other?,
                };
                let modified = Timestamp::from(metadata.modified()?);
                found.push(Object { name, size: metadata.len(), modified });
            }
        }
        Ok(())
    }
}

/// Makes a folder and syncs its parent, so that a power cut takes neither the folder nor what is written into it later.
fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let context = || format!("could not create folder {}", folder.display());
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        // Another run was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.with_context(context).and_then(|()| atomic::sync_folder(folder)),
    }
}

/// Removes the temporary files of interrupted runs from a folder. Those younger than a day may still be in use, and stay.
fn sweep_folder(folder: &Path) -> anyhow::Result<()> {
    let is_old = |name: &[u8]| {
        let temp = folder.join(OsStr::from_bytes(&[b".", name, b".partial"].concat()));
        let modified = temp.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= DAY))
    };
    atomic::remove_abandoned(folder, is_old).map(drop)
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> StoreError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => Kind::Missing,
        io::ErrorKind::PermissionDenied => Kind::Denied,
        _ => Kind::Lasting,
    };
    StoreError::new(kind, format_args!("could not {verb} {}: {error}", path.display()))
}

impl Backend for Folder {
    fn get(&self, name: &str, offset: u64, limit: u64) -> Answer<Vec<u8>> {
        let path = self.root.join(name);
        let read = || {
            let file = open_to_read(&path)?;
            let length = file.metadata()?.len().saturating_sub(offset).min(limit);
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, offset)?;
            Ok(bytes)
        };
        read().map_err(|error| failed("read", &path, &error))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Answer<()> {
        let path = self.root.join(name);
        let write = || {
            make_folder(path.parent().unwrap_or(&self.root))?;
            let mut file = AtomicFile::create(&path, 0o600)?;
            file.write_all(bytes)?;
            file.commit()
        };
        write().map_err(|error: anyhow::Error| {
            let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
            let denied = io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied);
            // Another run writes the same object: what it makes will do, and so will ours once it is done.
            let busy = error.chain().any(<dyn std::error::Error>::is::<Busy>);
            let kind = if denied {
                Kind::Denied
            } else if busy {
                Kind::Passing
            } else {
                Kind::Lasting
            };
            StoreError::new(kind, format_args!("could not write {}: {error:#}", path.display()))
        })
    }

    fn list(&self, folder: &str) -> Answer<Vec<Object>> {
        let mut found = Vec::new();
        self.walk(folder, &mut found).map_err(|error| failed("list", &self.root.join(folder), &error))?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn sweep(&self) {
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            // What cannot be swept is in nobody's way.
            let _ = sweep_folder(&folder);
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.extend(inner.map(|entry| entry.path()));
        }
    }

    fn delete(&self, name: &str) -> Answer<()> {
        let path = self.root.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("delete", &path, &error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_files_that_appear_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder::new(folder.path().join("store"));
        assert_eq!(store.list("packs").unwrap(), []);
        store.put("packs/aa/x.gz", b"0123456789").unwrap();
        store.put("packs/ab/y.gz", b"").unwrap();
        fs::write(folder.path().join("store/packs/aa/.z.gz.partial"), "half").unwrap();
        let names: Vec<_> = store.list("packs").unwrap().into_iter().map(|object| object.name).collect();
        assert_eq!(names, ["packs/aa/x.gz", "packs/ab/y.gz"]);
        assert_eq!(store.get("packs/aa/x.gz", 3, 4).unwrap(), b"3456");
        assert_eq!(store.get("packs/aa/x.gz", 8, 100).unwrap(), b"89");
        assert_eq!(store.get("packs/aa/x.gz", 80, 100).unwrap(), b"");
        // What is half written stays a day: it may be of a run under way.
        let half = folder.path().join("store/packs/aa/.z.gz.partial");
        store.sweep();
        assert!(half.exists());
        let old = std::time::SystemTime::now() - 2 * DAY;
        fs::File::open(&half).unwrap().set_modified(old).unwrap();
        store.sweep();
        assert!(!half.exists());
        store.delete("packs/aa/x.gz").unwrap();
        store.delete("packs/aa/x.gz").unwrap();
        assert_eq!(store.get("packs/aa/x.gz", 0, 1).unwrap_err().kind, Kind::Missing);
    }
}
