//! Files that are taken for archives and are none: what they are, and how to get at the tar in them.

use std::fmt;
use std::io;
use std::path::Path;

use pai_common::hint::Hinted;

use crate::archive::header::BLOCK;
use crate::archive::reader::is_header;
use crate::shell;

/// The kinds of file that are taken for a tar by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotTar {
    what: &'static str,
    /// The program that writes what is in them to stdout.
    program: Option<&'static str>,
}

/// The first bytes of files of other compressors.
const COMPRESSED: [(&[u8], &str, &str); 5] = [
    (b"\xfd7zXZ\0", "xz", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4"),
    (b"LZIP\x01", "lzip", "lzip"),
    (b"PK\x03\x04", "a zip", ""),
];

/// bzip2: after its level the first figures of pi.
const BZIP2: (&[u8], &[u8]) = (b"BZh", b"\x31\x41\x59\x26\x53\x59");

impl NotTar {
    /// Tells a file by its first 16 bytes, or all of them if it is shorter.
    pub(crate) fn of_start(start: &[u8]) -> Option<Self> {
        if start.is_empty() {
            return Some(Self { what: "an empty file", program: None });
        }
        if start.starts_with(BZIP2.0) && start.get(4..10) == Some(BZIP2.1) {
            return Some(Self { what: "bzip2", program: Some("bzip2") });
        }
        let (_, what, program) = COMPRESSED.iter().find(|(mark, ..)| start.starts_with(mark))?;
        Some(Self { what, program: (!program.is_empty()).then_some(*program) })
    }

    /// Tells a gzip file by the first bytes that it inflates to.
    pub(crate) fn of_inflated(start: &[u8]) -> Option<Self> {
        let is_tar = start
            .first_chunk::<BLOCK>()
            .is_some_and(|block| is_header(block) || block.iter().all(|&byte| byte == 0));
        let what = if start.is_empty() {
            "gzip with nothing in it"
        } else {
            "gzip that holds no tar: not a tar header"
        };
        (!is_tar).then_some(Self { what, program: None })
    }
}

impl fmt::Display for NotTar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.program {
            Some(program) => write!(f, "it is {}: decompress it first, with {program} -dc", self.what),
            None => write!(f, "it is {}", self.what),
        }
    }
}

impl std::error::Error for NotTar {}

impl From<NotTar> for io::Error {
    fn from(what: NotTar) -> Self {
        Self::new(io::ErrorKind::InvalidData, what)
    }
}

/// The error of reading `path`, with the command that leads on where there is one.
pub(crate) fn explained(error: io::Error, path: &Path) -> anyhow::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<NotTar>());
    let program = inner.and_then(|what| what.program);
    let error = anyhow::Error::from(error).context(format!("could not read {}", path.display()));
    match program {
        Some(program) => {
            let path = shell::line([path]);
            let hint = format!("{program} -dc {} | pai-backup list -", String::from_utf8_lossy(&path));
            Hinted::new(error, hint).into()
        }
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_may_begin_like_any_text() {
        for start in [&b"BZh9-notes.txt\0\0"[..], b"LZIP-notes\0\0\0\0\0\0", b"PK", b"xz", b"x"] {
            assert_eq!(NotTar::of_start(start), None, "{}", start.escape_ascii());
        }
        assert_eq!(NotTar::of_inflated(&[0; 1024]), None);
    }
}
