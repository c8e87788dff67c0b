//! What a disk could not read. Of the archive itself it counts as damage, wherever it is; of others, as not there for now. Both
//! are told.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pai_common::console::Console;
use pai_common::hint::Hinted;

use crate::archive::open::{Archive, Bytes, bytes_of};

/// Disks lose so many bytes at once, or a multiple.
const SECTOR: usize = 4096;
/// The largest number of places that are reported.
const MOST_TOLD: usize = 20;

/// The places that could not be read so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Unread(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    told: Vec<String>,
    hints: BTreeSet<String>,
    count: usize,
    /// Whether a place in another archive or file could not be read. It may be readable the next time.
    elsewhere: bool,
}

impl Unread {
    /// Opens the archive that is to be mended. Where the disk cannot read it, zeros are read, which no check lets pass.
    pub(super) fn open(&self, path: &Path) -> anyhow::Result<Archive> {
        let bytes = bytes_of(path)?;
        Archive::of_bytes(path, Arc::new(Watched { bytes, path: path.to_owned(), unread: self.clone() }))
    }

    /// Notes an error of the archive's own disk, if it is one.
    pub(super) fn own(&self, error: &anyhow::Error) {
        if is_trouble(error) {
            self.note(format!("{error:#}"));
        }
    }

    /// Notes why something else could not be read, if that says nothing of whether it is whole.
    pub(super) fn elsewhere(&self, error: &anyhow::Error) {
        // What comes with a hint, such as a missing identity, is of all of them.
        let hint = error.chain().find_map(|cause| cause.downcast_ref::<Hinted>()).map(Hinted::hint);
        if let Some(hint) = hint {
            if self.lock().hints.insert(hint.to_owned()) {
                self.note(format!("{error:#}"));
            }
        } else if is_trouble(error) {
            self.note(format!("{error:#}"));
        } else {
            return;
        }
        self.lock().elsewhere = true;
    }

    /// Whether something could not be read.
    pub(super) fn is_any(&self) -> bool {
        self.lock().count > 0
    }

    /// Whether the missing bytes may be in a place that could not be read.
    pub(super) fn may_hold_more(&self) -> bool {
        self.lock().elsewhere
    }

    /// Says all of it; what has no consequence is but a warning.
    pub(super) fn tell(&self, console: &Console, has_consequences: bool) {
        let noted = std::mem::take(&mut *self.lock());
        let more = noted.count - noted.told.len();
        let more = (more > 0).then(|| format!("{more} more places could not be read"));
        for what in noted.told.into_iter().chain(more) {
            if has_consequences {
                console.complain(what);
            } else {
                console.warn(what);
            }
        }
        for hint in noted.hints {
            console.warn(format_args!("hint: {hint}"));
        }
    }

    fn note(&self, what: String) {
        let mut noted = self.lock();
        if noted.told.contains(&what) {
            return;
        }
        noted.count += 1;
        if noted.told.len() < MOST_TOLD {
            noted.told.push(what);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a system call failed, other than for a file that is not there or not ours to read.
fn is_trouble(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| {
        error.raw_os_error().is_some()
            && !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
            )
    })
}

/// The bytes of an archive on a disk that may fail.
#[derive(Debug)]
struct Watched {
    bytes: Arc<dyn Bytes>,
    path: PathBuf,
    unread: Unread,
}

impl Bytes for Watched {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let Err(error) = self.bytes.read_exact_at(buf, offset) else { return Ok(()) };
        if error.raw_os_error().is_none() {
            return Err(error);
        }
        self.unread.note(format!("could not read {} at byte {offset}: {error}", self.path.display()));
        // What is around the bad place can be read.
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let length = (SECTOR - at as usize % SECTOR).min(buf.len() - done);
            let sector = &mut buf[done..done + length];
            if let Err(error) = self.bytes.read_exact_at(sector, at) {
                self.unread.note(format!("could not read {} at byte {at}: {error}", self.path.display()));
                sector.fill(0);
            }
            done += length;
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.bytes.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    /// Bytes on a disk with one bad sector.
    #[derive(Debug)]
    struct Bad(Vec<u8>, u64);

    impl Bytes for Bad {
        fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
            let end = offset + buf.len() as u64;
            if offset < self.1 + SECTOR as u64 && end > self.1 {
                return Err(io::Error::from_raw_os_error(5));
            }
            buf.copy_from_slice(&self.0[offset as usize..end as usize]);
            Ok(())
        }

        fn size(&self) -> u64 {
            self.0.len() as u64
        }
    }

    #[test]
    fn around_a_bad_sector_everything_is_read_and_the_sector_is_named() {
        let bytes: Vec<u8> = (0..5 * SECTOR).map(|at| (at % 251) as u8 + 1).collect();
        let bad = Arc::new(Bad(bytes.clone(), 2 * SECTOR as u64));
        let unread = Unread::default();
        let watched = Watched { bytes: bad, path: PathBuf::from("a"), unread: unread.clone() };
        let mut read = vec![9; 4 * SECTOR];
        watched.read_exact_at(&mut read, 100).unwrap();
        let (from, to) = (2 * SECTOR - 100, 3 * SECTOR - 100);
        assert_eq!(read[..from], bytes[100..2 * SECTOR]);
        assert!(read[from..to].iter().all(|&byte| byte == 0));
        assert_eq!(read[to..], bytes[3 * SECTOR..4 * SECTOR + 100]);
        let noted = unread.lock();
        assert_eq!(noted.told.len(), 2, "{noted:?}");
        assert_eq!(noted.told[1], "could not read a at byte 8192: Input/output error (os error 5)");
        assert!(!noted.elsewhere);
    }

    #[test]
    fn a_file_that_is_not_there_is_no_trouble() {
        for (number, is) in [(2, false), (13, false), (5, true), (24, true)] {
            let error =
                Err::<(), _>(io::Error::from_raw_os_error(number)).context("could not read a").unwrap_err();
            assert_eq!(is_trouble(&error), is, "{error:#}");
        }
        assert!(!is_trouble(&io::Error::from(io::ErrorKind::UnexpectedEof).into()));
    }
}
