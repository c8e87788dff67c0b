//! What must stand between two sections so that each stays what it is.

use crate::markdown;

/// Written, with a line ending before and behind it, where a heading could otherwise become part of what a run or a
/// restore has put above it: an indented one of a list, an underlined one of a paragraph. It shows nothing, belongs
/// to no section, and never reaches the archive.
pub(super) const SEPARATOR: &[u8] = b"<!-- pai-optimize -->";

/// Says whether `line`, which has no line ending, is a separator.
pub fn is_separator(line: &[u8]) -> bool {
    line == SEPARATOR
}

/// Returns the separator as it is written.
pub fn separator(feed: &[u8]) -> Vec<u8> {
    [feed, SEPARATOR, feed].concat()
}

/// Returns `text` without a separator at its end. A line like it that closes somebody's comment is theirs.
pub fn without_separator(text: &[u8]) -> &[u8] {
    for feed in [b"\r\n".as_slice(), b"\n"] {
        let before = text.strip_suffix(feed).and_then(|text| text.strip_suffix(SEPARATOR));
        if let Some(before) = before.and_then(|text| text.strip_suffix(feed)) {
            return if markdown::outline(before).unclosed.is_none() { before } else { text };
        }
    }
    text
}

/// Returns the line ending of the first line of `text`; LF if there is none.
pub fn line_ending(text: &[u8]) -> &'static [u8] {
    match memchr::memchr(b'\n', text) {
        Some(at) if at > 0 && text[at - 1] == b'\r' => b"\r\n",
        _ => b"\n",
    }
}

/// Returns what must stand between `above` and a section `next` so that its heading stays a heading. `dangling` says
/// that `above` ends in an HTML block that needs a blank line.
pub fn joint(above: &[u8], next: &[u8], dangling: bool) -> Vec<u8> {
    if next.is_empty() || above.is_empty() || above == b"\xef\xbb\xbf" {
        return Vec::new();
    }
    let like = if above.contains(&b'\n') { above } else { next };
    let mut joint = completion(above, like).to_vec();
    let safe = (is_hashed(next) || is_plain_item(next)) && !dangling;
    // What is dangling has not been ended by a separator, whatever its last line looks like.
    if !safe && (dangling || without_separator(above).len() == above.len()) {
        joint.extend(separator(line_ending(like)));
    }
    joint
}

/// Says whether `text` starts with a heading of hashes, which no paragraph above can draw in. `#le` is none: it can be
/// the first line of an underlined one.
pub fn is_hashed(text: &[u8]) -> bool {
    let hashes = text.iter().take_while(|&&byte| byte == b'#').count();
    let rest = &text[hashes..];
    let returns = rest.iter().take_while(|&&byte| byte == b'\r').count();
    let ends = matches!(rest.get(returns), None | Some(b'\n'));
    (1..=6).contains(&hashes) && (ends || matches!(rest[0], b' ' | b'\t'))
}

/// Says whether `text` starts with a list item that nothing above can draw in: its marker stands first in its line, and
/// what follows makes it neither a break nor an underline.
pub fn is_plain_item(text: &[u8]) -> bool {
    let [b'-' | b'*' | b'+', b' ', rest @ ..] = text else { return false };
    let bare = rest.strip_prefix(b"**").unwrap_or(rest);
    // What is no ASCII makes neither of the two.
    bare.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"[(".contains(byte))
}

/// Returns what `text` lacks to end with a whole line ending, in the style of `like`.
pub fn completion(text: &[u8], like: &[u8]) -> &'static [u8] {
    match text.last() {
        None | Some(b'\n') => b"",
        Some(b'\r') => b"\n",
        Some(_) => line_ending(like),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_is_ours_unless_it_ends_a_comment() {
        for (text, without) in [
            ("## a\n\n<!-- pai-optimize -->\n", "## a\n"),
            ("## a\r\n\r\n<!-- pai-optimize -->\r\n", "## a\r\n"),
            ("## a\n<!-- b -->\n<!-- pai-optimize -->\n", "## a\n<!-- b -->"),
            ("## a\n<!-- b\n\n<!-- pai-optimize -->\n", "## a\n<!-- b\n\n<!-- pai-optimize -->\n"),
            ("<!-- pai-optimize -->\n", "<!-- pai-optimize -->\n"),
        ] {
            assert_eq!(without_separator(text.as_bytes()), without.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn an_item_is_plain_unless_it_could_be_a_break_or_stands_further_in() {
        for text in ["- a", "* 2026-03-06", "+ [x](y)", "- **2026**", "- 钥匙", "* Änne"] {
            assert!(is_plain_item(text.as_bytes()), "{text:?}");
        }
        for text in ["- - -", "* * *", "-", "- ", " - a", "1. a", "--", "* **"] {
            assert!(!is_plain_item(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn a_heading_of_hashes_has_a_blank_behind_them() {
        for text in ["# a", "##\n", "##\r\n", "##\r\r\n", "##\r", "#", "######\ta"] {
            assert!(is_hashed(text.as_bytes()), "{text:?}");
        }
        for text in ["#le\n---\n", "#\rle\n---\n", "####### a", " # a", "a", ""] {
            assert!(!is_hashed(text.as_bytes()), "{text:?}");
        }
    }
}
