//! Link reference definitions, `[label]: target "title"`: they look like a paragraph's first lines, but a
//! setext underline below them underlines nothing.

/// How many bytes of `paragraph` are whole lines of link reference definitions.
pub(super) fn skip(paragraph: &[u8]) -> usize {
    let mut at = 0;
    while let Some(length) = definition(&paragraph[at..]) {
        at += length;
    }
    at
}

/// The length of the definition `text` starts with, line ending included.
fn definition(text: &[u8]) -> Option<usize> {
    let label = text.trim_ascii_start().strip_prefix(b"[")?;
    let close = label_end(label)?;
    if label[..close].trim_ascii().is_empty() {
        return None;
    }
    let target = label[close + 1..].strip_prefix(b":")?.trim_ascii_start();
    let after = after_target(target)?;
    let at = |rest: &[u8]| text.len() - rest.len();
    // A title belongs to the definition if nothing stands behind it; otherwise the target must end its line.
    let spaced = after.first().is_none_or(u8::is_ascii_whitespace);
    if let Some(rest) = after_title(after.trim_ascii_start()).and_then(end_of_line)
        && spaced
    {
        return Some(at(rest));
    }
    end_of_line(after).map(at)
}

fn label_end(label: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, &byte) in label.iter().enumerate().take(1000) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => return None,
            b']' => return Some(at),
            _ => {}
        }
    }
    None
}

fn after_target(text: &[u8]) -> Option<&[u8]> {
    if let Some(inner) = text.strip_prefix(b"<") {
        let end = inner.iter().position(|b| b"<>\n".contains(b)).filter(|&end| inner[end] == b'>')?;
        return Some(&inner[end + 1..]);
    }
    let length = text.iter().take_while(|b| !b.is_ascii_whitespace() && !b.is_ascii_control()).count();
    (length > 0).then(|| &text[length..])
}

fn after_title(text: &[u8]) -> Option<&[u8]> {
    let close = match text.first()? {
        b'(' => b')',
        quote @ (b'"' | b'\'') => *quote,
        _ => return None,
    };
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == close => return Some(&text[at + 1..]),
            _ => {}
        }
    }
    None
}

/// What follows the line ending, if only white space comes before it.
fn end_of_line(text: &[u8]) -> Option<&[u8]> {
    let feed = text.iter().position(|&b| b == b'\n');
    let (line, rest) = match feed {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &text[text.len()..]),
    };
    line.trim_ascii().is_empty().then_some(rest)
}
