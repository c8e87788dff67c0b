//! Many files that get their names together.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{O_NOFOLLOW, sync_folder, temp_path};

/// Many files of one folder that get their names together: one sync for all of them, then the renames, then one sync
/// of the folder. The caller holds a lock that keeps other writers of these names away. Dropped before
/// [`Batch::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Batch {
    folder: PathBuf,
    pending: Vec<(PathBuf, PathBuf)>,
    /// Permission bits that the umask is known to leave alone.
    granted: Option<u32>,
}

/// Permission bits and, where it should not be the process's own, user and group of a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// Permission bits.
    pub mode: u32,
    /// User and group; only root may give files away.
    pub owner: Option<(u32, u32)>,
}

impl Batch {
    /// Nothing yet, in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), pending: Vec::new(), granted: None }
    }

    /// Writes `parts` beside `target`, a file of the batch's folder.
    pub fn write(&mut self, target: &Path, like: Ownership, parts: &[&[u8]]) -> anyhow::Result<()> {
        let temp = temp_path(target)?;
        let context = || format!("could not write {}", target.display());
        let open = || {
            let flags = O_NOFOLLOW;
            OpenOptions::new().write(true).create_new(true).mode(like.mode).custom_flags(flags).open(&temp)
        };
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::remove_file(&temp).and_then(|()| open()).with_context(context)?
            }
            other => other.with_context(context)?,
        };
        self.pending.push((temp, target.to_owned()));
        for part in parts {
            file.write_all(part).with_context(context)?;
        }
        if self.granted != Some(like.mode) {
            let given = file.metadata().with_context(context)?.mode() & 0o7777;
            if given == like.mode {
                self.granted = Some(given);
            } else {
                file.set_permissions(Permissions::from_mode(like.mode)).with_context(context)?;
            }
        }
        if let Some((user, group)) = like.owner {
            let _ = std::os::unix::fs::fchown(&file, Some(user), Some(group));
        }
        Ok(())
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Makes every written byte survive a power cut: a few files one by one, many with their whole file system.
    pub fn sync(&self) -> anyhow::Result<()> {
        const FEW: usize = 8;
        let context = || format!("could not sync folder {}", self.folder.display());
        if self.pending.len() > FEW {
            let folder = File::open(&self.folder).with_context(context)?;
            return rustix::fs::syncfs(&folder).map_err(io::Error::from).with_context(context);
        }
        for (temp, _) in &self.pending {
            let synced = File::open(temp).and_then(|file| file.sync_all());
            synced.with_context(|| format!("could not sync {}", temp.display()))?;
        }
        Ok(())
    }

    /// Gives every file its name and syncs the folder; call [`Batch::sync`] before.
    pub fn commit(mut self) -> anyhow::Result<()> {
        while let Some((temp, target)) = self.pending.last() {
            std::fs::rename(temp, target)
                .with_context(|| format!("could not rename {} to {}", temp.display(), target.display()))?;
            self.pending.pop();
        }
        sync_folder(&self.folder.join("file"))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for (temp, _) in &self.pending {
            let _ = std::fs::remove_file(temp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_appears_together_or_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let like = Ownership { mode: 0o640, owner: None };
        let names: Vec<PathBuf> = (0..20).map(|n| folder.path().join(format!("{n}.md"))).collect();
        let write = |batch: &mut Batch| {
            for name in &names {
                batch.write(name, like, &[b"a", b"b"]).unwrap();
            }
        };
        let mut batch = Batch::new(folder.path());
        write(&mut batch);
        assert!(names.iter().all(|name| !name.exists()));
        drop(batch);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        std::fs::write(temp_path(&names[0]).unwrap(), "left by a crash").unwrap();
        let mut batch = Batch::new(folder.path());
        write(&mut batch);
        batch.sync().unwrap();
        batch.commit().unwrap();
        assert!(names.iter().all(|name| std::fs::read(name).unwrap() == b"ab"));
        assert_eq!(std::fs::metadata(&names[0]).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 20);
    }
}
