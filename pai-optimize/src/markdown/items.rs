//! List items that no other block holds.

use std::ops::Range;

use super::{Container, Scanner};

/// The top-level list items of `text`, each from its marker's line to its last line that is not blank: what is
/// indented below the marker belongs to it, and so does a paragraph's next line that is not.
pub fn items(text: &[u8]) -> Vec<Range<usize>> {
    let mut scanner = Scanner::new(text);
    let mut items: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let line = at;
        at = scanner.line(line).min(text.len());
        let Some(&Container::Item { start, .. }) = scanner.containers.first() else { continue };
        if text[line..at].iter().all(|byte| b" \t\r\n".contains(byte)) {
            continue;
        }
        match items.last_mut() {
            Some(last) if last.start == start => last.end = at,
            _ => items.push(start..at),
        }
    }
    items
}
