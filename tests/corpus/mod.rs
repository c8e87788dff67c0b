//! Memory files as people keep them, for tests and benches: documents in five languages, written for this project, and a
//! generator that mixes their parts under headings of every form.
//!
//! The same seed gives the same file. The generator knows where each entry begins and ends, because it wrote it: a test
//! needs no second reader to say what the tool should have found.

pub mod forms;
pub mod mix;
mod phrases;
mod random;

use std::path::PathBuf;

use crate::repository;

/// One document of the corpus.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its path in the corpus.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// All documents: memory files, a work log, and the daily notes in `memory/`.
pub fn documents() -> Vec<Document> {
    let root = repository().join("tests/corpus");
    let mut paths: Vec<PathBuf> = [root.clone(), root.join("memory")]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("the corpus is there"))
        .map(|entry| entry.expect("the corpus can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    paths.sort();
    let read = |path: PathBuf| Document {
        name: path.strip_prefix(&root).expect("a path below the corpus").display().to_string(),
        text: std::fs::read_to_string(&path).expect("the corpus is text"),
    };
    paths.into_iter().map(read).collect()
}

/// Paragraphs, lists, tables, quotes and fences of all documents, without headings and dated list items.
fn blocks() -> Vec<String> {
    let mut found = Vec::new();
    for document in documents() {
        let text = without_front_matter(&document.text);
        let mut block = String::new();
        let mut fenced = false;
        for line in text.lines().chain([""]) {
            fenced ^= line.starts_with("```") || line.starts_with("~~~");
            if line.is_empty() && !fenced {
                found.extend(Some(std::mem::take(&mut block)).filter(|block| is_plain(block)));
            } else {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    found
}

fn without_front_matter(text: &str) -> &str {
    let rest = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    rest.map_or(text, |(_, rest)| rest)
}

/// Whether a block means the same wherever it stands: no heading, no dated list item, no pin.
fn is_plain(block: &str) -> bool {
    let dated = |line: &str| {
        let item = line.strip_prefix("- ").or_else(|| line.strip_prefix("* "));
        item.is_some_and(|item| item.trim_start_matches('*').starts_with("20"))
    };
    let heading = block.starts_with('#')
        || block.lines().any(|line| line.starts_with("---") || line.starts_with("==="));
    !block.is_empty() && !heading && !block.contains("pin") && !block.lines().any(dated)
}
