//! HTML blocks: the seven kinds of `CommonMark` 0.31, section 4.6.

/// What ends an HTML block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HtmlEnd {
    /// `</pre>`, `</script>`, `</style>` or `</textarea>`.
    RawTag,
    /// This text.
    Text(&'static [u8]),
    /// A blank line; so the block cannot swallow what comes after it.
    Blank,
}

impl HtmlEnd {
    /// Whether `line` is the block's last (for [`HtmlEnd::Blank`]: the one after it).
    pub(super) fn met_by(self, line: &[u8]) -> bool {
        match self {
            Self::Text(text) => memchr::memmem::find(line, text).is_some(),
            Self::Blank => line.trim_ascii().is_empty(),
            Self::RawTag => memchr::memchr_iter(b'<', line).any(|at| {
                line[at + 1..].strip_prefix(b"/").is_some_and(|rest| {
                    RAW_TAGS
                        .iter()
                        .any(|tag| rest.get(tag.len()) == Some(&b'>') && starts_with_tag(rest, tag))
                })
            }),
        }
    }
}

/// The end of the HTML block that starts with `rest` (its first byte is `<`), if one does.
pub(super) fn starts(rest: &[u8], interrupting: bool) -> Option<HtmlEnd> {
    let inner = &rest[1..];
    if RAW_TAGS.iter().any(|tag| starts_with_tag(inner, tag) && ends_name(&inner[tag.len()..])) {
        return Some(HtmlEnd::RawTag);
    }
    if inner.starts_with(b"!--") {
        return Some(HtmlEnd::Text(b"-->"));
    }
    if inner.starts_with(b"?") {
        return Some(HtmlEnd::Text(b"?>"));
    }
    if inner.starts_with(b"![CDATA[") {
        return Some(HtmlEnd::Text(b"]]>"));
    }
    if inner.starts_with(b"!") && inner.get(1).is_some_and(u8::is_ascii_alphabetic) {
        return Some(HtmlEnd::Text(b">"));
    }
    let name = inner.strip_prefix(b"/").unwrap_or(inner);
    let length = name.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    let after = &name[length..];
    if (ends_name(after) || after.starts_with(b"/>"))
        && BLOCK_TAGS.iter().any(|tag| tag.as_bytes().eq_ignore_ascii_case(&name[..length]))
    {
        return Some(HtmlEnd::Blank);
    }
    (!interrupting && is_whole_tag(inner)).then_some(HtmlEnd::Blank)
}

fn starts_with_tag(text: &[u8], tag: &[u8]) -> bool {
    text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
}

fn ends_name(after: &[u8]) -> bool {
    matches!(after.first(), None | Some(b' ' | b'\t' | b'>'))
}

/// Whether `<` + `inner` is one complete tag of any name and nothing else.
fn is_whole_tag(inner: &[u8]) -> bool {
    let (closing, text) = match inner.strip_prefix(b"/") {
        Some(text) => (true, text),
        None => (false, inner),
    };
    if !text.first().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let length = text.iter().take_while(|&&b| b.is_ascii_alphanumeric() || b == b'-').count();
    let mut rest = &text[length..];
    while !closing && let Some(after) = attribute(rest) {
        rest = after;
    }
    rest = rest.trim_ascii_start();
    if !closing {
        rest = rest.strip_prefix(b"/").unwrap_or(rest);
    }
    rest.strip_prefix(b">").is_some_and(|after| after.trim_ascii().is_empty())
}

/// What follows one ` name` or ` name="value"`.
fn attribute(text: &[u8]) -> Option<&[u8]> {
    let name = text.trim_ascii_start();
    let first = *name.first()?;
    if name.len() == text.len() || !(first.is_ascii_alphabetic() || first == b'_' || first == b':') {
        return None;
    }
    let length = name.iter().take_while(|&&b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b)).count();
    let rest = &name[length..];
    let Some(value) = rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii_start) else {
        return Some(rest);
    };
    let first = *value.first()?;
    if first == b'"' || first == b'\'' {
        return memchr::memchr(first, &value[1..]).map(|at| &value[at + 2..]);
    }
    let length = value.iter().take_while(|b| !b" \t\"'=<>`".contains(b)).count();
    (length > 0).then(|| &value[length..])
}

const RAW_TAGS: [&[u8]; 4] = [b"pre", b"script", b"style", b"textarea"];

#[rustfmt::skip]
const BLOCK_TAGS: [&str; 62] = [
    "address", "article", "aside", "base", "basefont", "blockquote", "body", "caption", "center", "col",
    "colgroup", "dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure",
    "footer", "form", "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html",
    "iframe", "legend", "li", "link", "main", "menu", "menuitem", "nav", "noframes", "ol", "optgroup",
    "option", "p", "param", "search", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead",
    "title", "tr", "track", "ul",
];
