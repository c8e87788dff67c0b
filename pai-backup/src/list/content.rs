//! The entries of one archive, as names, as `ls -l` shows them, as JSON, or as `sha256sum` lines.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pai_common::checksum_line::{self, Style};
use pai_common::clock::{Timestamp, Zone};
use pai_common::output::Output;
use pai_common::sha256::{self, Digest};
use serde::{Serialize, Serializer};

use crate::cli::List;
use crate::contents::Listed;
use crate::entry::Kind;

/// One entry of an archive.
#[derive(Debug, Serialize)]
struct EntryRow<'a> {
    r#type: &'static str,
    path: std::borrow::Cow<'a, str>,
    kind: &'static str,
    mode: String,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// Calls what it is given for every entry of an archive.
type Visit<'a> = &'a mut dyn FnMut(Listed) -> anyhow::Result<()>;

/// The entries that `visit` comes by: each a line, or with `--sha256` those that have content.
pub(super) fn list_content(
    args: &List,
    out: &mut Output,
    visit: impl Fn(Visit<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if !args.sha256 {
        return visit(&mut |listed| print_entry(&listed, args.long, out));
    }
    let mut digests = Digests::default();
    visit(&mut |listed| digests.print(&listed, out))
}

fn print_entry(listed: &Listed, long: bool, out: &mut Output) -> anyhow::Result<()> {
    out.record(&AsRow(listed), |text| if long { long_line(listed, text) } else { name_line(listed, text) })
}

/// An entry whose row is made when it is written: most lists are text.
struct AsRow<'a>(&'a Listed);

impl Serialize for AsRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = &self.0.entry;
        let row = EntryRow {
            r#type: "entry",
            path: entry.path.to_string_lossy(),
            kind: entry.kind.word(),
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
            mtime: entry.mtime,
            link: (!entry.link.as_os_str().is_empty()).then(|| entry.link.to_string_lossy()),
            sha256: self.0.digest.as_ref().map(sha256::to_hex),
        };
        row.serialize(serializer)
    }
}

fn name_line(listed: &Listed, text: &mut dyn Write) -> io::Result<()> {
    text.write_all(listed.entry.path.as_os_str().as_bytes())?;
    text.write_all(if listed.entry.kind == Kind::Folder { b"/\n" } else { b"\n" })
}

fn long_line(listed: &Listed, text: &mut dyn Write) -> io::Result<()> {
    let entry = &listed.entry;
    let civil = entry.mtime.civil(Zone::Local);
    let mode = permissions(entry.kind, entry.mode);
    write!(text, "{mode} {}/{} {:>12} {} {} ", entry.uid, entry.gid, entry.size, civil.date(), civil.time())?;
    text.write_all(entry.path.as_os_str().as_bytes())?;
    if !entry.link.as_os_str().is_empty() {
        text.write_all(if entry.kind == Kind::HardLink { b" link to " } else { b" -> " })?;
        text.write_all(entry.link.as_os_str().as_bytes())?;
    }
    text.write_all(if entry.kind == Kind::Folder { b"/\n" } else { b"\n" })
}

/// `drwxr-x---`, as `ls -l` writes it.
fn permissions(kind: Kind, mode: u32) -> String {
    let mut text: Vec<char> = "rwxrwxrwx".chars().collect();
    for (bit, letter) in text.iter_mut().rev().enumerate() {
        if mode & (1 << bit) == 0 {
            *letter = '-';
        }
    }
    for (bit, at, set) in [(0o4000, 2, 's'), (0o2000, 5, 's'), (0o1000, 8, 't')] {
        if mode & bit != 0 {
            text[at] = if text[at] == 'x' { set } else { set.to_ascii_uppercase() };
        }
    }
    std::iter::once(kind.letter()).chain(text).collect()
}

/// `sha256sum` lines; a hard link, which follows its file, has the digest of that.
#[derive(Default)]
struct Digests {
    known: HashMap<PathBuf, Digest>,
}

impl Digests {
    fn print(&mut self, listed: &Listed, out: &mut Output) -> anyhow::Result<()> {
        let entry = &listed.entry;
        let digest = match entry.kind {
            Kind::HardLink => self.known.get(&entry.link).copied(),
            _ => listed.digest,
        };
        let Some(digest) = digest else { return Ok(()) };
        self.known.insert(entry.path.clone(), digest);
        out.line(&checksum_line::format(&digest, entry.path.as_os_str().as_bytes(), Style::Text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_as_in_ls() {
        for (kind, mode, text) in [
            (Kind::File, 0o644, "-rw-r--r--"),
            (Kind::Folder, 0o1777, "drwxrwxrwt"),
            (Kind::File, 0o4755, "-rwsr-xr-x"),
            (Kind::File, 0o2644, "-rw-r-Sr--"),
            (Kind::Symlink, 0o777, "lrwxrwxrwx"),
        ] {
            assert_eq!(permissions(kind, mode), text);
        }
    }
}
