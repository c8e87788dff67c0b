//! Reading a memory file, and how large it may be.

use std::path::Path;

use anyhow::{Context, anyhow};
use pai_common::hint::Hinted;
use pai_common::units::human_size;

/// The most of one file that is read: a memory file is held in memory, with what becomes of it. Nobody's notes are that
/// long; a program that writes without end soon is.
pub(crate) const MOST: u64 = 1 << 30;

/// Reads the whole memory file.
pub(crate) fn read(real: &Path) -> anyhow::Result<Vec<u8>> {
    let size = std::fs::metadata(real).map_or(0, |found| found.len());
    if size > MOST {
        return Err(too_large(real, size));
    }
    std::fs::read(real).with_context(|| format!("could not read {}", real.display()))
}

/// Makes the error about a file that has too many bytes to be read.
pub(crate) fn too_large(path: &Path, size: u64) -> anyhow::Error {
    let (path, size, most) = (path.display(), human_size(size), human_size(MOST));
    Hinted::new(
        anyhow!(
            "could not read {path}: it has {size}, more than the {most} that a memory file or a note may have"
        ),
        "find out what writes to it; nothing was changed",
    )
    .into()
}

/// Returns the folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
