//! A store in a folder: a disk, a mounted share.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use pai_common::atomic::AtomicFile;
use pai_common::clock::Timestamp;
use pai_common::home::ensure_private_folder;

use super::backend::{Answer, Backend, Kind, Object, StoreError};
use crate::archive::open::open_to_read;

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
                // It may have been deleted meanwhile.
                let Ok(metadata) = entry.metadata() else { continue };
                let modified = Timestamp::from(metadata.modified()?);
                found.push(Object { name, size: metadata.len(), modified });
            }
        }
        Ok(())
    }
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
            ensure_private_folder(path.parent().unwrap_or(&self.root))?;
            let mut file = AtomicFile::create(&path, 0o600)?;
            file.write_all(bytes)?;
            file.commit()
        };
        write().map_err(|error: anyhow::Error| {
            let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
            let denied = io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied);
            let kind = if denied { Kind::Denied } else { Kind::Lasting };
            StoreError::new(kind, format_args!("could not write {}: {error:#}", path.display()))
        })
    }

    fn list(&self, folder: &str) -> Answer<Vec<Object>> {
        let mut found = Vec::new();
        self.walk(folder, &mut found).map_err(|error| failed("list", &self.root.join(folder), &error))?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
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
        store.delete("packs/aa/x.gz").unwrap();
        store.delete("packs/aa/x.gz").unwrap();
        assert_eq!(store.get("packs/aa/x.gz", 0, 1).unwrap_err().kind, Kind::Missing);
    }
}
