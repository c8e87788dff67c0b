//! `find`: which archives hold files of a name.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use glob::{MatchOptions, Pattern};
use pai_common::clock::Timestamp;
use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::sha256;
use pai_common::units::{counted, human_size};
use serde::Serialize;

use super::catalogue::Catalogue;
use super::line::{self, Seen};
use super::nights::Place;
use super::stretch::{Stretch, stretches};
use crate::Context;
use crate::cli::Find;
use crate::entry::Kind;

/// So many paths are followed through all nights at once.
const AT_ONCE: usize = 4096;

/// Runs `find`.
pub(crate) fn run(args: &Find, run: &Context<'_>) -> anyhow::Result<Exit> {
    let glob = Glob::new(&args.glob)?;
    let place = Place::of(run)?;
    let catalogue = Catalogue::load(&place, run)?;
    let mut found: Vec<(u32, &Path)> = catalogue.paths().filter(|(_, path)| glob.matches(path)).collect();
    found.sort_by_key(|&(_, path)| path);
    let mut out = Output::stdout(args.json);
    let mut any = false;
    for found in found.chunks(AT_ONCE) {
        let numbers: Vec<u32> = found.iter().map(|&(number, _)| number).collect();
        let lines = line::seen(&catalogue, &numbers);
        for &(number, path) in found {
            let row = lines.get(&number).and_then(|seen| Row::of(path, seen, &catalogue));
            let Some(row) = row else { continue };
            any = true;
            out.record(&row, |text| row.write(path, text))?;
        }
    }
    out.finish()?;
    Ok(Exit::partial_if(!any || run.console.complaints() > 0))
}

/// A name at any depth, or a path from the top.
pub(crate) struct Glob {
    pattern: Pattern,
    is_name: bool,
}

impl Glob {
    /// Reads a pattern.
    pub(crate) fn new(text: &str) -> anyhow::Result<Self> {
        let trimmed = text.trim_start_matches("./").trim_end_matches('/');
        let from_top = trimmed.trim_start_matches('/');
        if from_top.is_empty() {
            bail!("could not look for {text:?}: an empty name");
        }
        let pattern = Pattern::new(from_top).with_context(|| format!("could not read pattern {text:?}"))?;
        Ok(Self { pattern, is_name: !trimmed.contains('/') })
    }

    /// Whether a path is meant.
    pub(crate) fn matches(&self, path: &Path) -> bool {
        const OPTIONS: MatchOptions = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        let subject = if self.is_name { path.file_name().map_or(path, Path::new) } else { path };
        self.pattern.matches_path_with(subject, OPTIONS)
            // A name with brackets in it is meant as it stands, if there is one.
            || subject == Path::new(self.pattern.as_str())
    }
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    r#type: &'static str,
    path: std::borrow::Cow<'a, str>,
    kind: &'static str,
    first: Timestamp,
    last: Timestamp,
    versions: usize,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Whether the newest archive that tells of it does not have it.
    gone: bool,
    /// The archives that have it, oldest first.
    archives: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn write(&self, path: &Path, text: &mut dyn Write) -> io::Result<()> {
        let Self { first, last, versions, .. } = self;
        let size = human_size(self.size);
        let archives = counted(self.archives.len() as u64, "archive ", "archives");
        let versions = counted(*versions as u64, "version ", "versions");
        write!(text, "{first}  {last}  {archives:>13}  {versions:>13}  {size:>10}  ")?;
        text.write_all(path.as_os_str().as_encoded_bytes())?;
        text.write_all(if self.kind == Kind::Folder.word() { b"/" } else { b"" })?;
        writeln!(text, "{}", if self.gone { "  (gone)" } else { "" })
    }

    fn of(path: &'a Path, seen: &[Seen<'a>], catalogue: &'a Catalogue) -> Option<Self> {
        let nights = catalogue.nights();
        let there = seen.iter().zip(nights).filter(|(seen, _)| matches!(seen, Seen::There(_)));
        let archives: Vec<&str> = there.map(|(_, night)| night.named.name.as_str()).collect();
        let history = stretches(seen);
        let versions = history.iter().filter_map(|stretch| match *stretch {
            Stretch::Version { first, last, thing, .. } => Some((first, last, thing)),
            Stretch::Gone { .. } => None,
        });
        let versions: Vec<_> = versions.collect();
        let (&(first, ..), &(_, last, thing)) = (versions.first()?, versions.last()?);
        Some(Self {
            r#type: "found",
            path: path.to_string_lossy(),
            kind: thing.kind.word(),
            first: nights[first].named.time,
            last: nights[last].named.time,
            versions: versions.len(),
            size: thing.size,
            sha256: thing.digest.as_ref().map(sha256::to_hex),
            gone: matches!(history.last(), Some(Stretch::Gone { .. })),
            archives,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_at_any_depth_and_a_path_from_the_top() {
        for (glob, path, matches) in [
            ("*.md", "memory.md", true),
            ("*.md", "projects/deep/a.md", true),
            ("a.md", "projects/deep/a.md", true),
            ("deep", "projects/deep", true),
            ("deep", "projects/deep/a.md", false),
            ("projects/*.md", "projects/deep/a.md", false),
            ("projects/**", "projects/deep/a.md", true),
            ("projects/**/*.md", "projects/a.md", true),
            ("/memory.md", "memory.md", true),
            ("/a.md", "projects/a.md", false),
            ("./projects/a.md", "projects/a.md", true),
            ("odd[1]", "projects/odd[1]", true),
            ("odd[1]", "projects/odd1", true),
        ] {
            assert_eq!(Glob::new(glob).unwrap().matches(Path::new(path)), matches, "{glob} {path}");
        }
        assert!(Glob::new("").is_err() && Glob::new("/").is_err() && Glob::new("a[").is_err());
    }
}
