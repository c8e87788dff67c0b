//! What a text says of itself: its headings and its bold labels.

use super::units::{plain, without_markers};
use crate::dated;

/// The most bytes of a label: longer ones are no labels but sentences that somebody wanted to stand out.
const LABEL: usize = 60;

/// Headings and labels of a text, without marks and dates, in its order and each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Structure {
    /// The headings, without the one that the text begins with.
    pub(super) headings: Vec<String>,
    /// The labels: `**Label:** ...` at the beginning of a line or of a list item.
    pub(super) labels: Vec<String>,
}

impl Structure {
    /// Adds the headings and labels of `text`.
    pub(super) fn add(&mut self, text: &str) {
        let mut first = true;
        for line in outside_fences(text).filter(|line| !line.is_empty()) {
            match heading(line) {
                Some(heading) if !first => keep(&mut self.headings, heading),
                Some(_) => {}
                None => label(line).into_iter().for_each(|label| keep(&mut self.labels, label)),
            }
            first = false;
        }
    }

    /// Returns the headings, or else the labels, if the text has any structure to speak of.
    pub(super) fn parts(self) -> Vec<String> {
        match (self.headings.len(), self.labels.len()) {
            (0, 0 | 1) => Vec::new(),
            (0, _) => self.labels,
            _ => self.headings,
        }
    }
}

/// Returns the lines that no fence holds, without the white space around them.
pub(super) fn outside_fences(text: &str) -> impl Iterator<Item = &str> {
    let mut fence: Option<&str> = None;
    text.lines().filter_map(move |line| {
        let bare = line.trim_start_matches('\u{feff}').trim();
        let mark = ["```", "~~~"].into_iter().find(|mark| bare.starts_with(mark));
        match (fence, mark) {
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, Some(mark)) => fence = Some(mark),
            (None, None) => return Some(bare),
            _ => {}
        }
        None
    })
}

/// Returns the text of a heading of hashes.
pub(super) fn heading(bare: &str) -> Option<&str> {
    let text = bare.trim_start_matches('#');
    let level = bare.len() - text.len();
    ((1..=6).contains(&level) && text.starts_with([' ', '\t']))
        .then(|| text.trim().trim_end_matches('#').trim_end())
}

fn label(bare: &str) -> Option<&str> {
    let rest = without_markers(bare).strip_prefix("**")?;
    let label = rest.split_once("**")?.0;
    (label.len() <= LABEL).then_some(label)
}

fn keep(parts: &mut Vec<String>, text: &str) {
    let title = dated::title(&plain(text), None);
    if !title.is_empty() && !is_noise(&title) && !parts.contains(&title) {
        parts.push(title);
    }
}

/// Says whether `text` is nothing but a path, an address or a checksum: what no one remembers a day by.
pub(super) fn is_noise(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let addresses = words.iter().filter(|word| is_address(word)).count();
    let telling = words.iter().filter(|word| !is_address(word) && word.chars().any(char::is_alphabetic));
    addresses > 0 && telling.count() < 2
}

fn is_address(word: &str) -> bool {
    let word = word.trim_matches(|c: char| "()[]<>\"',.;:".contains(c));
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hex = word.len() >= 12 && digits > 0 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let path = word.starts_with(['/', '~'])
        || word.starts_with("./")
        || word.bytes().filter(|byte| *byte == b'/').count() > 1;
    let long = word.len() >= 24 && word.is_ascii() && (digits >= 4 || word.contains(['/', '_', '=']));
    word.contains("://") || hex || path || long
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_labels_are_seen_and_code_is_not() {
        let mut structure = Structure::default();
        structure.add(
            "## 2026-03-06\n\n### Channel progress\ntext\n```\n# no heading\n```\n### Skill *updates* (2026-03-05)\n- **Reference tracks:** three\n\
             1. **Path** `x`\n### Channel progress\n### /a/b/c.md\n#tag\n",
        );
        assert_eq!(structure.headings, ["Channel progress", "Skill updates"]);
        assert_eq!(structure.labels, ["Reference tracks", "Path"]);
        assert_eq!(structure.parts(), ["Channel progress", "Skill updates"]);
    }

    #[test]
    fn a_bare_path_address_or_checksum_is_noise() {
        for text in [
            "skills/new/SKILL.md",
            "File: /srv/a/b.png",
            "https://example.org/x",
            "CDN: https://cdn.example.org/<id>.m4a",
            "3f786850e387550fdab836ed7e6dc881de23001b",
            "2026-03-22-10-04-00-boston-ferns-v9-4k.png",
        ] {
            assert!(is_noise(text), "{text}");
        }
        for text in [
            "Signed the lease",
            "Moved everything to src/main.rs, see the notes.",
            "ok",
            "备份完成",
            "and/or",
            "2025-09-01",
        ] {
            assert!(!is_noise(text), "{text}");
        }
    }
}
