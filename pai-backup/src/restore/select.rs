//! Which entries of an archive are wanted: all, or those that the given paths and globs select.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, bail};
use glob::{MatchOptions, Pattern};

use crate::entry::without_dots;

/// Which entries are wanted.
#[derive(Debug)]
pub(super) struct Selector {
    /// Each as written, and as a glob if it is one.
    patterns: Vec<(String, Option<Pattern>)>,
}

impl Selector {
    /// All entries, or those that match a path or glob, and what is below them.
    pub(super) fn new(paths: &[String]) -> anyhow::Result<Self> {
        let compile = |text: &String| {
            if text.is_empty() {
                // Mostly a variable that was not set: everything is the last thing it means.
                bail!("could not restore \"\": an empty path");
            }
            let clean = without_dots(Path::new(text)).to_string_lossy().into_owned();
            let is_glob = clean.contains(['*', '?', '[']);
            let pattern = is_glob.then(|| Pattern::new(&clean)).transpose();
            Ok((clean, pattern.with_context(|| format!("could not read pattern {text:?}"))?))
        };
        Ok(Self { patterns: paths.iter().map(compile).collect::<anyhow::Result<_>>()? })
    }

    /// Whether `path` is wanted; the patterns that say so are added to `hits`.
    pub(super) fn wants(&self, path: &Path, hits: &mut HashSet<usize>) -> bool {
        const OPTIONS: MatchOptions = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        let mut wanted = self.patterns.is_empty();
        for (number, (literal, pattern)) in self.patterns.iter().enumerate() {
            // A name with brackets in it is meant as it stands, if there is one.
            let matches = is_below(path, literal)
                || pattern.as_ref().is_some_and(|pattern| {
                    path.ancestors().any(|ancestor| pattern.matches_path_with(ancestor, OPTIONS))
                });
            if matches {
                hits.insert(number);
                wanted = true;
            }
        }
        wanted
    }

    /// The patterns that nothing matched.
    pub(super) fn missing(&self, hits: &HashSet<usize>) -> impl Iterator<Item = &str> {
        let patterns = self.patterns.iter().enumerate();
        patterns.filter(|(number, _)| !hits.contains(number)).map(|(_, (text, _))| text.as_str())
    }
}

/// Whether `path` is `folder` or below it; neither has dots or a slash too many. All paths are below the empty one.
fn is_below(path: &Path, folder: &str) -> bool {
    let rest = path.as_os_str().as_encoded_bytes().strip_prefix(folder.as_bytes());
    rest.is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select_what_they_match_and_what_is_below() {
        let patterns = ["projects/*.md", ".//tools/", "odd[1]"].map(str::to_owned);
        let selector = Selector::new(&patterns).unwrap();
        let mut hits = HashSet::new();
        for (path, wanted) in [
            ("projects/a.md", true),
            ("projects/deep/a.md", false),
            ("tools", true),
            ("tools/x/y", true),
            ("toolsmith", false),
            ("odd[1]", true),
        ] {
            assert_eq!(selector.wants(Path::new(path), &mut hits), wanted, "{path}");
        }
        assert_eq!(hits.len(), 3);
    }
}
