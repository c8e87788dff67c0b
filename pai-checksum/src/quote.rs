//! Names in messages, quoted for the shell only where needed, as coreutils' messages are (`quotef`).

use std::borrow::Cow;

/// Whether the locale says that bytes above 127 are UTF-8; otherwise they are shown in octal.
pub(crate) fn locale_is_utf8() -> bool {
    let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    of("LC_ALL").or_else(|| of("LC_CTYPE")).or_else(|| of("LANG")).is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// `name` as a shell would need it typed: bare, `'in quotes'`, `"isn't"`, or `'a'$'\n''b'`.
pub(crate) fn quote(name: &[u8], utf8: bool) -> Cow<'_, str> {
    let pieces = pieces(name, utf8);
    let bare = |piece: &Piece<'_>| matches!(piece, Piece::Plain(text) if text.bytes().all(is_bare));
    let starts_bare = !name.is_empty() && !matches!(name[0], b'#' | b'~') && name != b"{" && name != b"}";
    if starts_bare && pieces.iter().all(bare) {
        return Cow::Owned(pieces.iter().map(Piece::text).collect());
    }
    // An apostrophe alone is no reason for the shell's clumsy '\'': double quotes do, if nothing else is special.
    let compatible = |(n, piece): (usize, &Piece<'_>)| match piece {
        // # and ~ are special at the start alone, where they were the reason for quotes.
        Piece::Plain(text) if n == 0 => {
            text.strip_prefix(['#', '~']).unwrap_or(text).chars().all(is_compatible)
        }
        Piece::Plain(text) => text.chars().all(is_compatible),
        Piece::Byte(_) => false,
    };
    if name.contains(&b'\'') && pieces.iter().enumerate().all(compatible) {
        return Cow::Owned(format!("\"{}\"", pieces.iter().map(Piece::text).collect::<String>()));
    }
    Cow::Owned(in_quotes(&pieces))
}

/// A run of printable characters, or one byte that is not.
enum Piece<'a> {
    Plain(&'a str),
    Byte(u8),
}

impl Piece<'_> {
    fn text(&self) -> &str {
        match self {
            Piece::Plain(text) => text,
            Piece::Byte(_) => "",
        }
    }
}

fn pieces(name: &[u8], utf8: bool) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    for chunk in name.utf8_chunks() {
        let printable = |c: &char| if utf8 { !c.is_control() } else { matches!(c, ' '..='~') };
        let mut rest = chunk.valid();
        while let Some(first) = rest.chars().next() {
            let end = if printable(&first) {
                rest.find(|c| !printable(&c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (piece, after) = rest.split_at(end);
            if printable(&first) {
                out.push(Piece::Plain(piece));
            } else {
                out.extend(piece.bytes().map(Piece::Byte));
            }
            rest = after;
        }
        out.extend(chunk.invalid().iter().copied().map(Piece::Byte));
    }
    out
}

fn in_quotes(pieces: &[Piece<'_>]) -> String {
    let mut out = String::from("'");
    let mut escaping = false;
    for piece in pieces {
        match piece {
            Piece::Plain(text) => {
                // What an apostrophe becomes begins with the quote that ends the escapes.
                if escaping && !text.starts_with('\'') {
                    out.push_str("''");
                }
                escaping = false;
                out.push_str(&text.replace('\'', "'\\''"));
            }
            Piece::Byte(byte) => {
                if !escaping {
                    out.push_str("'$'");
                    escaping = true;
                }
                out.push_str(&escape(*byte));
            }
        }
    }
    out.push('\'');
    out
}

fn escape(byte: u8) -> String {
    match byte {
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        9 => "\\t".to_owned(),
        10 => "\\n".to_owned(),
        11 => "\\v".to_owned(),
        12 => "\\f".to_owned(),
        13 => "\\r".to_owned(),
        other => format!("\\{other:03o}"),
    }
}

/// Bytes no shell treats specially; the colon is left out because messages put one after the name.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"%+,-./]_@{}#~".contains(&byte)
}

/// Characters that mean the same in "double quotes".
fn is_compatible(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii() || " %'+,-./:@]_".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_coreutils_quotes_them() {
        // Left: the name; right: what sha256sum 9.1 prints in the C locale.
        for (name, expected) in [
            ("plain-1.2_x/y", "plain-1.2_x/y"),
            ("", "''"),
            ("a b", "'a b'"),
            ("a:b", "'a:b'"),
            ("a'b", "\"a'b\""),
            ("a'b$", "'a'\\''b$'"),
            ("a\nb", "'a'$'\\n''b'"),
            ("\u{7f}", "''$'\\177'"),
            ("ä", "''$'\\303\\244'"),
            ("#a", "'#a'"),
            ("#'a", "\"#'a\""),
            ("\n'a", "''$'\\n'\\''a'"),
            ("'#", "''\\''#'"),
            ("a#", "a#"),
            ("{", "'{'"),
            ("{}", "{}"),
            ("a\\b", "'a\\b'"),
            ("*", "'*'"),
        ] {
            assert_eq!(quote(name.as_bytes(), false), expected, "{name:?}");
        }
        assert_eq!(quote("ä".as_bytes(), true), "ä");
        assert_eq!(quote(b"\xff\xfe", true), "''$'\\377\\376'");
    }
}
