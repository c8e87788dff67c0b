//! The last bytes of an archive, index members and footer, in a file of the cache: of a million files they are tens of
//! megabytes, and a run that held them in memory would hold them three times.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use pai_common::atomic::AtomicFile;

use crate::archive::open::open_to_read;

/// The last bytes of an archive, in a file of the cache.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    file: Arc<File>,
    size: u64,
}

impl Tail {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open_to_read(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), size })
    }

    /// Their number.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Fills `buf` with what begins at `offset`.
    pub(crate) fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    /// Reads all of them.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.size as usize];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Keeps `bytes` in a file without a name.
    #[cfg(test)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Self { file: Arc::new(file), size: bytes.len() as u64 }
    }
}

/// The last bytes of an archive that is being made, as they are written to the cache. The archive does not depend on the
/// cache, so an error is reported only at the end.
#[derive(Debug)]
pub(crate) struct NewTail(anyhow::Result<BufWriter<AtomicFile>>);

impl NewTail {
    /// Begins a file that will be `path`.
    pub(super) fn begin(path: &Path) -> Self {
        Self(AtomicFile::create(path, 0o600).map(BufWriter::new))
    }

    /// Appends `bytes`.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if let Ok(out) = &mut self.0
            && let Err(error) = out.write_all(bytes)
        {
            self.0 = Err(error.into());
        }
    }

    /// Gives the file its name.
    pub(super) fn commit(self) -> anyhow::Result<()> {
        self.0?.into_inner().map_err(io::IntoInnerError::into_error)?.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_read_again_and_trouble_is_said_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tail");
        let mut new = NewTail::begin(&path);
        for part in [&b"0123"[..], b"", b"456789"] {
            new.append(part);
        }
        assert!(!path.exists());
        new.commit().unwrap();
        let tail = Tail::open(&path).unwrap();
        let mut part = [0; 3];
        tail.read_exact_at(&mut part, 3).unwrap();
        assert_eq!((tail.size(), &part, &tail.read().unwrap()[..]), (10, b"345", &b"0123456789"[..]));
        let mut nowhere = NewTail::begin(&folder.path().join("no/x.tail"));
        nowhere.append(b"0");
        assert!(nowhere.commit().unwrap_err().to_string().contains("no/x.tail"));
    }
}
