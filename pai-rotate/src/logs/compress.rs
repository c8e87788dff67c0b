//! Compressing a copy, and copying a log that cannot be renamed.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use anyhow::{Context, bail};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use pai_common::atomic::{self, AtomicFile};
use pai_common::signal;
use rustix::fs::OFlags;

use super::writers::{self, Writer};

/// The level that pai-backup writes archives with.
const LEVEL: u32 = 6;

/// The result of compressing a copy.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compressed {
    /// The copy was compressed and its original deleted. The numbers are its bytes before and after.
    Whole((u64, u64)),
    /// There was nothing in it; it is gone.
    Empty,
    /// Somebody may still write to it; it is as it was.
    StillWritten(Writer),
}

/// Compresses `source` to `target` and then deletes `source`. It stays as long as a process may write to it:
/// nobody else can open it under its old name any more. A `target` that a crash left behind is whole, so that
/// one which holds the same spares the work, and one which holds anything else is not ours to replace.
pub(super) fn compress(source: &Path, target: &Path) -> anyhow::Result<Compressed> {
    let (mut file, before) = open(source, false)?;
    if let Some(writer) = writers::of(&before) {
        return Ok(Compressed::StillWritten(writer));
    }
    if before.len() == 0 {
        remove(source)?;
        return Ok(Compressed::Empty);
    }
    if let Some(existing) = existing(target).with_context(|| could_not(source))? {
        let size = existing.metadata()?.len();
        if !holds_same(existing, &mut file).unwrap_or(false) {
            bail!("{}: {} exists and holds something else", could_not(source), target.display());
        }
        remove(source)?;
        return Ok(Compressed::Whole((before.len(), size)));
    }
    let mut output = create_like(target, &before)?;
    let bytes = gzip_to(&mut file, &mut output).with_context(|| could_not(source))?;
    output.file().set_modified(before.modified()?).with_context(|| could_not(source))?;
    let compressed = output.file().metadata()?.len();
    if has_changed(&file, &before)? {
        return Ok(Compressed::StillWritten(Writer::Noticed));
    }
    output.commit()?;
    if has_changed(&file, &before)? {
        // The lines must not be there twice.
        remove(target)?;
        return Ok(Compressed::StillWritten(Writer::Noticed));
    }
    remove(source)?;
    Ok(Compressed::Whole((bytes, compressed)))
}

/// Copies the log to `target` and empties it. What is written while the copy is made is added to it; only what
/// is written between the last look and the emptying is lost.
pub(super) fn copy_and_truncate(log: &Path, target: &Path) -> anyhow::Result<(u64, u64)> {
    let (mut file, before) = open(log, true)?;
    if target.symlink_metadata().is_ok() {
        bail!("could not copy {}: {} exists", log.display(), target.display());
    }
    let mut output = create_like(target, &before)?;
    let mut bytes = gzip_to(&mut file, &mut output).with_context(|| could_not(log))?;
    output.file().set_modified(before.modified()?).with_context(|| could_not(log))?;
    let mut copy = output.file().try_clone().with_context(|| could_not(log))?;
    output.commit()?;
    let emptied = add_tails(&mut file, &mut copy).with_context(|| could_not(log)).and_then(|more| {
        bytes += more;
        file.set_len(0).with_context(|| format!("could not empty {}", log.display()))
    });
    if let Err(error) = emptied {
        // The log still has every line: they must not be there twice.
        remove(target)?;
        return Err(error);
    }
    Ok((bytes, copy.metadata()?.len()))
}

fn could_not(source: &Path) -> String {
    format!("could not compress {}", source.display())
}

/// Opens the file that already has the name `target`, if there is one. A dangling link counts as no file. An unreadable
/// file is an error, since it may hold anything.
fn existing(target: &Path) -> anyhow::Result<Option<File>> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    match OpenOptions::new().read(true).custom_flags(flags).open(target) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read {}", target.display())),
    }
}

fn open(path: &Path, write: bool) -> anyhow::Result<(File, Metadata)> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let open = || {
        let file = OpenOptions::new().read(true).write(write).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        io::Result::Ok((file, metadata))
    };
    let (file, metadata) = open().with_context(|| format!("could not open {}", path.display()))?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        bail!("could not rotate {}: it is no longer a regular file with one name", path.display());
    }
    Ok((file, metadata))
}

fn create_like(target: &Path, metadata: &Metadata) -> anyhow::Result<AtomicFile> {
    let output = AtomicFile::create(target, metadata.mode() & 0o777)?;
    // Only root may give files away; for everyone else the copy is their own.
    let _ = fchown(output.file(), Some(metadata.uid()), Some(metadata.gid()));
    Ok(output)
}

fn holds_same(compressed: File, plain: &mut File) -> io::Result<bool> {
    let mut unpacked = BufReader::new(MultiGzDecoder::new(BufReader::new(compressed)));
    let mut plain = BufReader::new(plain);
    loop {
        let (left, right) = (unpacked.fill_buf()?, plain.fill_buf()?);
        let common = left.len().min(right.len());
        if common == 0 || left[..common] != right[..common] {
            return Ok(left.is_empty() && right.is_empty());
        }
        unpacked.consume(common);
        plain.consume(common);
    }
}

fn has_changed(file: &File, before: &Metadata) -> anyhow::Result<bool> {
    let now = file.metadata()?;
    Ok(now.len() != before.len() || now.modified()? != before.modified()? || writers::of(before).is_some())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(path).with_context(|| format!("could not delete {}", path.display()))?;
    atomic::sync_folder(path)
}

/// Appends to the copy what was written to the log during the copying. Returns the number of bytes.
fn add_tails(log: &mut File, copy: &mut File) -> anyhow::Result<u64> {
    let mut bytes = 0;
    loop {
        match gzip_tail(log, copy)? {
            0 => return Ok(bytes),
            more => bytes += more,
        }
    }
}

/// Appends the unread rest of a log to its compressed copy, as one more gzip member. Returns the number of bytes.
fn gzip_tail(log: &mut File, copy: &mut File) -> anyhow::Result<u64> {
    let mut tail = Vec::new();
    log.read_to_end(&mut tail)?;
    if !tail.is_empty() {
        let mut member = Vec::new();
        gzip_to(&mut tail.as_slice(), &mut member)?;
        copy.seek(io::SeekFrom::End(0))?;
        // The copy has its name: the member comes in one write, so that a kill leaves it whole.
        copy.write_all(&member)?;
        copy.sync_data()?;
    }
    Ok(tail.len() as u64)
}

fn gzip_to(input: &mut impl Read, output: &mut impl Write) -> anyhow::Result<u64> {
    let mut encoder = GzEncoder::new(output, Compression::new(LEVEL));
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        signal::check()?;
        let read = input.read(&mut buffer)?;
        if read == 0 {
            encoder.finish()?;
            return Ok(bytes);
        }
        encoder.write_all(&buffer[..read])?;
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        let mut text = String::new();
        MultiGzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_copy_nobody_writes_to_is_compressed_and_one_held_open_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let [source, target] = ["a", "a.gz"].map(|name| folder.path().join(name));
        let mut writer = File::create(&source).unwrap();
        writer.write_all(b"lines\n").unwrap();
        assert!(matches!(compress(&source, &target).unwrap(), Compressed::StillWritten(_)));
        assert!(source.exists() && !target.exists());
        drop(writer);
        assert!(matches!(compress(&source, &target).unwrap(), Compressed::Whole((6, _))));
        assert!(!source.exists());
        assert_eq!(text(&target), "lines\n");
    }

    #[test]
    fn what_a_crash_left_is_finished_and_a_foreign_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [source, target] = ["a", "a.gz"].map(|name| folder.path().join(name));
        let line = "lines\n".repeat(20_000);
        std::fs::write(&source, &line).unwrap();
        compress(&source, &target).unwrap();
        for other in [format!("{line}x"), line[1..].to_owned(), String::from("x")] {
            std::fs::write(&source, &other).unwrap();
            assert!(compress(&source, &target).is_err());
            assert_eq!((text(&target), std::fs::read_to_string(&source).unwrap()), (line.clone(), other));
        }
        std::fs::write(&source, &line).unwrap();
        assert!(matches!(compress(&source, &target).unwrap(), Compressed::Whole(_)));
        assert!(!source.exists());
        std::fs::write(&source, &line).unwrap();
        std::fs::write(&target, "no gzip").unwrap();
        assert!(compress(&source, &target).is_err() && source.exists());
    }

    #[test]
    fn an_empty_copy_just_goes() {
        let folder = tempfile::tempdir().unwrap();
        let [source, target] = ["a", "a.gz"].map(|name| folder.path().join(name));
        File::create(&source).unwrap();
        assert_eq!(compress(&source, &target).unwrap(), Compressed::Empty);
        assert!(!source.exists() && !target.exists());
    }

    #[test]
    fn lines_that_come_while_a_log_is_copied_are_added() {
        let folder = tempfile::tempdir().unwrap();
        let [source, target] = ["a", "a.gz"].map(|name| folder.path().join(name));
        std::fs::write(&source, "one\n").unwrap();
        let mut log = File::open(&source).unwrap();
        let mut copy = File::create(&target).unwrap();
        gzip_to(&mut log, &mut copy).unwrap();
        OpenOptions::new().append(true).open(&source).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(gzip_tail(&mut log, &mut copy).unwrap(), 4);
        assert_eq!(gzip_tail(&mut log, &mut copy).unwrap(), 0);
        assert_eq!(text(&target), "one\ntwo\n");
    }

    #[test]
    fn a_copied_log_is_empty_and_an_existing_copy_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let [source, target] = ["a", "a.gz"].map(|name| folder.path().join(name));
        std::fs::write(&source, "one\n").unwrap();
        copy_and_truncate(&source, &target).unwrap();
        assert_eq!((text(&target).as_str(), source.metadata().unwrap().len()), ("one\n", 0));
        std::fs::write(&source, "two\n").unwrap();
        assert!(copy_and_truncate(&source, &target).is_err());
        assert_eq!(std::fs::read_to_string(&source).unwrap(), "two\n");
    }
}
