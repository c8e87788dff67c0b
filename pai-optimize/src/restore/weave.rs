//! Where archived days go in a memory file. Pure.

use crate::date::Date;
use crate::memory::{Document, Kind, joint};

/// What became of a day that was to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is in the new file.
    Restored,
    /// It was there already.
    There,
    /// It ends in a fence or comment that is never closed, and so does another entry: one would swallow the other.
    OpenEnd,
}

/// A memory file with days put back.
#[derive(Debug)]
pub struct Woven {
    /// The file.
    pub text: Vec<u8>,
    /// What became of each day.
    pub fates: Vec<Fate>,
}

/// Puts `days` back, which are in order, each with the bytes of its archive file.
pub fn weave(document: &Document<'_>, days: &[(Date, Vec<u8>)]) -> Woven {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut fates = Vec::with_capacity(days.len());
    let mut open_end = document.unclosed;
    for (date, bytes) in days {
        // An open fence would swallow whatever stood behind it, so it can only be the file's last.
        let Document { unclosed: open, dangling, .. } = Document::parse(bytes, true);
        fates.push(if memchr::memmem::find(document.bytes, bytes).is_some() {
            Fate::There
        } else if open && open_end {
            Fate::OpenEnd
        } else {
            open_end |= open;
            let at = if open { document.bytes.len() } else { place(document, *date) };
            pieces.push(Piece { at, open, dangling, bytes });
            Fate::Restored
        });
    }
    // Days for one place stay in the order of their dates, an open end last.
    pieces.sort_by_key(|piece| (piece.at, piece.open));
    Woven { text: join(document, &pieces), fates }
}

/// A day on its way back: its bytes, where they go, and how they end: in a fence or comment that is never
/// closed, in an HTML block that needs a blank line.
struct Piece<'a> {
    at: usize,
    open: bool,
    dangling: bool,
    bytes: &'a [u8],
}

/// Where a day goes: before the first later one; otherwise behind the last entry, or at the end. Nothing ever goes
/// behind a fence or comment that is never closed.
fn place(document: &Document<'_>, date: Date) -> usize {
    let entries = || document.sections.iter().filter(|section| matches!(section.kind, Kind::Dated(_)));
    let later = entries().find(|section| matches!(section.kind, Kind::Dated(other) if other > date));
    if let Some(later) = later {
        return later.range.start;
    }
    let after =
        entries().next_back().or(document.sections.iter().find(|section| section.kind == Kind::Recent));
    let end = after.map_or(document.bytes.len(), |section| section.range.end);
    match document.sections.last() {
        Some(last) if document.unclosed && end == document.bytes.len() => last.range.start,
        _ => end,
    }
}

/// The file with each piece in its place; they are in order.
fn join(document: &Document<'_>, pieces: &[Piece<'_>]) -> Vec<u8> {
    let old = document.bytes;
    let added: usize = pieces.iter().map(|piece| piece.bytes.len() + 16).sum();
    let mut text = Vec::with_capacity(old.len() + added);
    let mut done = 0;
    let mut dangling = false;
    for piece in pieces {
        put(&mut text, &old[done..piece.at], dangling);
        dangling = if piece.at > done { piece.at == old.len() && document.dangling } else { dangling };
        put(&mut text, piece.bytes, dangling);
        (done, dangling) = (piece.at, piece.dangling);
    }
    put(&mut text, &old[done..], dangling);
    text
}

/// Appends a piece so that what stands above does not draw its heading in.
fn put(text: &mut Vec<u8>, piece: &[u8], dangling: bool) {
    let joint = joint(text, piece, dangling);
    text.extend(joint);
    text.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_go_where_their_dates_belong_and_an_open_end_goes_last() {
        let put_back = |old: &str, days: &[(&str, &str)]| {
            let days: Vec<(Date, Vec<u8>)> = days
                .iter()
                .map(|(date, text)| (Date::parse(date.as_bytes()).unwrap(), text.as_bytes().to_vec()))
                .collect();
            let Woven { text, fates } = weave(&Document::parse(old.as_bytes(), false), &days);
            (String::from_utf8(text).unwrap(), fates)
        };
        let [first, second, third] = ["2025-09-01", "2025-09-02", "2025-09-03"];
        let (a, b, c) = ("## 2025-09-01\na\n", "## 2025-09-02\nb\n", "## 2025-09-03\nc\n");
        let open = "## 2025-09-01\n```\n";
        for (old, days, text, fates) in [
            (b, vec![(first, a), (third, c)], [a, b, c].concat(), vec![Fate::Restored; 2]),
            (b, vec![(first, a), (second, b)], [a, b].concat(), vec![Fate::Restored, Fate::There]),
            (
                "# T\n## Recent Entries",
                vec![(first, a)],
                format!("# T\n## Recent Entries\n{a}"),
                vec![Fate::Restored],
            ),
            ("", vec![], String::new(), vec![]),
            (b, vec![(first, open), (third, c)], [b, c, open].concat(), vec![Fate::Restored; 2]),
            (
                "## x\n~~~\n",
                vec![(first, open), (second, b)],
                [b, "## x\n~~~\n"].concat(),
                vec![Fate::OpenEnd, Fate::Restored],
            ),
            ("<p>\n", vec![(first, a)], format!("<p>\n\n<!-- pai-optimize -->\n{a}"), vec![Fate::Restored]),
        ] {
            assert_eq!(put_back(old, &days), (text, fates), "{old:?} {days:?}");
        }
    }
}
