//! One job per folder. The lock is the kernel's, on the folder itself: it cannot go stale and leaves no file.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::signal;

/// Another process holds the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// The folder whose lock is held.
    pub folder: PathBuf,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not lock {}: another run is at work there", self.folder.display())
    }
}

impl std::error::Error for Busy {}

/// Held until dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub struct DirLock {
    _folder: File,
}

impl DirLock {
    /// Locks `folder`, waiting up to `wait` for another run to end. Fails with [`Busy`] after that.
    pub fn acquire(folder: &Path, wait: Option<Duration>) -> anyhow::Result<Self> {
        let file = File::open(folder).with_context(|| format!("could not open {}", folder.display()))?;
        // None: so far away that it never comes.
        let deadline = Instant::now().checked_add(wait.unwrap_or_default());
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _folder: file }),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("could not lock {}", folder.display()));
                }
                Err(TryLockError::WouldBlock)
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) =>
                {
                    return Err(Busy { folder: folder.to_owned() }.into());
                }
                Err(TryLockError::WouldBlock) => {
                    signal::check()?;
                    thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_busy_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(folder.path(), None).unwrap();
        let second = DirLock::acquire(folder.path(), None).unwrap_err();
        assert!(second.is::<Busy>(), "{second:#}");
        drop(first);
        DirLock::acquire(folder.path(), None).unwrap();
    }

    #[test]
    fn a_wait_of_any_length_can_be_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        DirLock::acquire(folder.path(), Some(Duration::MAX)).unwrap();
    }
}
