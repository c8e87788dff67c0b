//! Markup, and text in it. Markup is what stands in this program; whatever comes from an archive is text, and escaped.

use std::fmt::{Display, Write as _};
use std::path::Path;

use pai_common::units::human_size;

use super::link::{Link, Token};

/// A page in the making.
#[derive(Debug)]
pub(super) struct Html {
    out: String,
    base: String,
}

impl Html {
    /// A page with this title, up to where its content begins.
    pub(super) fn page(token: &Token, title: impl Display) -> Self {
        let mut html = Self { out: String::with_capacity(16 << 10), base: token.base() };
        html.raw("<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>").text(title);
        html.raw(
            "</title><meta name=viewport content=\"width=device-width\"><link rel=icon href=\"data:,\">",
        );
        let (style, find) = (format!("{}/style.css", html.base), format!("{}/find", html.base));
        html.raw("<link rel=stylesheet href=\"").text(style);
        html.raw("\"></head><body><a class=skip href=\"#main\">Skip to the content</a><header><nav>");
        html.link(&Link::Home, "Nights");
        html.raw("<form action=\"").text(find);
        html.raw(
            "\"><input type=search name=q required placeholder=\"a name, or *.md\" aria-label=\"find a file\">\
             <button>Find</button></form></nav></header><main id=main tabindex=-1>",
        );
        html
    }

    /// The whole page.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.raw("</main></body></html>");
        self.out.into_bytes()
    }

    /// Markup. No text from elsewhere can be a constant of the program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Text, inside an element or a quoted attribute.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        for letter in text.to_string().chars() {
            match letter {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                '\n' | '\t' => self.out.push(letter),
                letter if letter.is_control() => {
                    // Writing to a String cannot fail.
                    let _ = write!(self.out, "{}", letter.escape_default());
                }
                letter => self.out.push(letter),
            }
        }
        self
    }

    /// A name, which keeps its letters' direction to itself.
    pub(super) fn name(&mut self, path: &Path) -> &mut Self {
        self.raw("<bdi>").text(path.display()).raw("</bdi>")
    }

    /// A link with a text.
    pub(super) fn link(&mut self, link: &Link<'_>, text: impl Display) -> &mut Self {
        self.open(link).raw("<bdi>").text(text).raw("</bdi></a>")
    }

    /// A link, up to where what it shows begins.
    pub(super) fn open(&mut self, link: &Link<'_>) -> &mut Self {
        let address = link.address(&self.base);
        self.raw("<a href=\"").text(address).raw("\">")
    }

    /// A form that asks for differences, up to where its choices begin.
    pub(super) fn comparison(&mut self) -> &mut Self {
        let action = format!("{}/compare", self.base);
        self.raw("<form class=compare action=\"").text(action).raw("\">")
    }

    /// A size, its number in a column of its own.
    pub(super) fn size(&mut self, bytes: u64) -> &mut Self {
        self.raw("<span class=size>").text(human_size(bytes)).raw("</span>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let mut html = Html { out: String::new(), base: String::new() };
        html.text("<script>\"'&\u{1b}\u{0}\n").name(Path::new("</bdi><b>"));
        assert_eq!(html.out, "&lt;script&gt;&quot;&#39;&amp;\\u{1b}\\u{0}\n<bdi>&lt;/bdi&gt;&lt;b&gt;</bdi>");
    }
}
