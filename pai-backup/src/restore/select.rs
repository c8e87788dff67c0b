//! Which entries of an archive are wanted: all, or those that the given paths and globs select.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, bail};
use glob::{MatchOptions, Pattern};

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
            let trimmed = text.trim_start_matches("./").trim_end_matches('/');
            let trimmed = if trimmed == "." { "" } else { trimmed };
            let is_glob = trimmed.contains(['*', '?', '[']);
            let pattern = is_glob.then(|| Pattern::new(trimmed)).transpose();
            Ok((trimmed.to_owned(), pattern.with_context(|| format!("could not read pattern {text:?}"))?))
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
            let matches = path.starts_with(literal)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select_what_they_match_and_what_is_below() {
        let selector = Selector::new(&["projects/*.md".into(), "tools/".into(), "odd[1]".into()]).unwrap();
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
