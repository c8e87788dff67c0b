//! A list of checksums (`sha256sum`'s lines) that goes on verifying: with files that come, without those that go.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::sha256::Digest;
use crate::{atomic, checksum_line};

/// A list, as it was when it was read.
#[derive(Debug)]
pub struct List {
    path: PathBuf,
    text: Vec<u8>,
    /// The content of the file now.
    written: Vec<u8>,
}

impl List {
    /// Reads the list at `path`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
        Ok(Self { path: path.to_owned(), written: text.clone(), text })
    }

    /// Reads the list at `path`. A missing file is an empty list.
    pub fn read_or_begin(path: &Path) -> anyhow::Result<Self> {
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Self { path: path.to_owned(), text: Vec::new(), written: Vec::new() })
            }
            _ => Self::read(path),
        }
    }

    /// Makes the file name `path` with its digest, in one atomic step; what it said of that name goes. A name below the
    /// list's folder is relative to it.
    pub fn remember(&mut self, path: &Path, digest: &Digest) -> anyhow::Result<()> {
        let (real, folder) = (real_name(path), real(folder_of(&self.path)));
        let name = real.strip_prefix(&folder).unwrap_or(&real);
        let mut text = self.without(std::slice::from_ref(&real)).0;
        if text.last().is_some_and(|&end| end != b'\n') {
            text.push(b'\n');
        }
        text.extend(checksum_line::format(digest, name.as_os_str().as_bytes(), checksum_line::Style::Text));
        text.push(b'\n');
        atomic::write(&self.path, 0o644, &text)?;
        (self.written, self.text) = (text.clone(), text);
        Ok(())
    }

    /// Makes the file hold all lines but those of `deleted`, in one atomic step, and tells how many these are; names
    /// in it are relative to its folder.
    pub fn forget(&mut self, deleted: &[PathBuf]) -> anyhow::Result<usize> {
        let (kept, gone) = self.without(deleted);
        if kept != self.written {
            atomic::write(&self.path, 0o644, &kept)?;
            self.written = kept;
        }
        Ok(gone)
    }

    /// The lines that are about none of `deleted`, and how many are.
    fn without(&self, deleted: &[PathBuf]) -> (Vec<u8>, usize) {
        let folder = real(folder_of(&self.path));
        let deleted: HashSet<PathBuf> = deleted.iter().map(|path| real_name(path)).collect();
        let names_deleted =
            |line: &&[u8]| name_in(line).is_some_and(|name| deleted.contains(&real_name(&folder.join(name))));
        let (gone, kept): (Vec<&[u8]>, Vec<&[u8]>) =
            self.text.split_inclusive(|&b| b == b'\n').partition(names_deleted);
        (kept.concat(), gone.len())
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The path with its folder's real name; the file itself may be gone.
fn real_name(path: &Path) -> PathBuf {
    real(folder_of(path)).join(path.file_name().unwrap_or_default())
}

fn real(folder: &Path) -> PathBuf {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// The file a line is about: `HEX  NAME`, `HEX *NAME` or `ALGORITHM (NAME) = HEX`, with sha256sum's escapes.
fn name_in(line: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (line, is_escaped) = line.strip_prefix(b"\\").map_or((line, false), |rest| (rest, true));
    let figures = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let name = if figures >= 32 && matches!(line.get(figures..figures + 2), Some(b"  " | b" *")) {
        &line[figures + 2..]
    } else {
        let start = line.windows(2).position(|pair| pair == b" (")? + 2;
        let end = line.windows(4).rposition(|four| four == b") = ")?;
        line.get(start..end)?
    };
    let name = if is_escaped { checksum_line::unescape(name)? } else { name.to_vec() };
    Some(std::ffi::OsString::from_vec(name).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_deleted_files_go_and_all_others_stay_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("checksums.txt");
        let hex = "ab".repeat(32);
        let text = format!(
            "# notes\n{hex}  old.zip\n{hex}  new.zip\n{hex} *./old.zip\n\\{hex}  two\\nlines\nSHA256 (old.zip) = {hex}\n{hex}  old.zip\r\n{hex}  old.zip.bak\nold.zip"
        );
        std::fs::write(&list, &text).unwrap();
        let deleted = ["old.zip", "two\nlines"].map(|name| folder.path().join(name));
        let mut known = List::read(&list).unwrap();
        assert_eq!(known.forget(&deleted).unwrap(), 5);
        let left = std::fs::read_to_string(&list).unwrap();
        assert_eq!(left, format!("# notes\n{hex}  new.zip\n{hex}  old.zip.bak\nold.zip"));
        // What could not be deleted after all is listed again.
        assert_eq!(known.forget(&deleted[1..]).unwrap(), 1);
        let left = std::fs::read_to_string(&list).unwrap();
        assert_eq!(left, text.replace(&format!("\\{hex}  two\\nlines\n"), ""));
    }
    #[test]
    fn what_comes_is_listed_by_the_name_that_verifies_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let (list, other) = (folder.path().join("sums"), tempfile::tempdir().unwrap());
        let [near, far] = [folder.path().join("archive/a.gz"), other.path().join("b.gz")];
        std::fs::create_dir(folder.path().join("archive")).unwrap();
        let mut known = List::read_or_begin(&list).unwrap();
        known.remember(&near, &[1; 32]).unwrap();
        known.remember(&near, &[2; 32]).unwrap();
        known.remember(&far, &[3; 32]).unwrap();
        let far = far.parent().unwrap().canonicalize().unwrap().join("b.gz");
        let expected = format!("{}  archive/a.gz\n{}  {}\n", "02".repeat(32), "03".repeat(32), far.display());
        assert_eq!(std::fs::read_to_string(&list).unwrap(), expected);
        assert_eq!(known.forget(&[near]).unwrap(), 1);
        assert!(List::read_or_begin(folder.path()).is_err());
    }
}
