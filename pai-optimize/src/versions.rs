//! The memory files before this one: kept for a while, and watched, for a program that had one open may go on writing
//! to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use pai_common::atomic;

use crate::archive::{Archive, Listing};

/// How many earlier versions of the memory file are kept.
const VERSIONS: usize = 3;

/// Appends to the memory file what other programs wrote to earlier versions of it after a run had replaced them.
/// Returns whether there was anything.
pub(crate) fn carry_over_late_writes(listing: &Listing, real: &Path) -> anyhow::Result<bool> {
    let mut any = false;
    for version in &listing.before {
        let length = version.extension().and_then(|length| length.to_str()?.parse::<u64>().ok());
        let (Some(length), Ok(found)) = (length, fs::metadata(version)) else { continue };
        // A run killed before the swap has left a second name of the very file.
        let same = fs::metadata(real).is_ok_and(|memory| memory.ino() == found.ino());
        if found.len() > length && !same {
            let carried = carry_over(version, length, real)?;
            record_carried_length(version, length, carried)?;
            any = true;
        }
    }
    Ok(any)
}

/// Removes the temporary files that a killed run left, and all but the last versions. The caller holds the lock.
pub(crate) fn remove_leftovers(archive: &Archive, real: &Path) -> anyhow::Result<Listing> {
    let mut listing = archive.list()?;
    for stale in listing.stale.drain(..).chain([atomic::temp_path(real)?]) {
        remove(&stale)?;
    }
    let surplus = listing.before.len().saturating_sub(VERSIONS);
    for version in listing.before.drain(..surplus) {
        remove(&version)?;
    }
    Ok(listing)
}

/// Keeps the memory file that is about to be replaced, as `before`. A hard link costs nothing; where none can be made,
/// a copy is written.
pub(crate) fn keep_version(real: &Path, before: &Path, old: &[u8]) -> anyhow::Result<()> {
    match fs::remove_file(before) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("could not replace {}", before.display()));
        }
        _ => {}
    }
    match fs::hard_link(real, before) {
        Ok(()) => Ok(()),
        Err(_) => atomic::write(before, 0o600, old),
    }
}

/// Appends to `real` what was written to `from` past `length`: somebody had it open while names changed. Returns the
/// length carried to.
pub(crate) fn carry_over(from: &Path, length: u64, real: &Path) -> anyhow::Result<u64> {
    let mut tail = Vec::new();
    let mut file = File::open(from).with_context(|| format!("could not read {}", from.display()))?;
    file.seek(SeekFrom::Start(length))
        .and_then(|_| file.read_to_end(&mut tail))
        .with_context(|| format!("could not read {}", from.display()))?;
    if !tail.is_empty() {
        OpenOptions::new()
            .append(true)
            .open(real)
            .and_then(|mut file| file.write_all(&tail).and_then(|()| file.sync_all()))
            .with_context(|| format!("could not append to {}", real.display()))?;
    }
    Ok(length + tail.len() as u64)
}

/// Puts into an earlier version's name how much of it is in the memory file.
pub(crate) fn record_carried_length(version: &Path, length: u64, carried: u64) -> anyhow::Result<()> {
    if carried == length {
        return Ok(());
    }
    let renamed = version.with_extension(carried.to_string());
    fs::rename(version, &renamed).with_context(|| format!("could not rename {}", version.display()))
}

pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_to_the_old_file_is_carried_over() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
        fs::write(&old, "seen, unseen").unwrap();
        fs::write(&new, "new").unwrap();
        assert_eq!(carry_over(&old, 4, &new).unwrap(), 12);
        assert_eq!(carry_over(&old, 12, &new).unwrap(), 12);
        assert_eq!(fs::read(&new).unwrap(), b"new, unseen");
    }
}
