//! The log's lines of tar and find: what a run does, in words that can be pasted into a shell.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::crypt::Recipients;
use crate::shelf::Shelf;
use crate::shell;

/// The tar command that makes an archive with the same members: `names` below a root, without what matches. With
/// recipients age has it from a pipe.
pub(super) fn tar(
    target: &Path,
    (root, excludes, names): (&Path, &[String], &[PathBuf]),
    recipients: Option<&Recipients>,
) -> Vec<u8> {
    let file = if recipients.is_some() { OsStr::new("-") } else { target.as_os_str() };
    let mut words: Vec<&OsStr> = vec!["tar".as_ref(), "-czf".as_ref(), file];
    let excludes: Vec<String> = excludes.iter().flat_map(|pattern| tar_excludes(pattern)).collect();
    words.extend(excludes.iter().map(OsStr::new));
    words.extend([OsStr::new("-C"), root.as_os_str()]);
    if names.iter().any(|name| name.as_os_str().as_encoded_bytes().starts_with(b"-")) {
        words.push("--".as_ref());
    }
    words.extend(names.iter().map(|name| name.as_os_str()));
    let mut line = shell::line(words);
    if let Some(recipients) = recipients {
        let mut words: Vec<&OsStr> = vec!["age".as_ref()];
        words.extend(recipients.texts().flat_map(|text| ["-r".as_ref(), OsStr::new(text)]));
        words.extend(["-o".as_ref(), target.as_os_str()]);
        line.extend([b" | ", &shell::line(words)[..]].concat());
    }
    line
}

/// A pattern of ours in tar's words. Member names of tar begin with no slash, and a pattern that ends in one never
/// matches; ours has the whole path if it has a slash, and then its `*` stays within a name.
fn tar_excludes(pattern: &str) -> Vec<String> {
    let body = pattern.strip_suffix('/').unwrap_or(pattern);
    if !body.contains('/') {
        return vec![format!("--exclude={body}")];
    }
    let path = body.strip_prefix('/').unwrap_or(body);
    let (on, off) = if path.contains("**") {
        (&["--anchored"][..], &["--no-anchored"][..])
    } else {
        (&["--anchored", "--no-wildcards-match-slash"][..], &["--no-anchored", "--wildcards-match-slash"][..])
    };
    let words = on.iter().map(|&word| word.to_owned());
    words.chain([format!("--exclude={path}")]).chain(off.iter().map(|&word| word.to_owned())).collect()
}

/// The find command that removes what a retention of `days` lets go.
pub(super) fn find(shelf: &Shelf, days: u32) -> Vec<u8> {
    let (pattern, minutes) = (shelf.pattern(), format!("+{}", u64::from(days) * 1440));
    let words = ["-maxdepth", "1", "-name", &pattern, "-mmin", &minutes, "-delete"].map(OsStr::new);
    shell::line([OsStr::new("find"), shelf.folder().as_os_str()].into_iter().chain(words))
}
