//! Patterns for what a walk leaves out.

use std::path::Path;

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
