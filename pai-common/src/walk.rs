//! An ordered walk over a tree: parents before children, names by their bytes, with excludes.

use std::ffi::OsString;
use std::fs::{DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use glob::{MatchOptions, Pattern};

/// Patterns that leave things out, with the rules of .gitignore: a pattern without a slash matches a name
/// at any depth, one with a slash the path from the root of the walk; a final slash means folders only;
/// `!` takes back; the last match wins; below an excluded folder nothing is looked at.
#[derive(Debug, Clone, Default)]
pub struct Excludes {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: Pattern,
    whole_path: bool,
    folders_only: bool,
    exclude: bool,
}

impl Excludes {
    /// Adds one pattern.
    pub fn add(&mut self, pattern: &str) -> anyhow::Result<()> {
        let (exclude, body) = match pattern.strip_prefix('!') {
            Some(rest) => (false, rest),
            None => (true, pattern.strip_prefix('\\').unwrap_or(pattern)),
        };
        let (folders_only, body) = match body.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, body),
        };
        let whole_path = body.contains('/');
        let body = body.strip_prefix('/').unwrap_or(body);
        let pattern =
            Pattern::new(body).with_context(|| format!("could not read exclude pattern {pattern:?}"))?;
        self.rules.push(Rule { pattern, whole_path, folders_only, exclude });
        Ok(())
    }

    /// Whether `path`, relative to the root of the walk, is left out.
    pub fn excludes(&self, path: &Path, is_folder: bool) -> bool {
        const SLASH_IS_LITERAL: MatchOptions = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        if self.rules.is_empty() {
            return false;
        }
        let whole = path.to_string_lossy();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.rules
            .iter()
            .rev()
            .find(|rule| {
                let subject: &str = if rule.whole_path { &whole } else { &name };
                (is_folder || !rule.folders_only) && rule.pattern.matches_with(subject, SLASH_IS_LITERAL)
            })
            .is_some_and(|rule| rule.exclude)
    }
}

/// The patterns of a file, one a line; empty lines and lines that start with `#` are skipped.
pub fn patterns_of(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

/// How far a walk goes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What is left out.
    pub excludes: Excludes,
    /// Leave out what stands below a `CACHEDIR.TAG` (bford.info/cachedir), but for the tag itself.
    pub skip_caches: bool,
    /// Stay on the file system of the root.
    pub one_file_system: bool,
}

/// One thing found. Links are not followed.
#[derive(Debug)]
pub struct Found {
    /// Path relative to the root of the walk.
    pub path: PathBuf,
    /// lstat(2) of it.
    pub metadata: Metadata,
}

/// What a walk hands out: a thing, or a path that could not be read and why.
pub type Item = Result<Found, Failure>;

/// A path the walk could not read.
#[derive(Debug)]
pub struct Failure {
    /// Path relative to the root of the walk.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// Walks `root` from its entry `start` (relative; empty for the whole root, which itself is not handed out).
/// A missing `start` comes as one [`Failure`].
pub fn walk<'a>(root: &'a Path, start: &Path, options: &'a Options) -> Walk<'a> {
    let mut walk = Walk { root, options, device: None, stack: Vec::new() };
    if start.as_os_str().is_empty() {
        walk.enter(PathBuf::new());
    } else {
        let start = Name { name: start.as_os_str().to_owned(), entry: None };
        walk.stack.push(Level { folder: PathBuf::new(), failure: None, names: vec![start] });
    }
    walk
}

/// So many of the innermost folders stay open: a tree may be deeper than a process may open files.
const OPEN: usize = 16;

/// The iterator behind [`walk`]. Memory: the names of the folders between the root and here.
#[derive(Debug)]
pub struct Walk<'a> {
    root: &'a Path,
    options: &'a Options,
    device: Option<u64>,
    stack: Vec<Level>,
}

/// An open folder.
#[derive(Debug)]
struct Level {
    folder: PathBuf,
    failure: Option<io::Error>,
    /// What is still to come, last first.
    names: Vec<Name>,
}

impl Level {
    /// Closes the folder: what is still to come will be looked up by its path.
    fn close(&mut self) {
        if self.names.first().is_some_and(|name| name.entry.is_some()) {
            self.names.iter_mut().for_each(|name| name.entry = None);
        }
    }
}

/// A name in a folder. With its entry, which keeps the folder open, the kernel need not look up its path again.
#[derive(Debug)]
struct Name {
    name: OsString,
    entry: Option<DirEntry>,
}

impl Iterator for Walk<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let level = self.stack.last_mut()?;
            if let Some(error) = level.failure.take() {
                return Some(Err(Failure { path: level.folder.clone(), error }));
            }
            let Some(Name { name, entry }) = level.names.pop() else {
                self.stack.pop();
                continue;
            };
            let path = level.folder.join(name);
            let metadata = match entry {
                Some(entry) => entry.metadata(),
                None => std::fs::symlink_metadata(self.root.join(&path)),
            };
            let metadata = match metadata {
                Ok(metadata) => metadata,
                Err(error) => return Some(Err(Failure { path, error })),
            };
            if self.options.excludes.excludes(&path, metadata.is_dir()) {
                continue;
            }
            if metadata.is_dir() && self.same_device(&metadata) {
                self.enter(path.clone());
            }
            return Some(Ok(Found { path, metadata }));
        }
    }
}

impl Walk<'_> {
    fn same_device(&mut self, metadata: &Metadata) -> bool {
        if !self.options.one_file_system {
            return true;
        }
        let root = self.root;
        let device = *self.device.get_or_insert_with(|| {
            std::fs::metadata(root).map_or_else(|_| metadata.dev(), |root| root.dev())
        });
        metadata.dev() == device
    }

    fn enter(&mut self, folder: PathBuf) {
        let (names, failure) = match self.names(&folder) {
            Ok(names) => (names, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        self.stack.push(Level { folder, failure, names });
        if let Some(outer) = self.stack.len().checked_sub(OPEN + 1) {
            self.stack[outer].close();
        }
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<Name>> {
        let full = self.root.join(folder);
        if self.options.skip_caches && is_cache(&full) {
            return Ok(vec![Name { name: "CACHEDIR.TAG".into(), entry: None }]);
        }
        let mut names = std::fs::read_dir(full)?
            .map(|entry| entry.map(|entry| Name { name: entry.file_name(), entry: Some(entry) }))
            .collect::<io::Result<Vec<Name>>>()?;
        names.sort_unstable_by(|a, b| b.name.as_bytes().cmp(a.name.as_bytes()));
        Ok(names)
    }
}

fn is_cache(folder: &Path) -> bool {
    use std::io::Read;
    const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
    let mut start = [0; SIGNATURE.len()];
    // Without waiting: it may be a pipe.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let tag = std::fs::File::options().read(true).custom_flags(flags).open(folder.join("CACHEDIR.TAG"));
    tag.and_then(|mut tag| tag.read_exact(&mut start)).is_ok_and(|()| start == SIGNATURE)
}

#[cfg(test)]
mod tests;
