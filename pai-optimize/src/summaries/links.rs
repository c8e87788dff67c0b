//! Summary lines and their links into the archive.

use std::fmt::Write as _;

use super::{Period, Span};
use crate::date::Date;

/// The links from a memory file into its archive.
#[derive(Debug, Clone)]
pub struct Links {
    /// The archive folder as the memory file's folder sees it, percent-encoded, with its final slash.
    pub folder: String,
    /// The stem of the archive files `STEM-YYYY-MM-DD.md`, percent-encoded.
    pub stem: String,
}

impl Links {
    /// Returns the link to an archived note; `name` is percent-encoded.
    pub fn note(&self, name: &str) -> String {
        format!("{}notes/{name}", self.folder)
    }

    /// Returns the summary line of a daily note.
    pub fn note_line(&self, period: Period, name: &str, text: &str) -> Vec<u8> {
        format!("- {period}: {text} ([note]({}))", self.note(name)).into_bytes()
    }

    /// Says whether `line` is the summary line of the note `name`.
    pub fn is_of_note(&self, line: &[u8], name: &str) -> bool {
        let link = format!("]({})", self.note(name));
        memchr::memmem::find(line, link.as_bytes()).is_some()
    }

    /// Returns the link to the archive file of a day.
    pub fn file(&self, date: Date) -> String {
        format!("{}{}-{date}.md", self.folder, self.stem)
    }

    /// Returns the summary line of a period: `text` for `dates`, which are in order; `target` says where each leads.
    pub fn line(
        &self,
        period: Period,
        dates: &[Date],
        text: &str,
        target: impl Fn(Date) -> String,
    ) -> Vec<u8> {
        let count = match dates.len() {
            1 => "1 day".to_owned(),
            more => format!("{more} days"),
        };
        let named = |date: Date| format!("[{date}]({})", target(date));
        let line = match (period.span(), dates) {
            (Span::Day, _) => format!("- {period}: {text} ([archive]({}))", self.file(period.start())),
            (Span::Year, _) => format!("- {period}: {count}: {text} ([archive]({}))", self.folder),
            (Span::Month, [first, _, _, .., last]) => {
                format!("- {period}: {count}: {text} ({} … {})", named(*first), named(*last))
            }
            (Span::Month, few) => {
                let links: Vec<String> = few.iter().map(|&date| named(date)).collect();
                format!("- {period}: {count}: {text} ({})", links.join(", "))
            }
        };
        line.into_bytes()
    }

    /// Returns the published script's line with the link that it lacks.
    pub fn adopt(&self, period: Period, line: &[u8]) -> Vec<u8> {
        let several = line.contains(&b'\n');
        if several || line.ends_with(b")") && memchr::memmem::find(line, b"](").is_some() {
            return line.to_vec();
        }
        let mut linked = line.to_vec();
        let link = format!(" ([archive]({}))", self.file(period.start()));
        linked.extend_from_slice(link.as_bytes());
        linked
    }
}

/// Returns `text` as a link target: everything Markdown or a URL could take for its own becomes `%XX`.
pub fn percent_encode(text: &[u8]) -> String {
    text.iter().fold(String::with_capacity(text.len()), |mut out, &byte| {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_targets_are_encoded() {
        assert_eq!(percent_encode(b"my notes (1)/a.md"), "my%20notes%20%281%29/a.md");
    }
}
