//! An ordered walk over a tree: parents before children, names by their bytes, with excludes.
//!
//! | file | |
//! | --- | --- |
//! | `excludes` | what is left out |
//! | `stretch` | one folder, or a part of a large one, looked at in one go |
//! | `ahead` | stretches that other threads look at before the walk comes to them |

mod ahead;
mod excludes;
mod stretch;

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

pub use self::ahead::Walk;
pub use self::excludes::{Excludes, patterns_of};
use self::stretch::Looker;

/// How far a walk goes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Patterns of paths to leave out.
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

/// An item of a walk: an entry that was found, or a path that could not be read and the reason.
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
pub fn walk(root: &Path, start: &Path, options: &Options) -> Walk {
    walk_ahead(root, &[start], options, 0)
}

/// The same from several entries, one after the other, while up to `threads` threads look ahead. What comes, and in which
/// order, does not hang on them.
pub fn walk_ahead(root: &Path, starts: &[impl AsRef<Path>], options: &Options, threads: usize) -> Walk {
    let starts = starts.iter().map(|start| start.as_ref().to_owned()).collect();
    Walk::new(Looker::new(root, options), starts, threads)
}

#[cfg(test)]
mod tests;
