//! What flags, environment and `.paiignore` ask for, checked before any work.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use glob::Pattern;
use pai_common::walk::{self, Excludes};

use crate::cli::Create;
use crate::members;
use crate::shelf::{self, Shelf};

const DEFAULT_RETENTION_DAYS: u32 = 30;
const IGNORE_FILE: &str = ".paiignore";

pub(super) fn retention_days(args: &Create) -> anyhow::Result<u32> {
    let (name, value) = match &args.retention_days {
        Some(value) => ("--retention-days", value.clone()),
        None => match std::env::var_os("RETENTION_DAYS") {
            Some(value) => ("RETENTION_DAYS", value.to_string_lossy().into_owned()),
            None => return Ok(DEFAULT_RETENTION_DAYS),
        },
    };
    match value.trim().parse() {
        Ok(days) => Ok(days),
        Err(_) => bail!("{name} is {value:?}: not a number of days such as 30"),
    }
}

pub(super) fn patterns(args: &Create, root: &Path) -> anyhow::Result<Vec<String>> {
    let mut patterns = Vec::new();
    let ignore = root.join(IGNORE_FILE);
    if ignore.try_exists().with_context(|| format!("could not look at {}", ignore.display()))? {
        patterns.extend(walk::patterns_of(&ignore)?);
    }
    for file in &args.exclude_from {
        patterns.extend(walk::patterns_of(file)?);
    }
    patterns.extend(args.exclude.iter().cloned());
    Ok(patterns)
}

pub(super) fn excludes(patterns: &[String]) -> anyhow::Result<Excludes> {
    let mut excludes = Excludes::default();
    for pattern in patterns {
        excludes.add(pattern)?;
    }
    Ok(excludes)
}

/// Patterns for what this run and those before it write below `root`, unless it is named: an archive that held the
/// archives before it would double every night.
pub(super) fn own_patterns(
    args: &Create,
    shelf: &Shelf,
    root: &Path,
    names: &[PathBuf],
) -> anyhow::Result<Vec<String>> {
    let below = |path: &Path| Some(resolved(path)?.strip_prefix(root).ok()?.to_owned());
    let is_met = |path: &Path| {
        let is_named = !args.paths.is_empty() && names.iter().any(|name| name.starts_with(path));
        !is_named && (path.as_os_str().is_empty() || names.iter().any(|name| path.starts_with(name)))
    };
    let mut patterns = match below(shelf.folder()).filter(|folder| is_met(folder)) {
        Some(folder) => members::own_in(root, &folder)?,
        None => Vec::new(),
    };
    let written = args.output.iter().flat_map(|output| [output.clone(), shelf::sidecar(output)]);
    let written = written.filter_map(|path| below(&path)).filter(|path| is_met(path));
    patterns.extend(written.map(|path| format!("/{}", Pattern::escape(&path.to_string_lossy()))));
    Ok(patterns)
}

/// Where a path leads, even if its last part is not there yet.
fn resolved(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.canonicalize().ok().or_else(|| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?)))
}
