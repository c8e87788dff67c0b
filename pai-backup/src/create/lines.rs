//! The log's lines of tar and find: what a run does, in words that can be pasted into a shell.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::shelf::Shelf;
use crate::shell;

/// The tar command that makes an archive with the same members.
pub(super) fn tar(target: &Path, root: &Path, excludes: &[String], names: &[PathBuf]) -> Vec<u8> {
    let mut words: Vec<&OsStr> = vec!["tar".as_ref(), "-czf".as_ref(), target.as_os_str()];
    let excludes: Vec<String> = excludes
        .iter()
        .flat_map(|pattern| match pattern.strip_prefix('/') {
            // tar's member names begin with no slash.
            Some(path) => {
                vec!["--anchored".to_owned(), format!("--exclude={path}"), "--no-anchored".to_owned()]
            }
            None => vec![format!("--exclude={pattern}")],
        })
        .collect();
    words.extend(excludes.iter().map(OsStr::new));
    words.extend([OsStr::new("-C"), root.as_os_str()]);
    if names.iter().any(|name| name.as_os_str().as_encoded_bytes().starts_with(b"-")) {
        words.push("--".as_ref());
    }
    words.extend(names.iter().map(|name| name.as_os_str()));
    shell::line(words)
}

/// The find command that removes what a retention of `days` lets go.
pub(super) fn find(shelf: &Shelf, days: u32) -> Vec<u8> {
    let (pattern, minutes) = (shelf.pattern(), format!("+{}", u64::from(days) * 1440));
    let words = ["-maxdepth", "1", "-name", &pattern, "-mmin", &minutes, "-delete"].map(OsStr::new);
    shell::line([OsStr::new("find"), shelf.folder().as_os_str()].into_iter().chain(words))
}
