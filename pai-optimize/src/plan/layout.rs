//! Where everything stands in the new memory file.

use crate::memory::{
    Document, Headings, Kind, Section, is_hashed, is_plain_item, joint, separator, without_separator,
};
use crate::plan::Part;

/// The new file: what goes is left out; `block`, if the summaries change, stands where they stood, or before the
/// first entry.
pub(super) fn parts(document: &Document<'_>, to_archive: &[bool], block: Option<Vec<u8>>) -> Vec<Part> {
    let mut layout = Layout { document, parts: Vec::new(), torn: false };
    let Some(block) = block else {
        layout.parts.push(Part::Keep(0..document.bytes.len()));
        return layout.parts;
    };
    let first = |wanted: fn(&Section) -> bool| document.sections.iter().position(wanted);
    let summaries = first(|section| section.kind == Kind::Summaries);
    let recent = first(|section| section.kind == Kind::Recent);
    let exact = document.reading.headings != Headings::Dated && !document.reading.bullets;
    let entry = first(|section| matches!(section.kind, Kind::Dated(_)));
    let entry = if exact { entry } else { entry.map(|entry| above(document, entry)) };
    // Nothing is put behind a fence that is never closed.
    let end = document.sections.len() - usize::from(document.unclosed && !document.sections.is_empty());
    let place = summaries.or(recent).or(entry).unwrap_or(end);
    // Below a heading of somebody else's, entries are not all that comes next; and the first may be on its way out.
    let next = (place..document.sections.len()).find(|&number| !to_archive[number]);
    let directly = next.is_some_and(|next| document.sections[next].date().is_some());
    let recent_too = recent.is_none() && (exact || directly && summaries.is_none());
    let mut block = Some(block);
    for (number, section) in document.sections.iter().enumerate() {
        if number == place
            && let Some(block) = block.take()
        {
            layout.insert(block);
            if recent_too {
                let feed = document.line_ending();
                layout.insert([b"## Recent Entries", feed, feed].concat());
            }
        }
        let left_out = match section.kind {
            Kind::Summaries => true,
            Kind::Recent => recent != Some(number) && body(document, section).trim_ascii().is_empty(),
            _ => to_archive[number],
        };
        if left_out {
            layout.torn = true;
        } else {
            layout.keep(section);
        }
    }
    if let Some(block) = block {
        // There is no entry before which it could stand.
        let above = document.sections.last().map_or(&[][..], |last| document.text(last));
        let feed = document.line_ending();
        layout.insert(joint(above, &block, document.dangling));
        // A blank line, as everywhere else, where that is all that is put in.
        let blank = above.ends_with(b"\n") && !document.dangling && !above.ends_with(&[b"\n", feed].concat());
        layout.insert(if blank { feed.to_vec() } else { Vec::new() });
        layout.insert(block);
        if recent_too {
            layout.insert([b"## Recent Entries", feed].concat());
        }
    }
    layout.parts
}

/// The outermost heading that holds entry number `entry`: our block must not stand between the two.
fn above(document: &Document<'_>, entry: usize) -> usize {
    let mut place = entry;
    for (number, section) in document.sections[..entry].iter().enumerate().rev() {
        let holds =
            matches!(section.kind, Kind::Undated | Kind::Kept(_) | Kind::Impossible | Kind::Titled(_));
        if holds && section.level < document.sections[place].level {
            place = number;
        }
    }
    place
}

/// What follows a section's heading line.
pub(super) fn body<'a>(document: &Document<'a>, section: &Section) -> &'a [u8] {
    let after = &document.bytes[section.heading.end..section.range.end];
    let mut rest = &after[memchr::memchr(b'\n', after).map_or(after.len(), |at| at + 1)..];
    if !is_hashed(document.text(section).trim_ascii_start()) {
        // A setext heading has its underline below.
        rest = &rest[memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)..];
    }
    rest
}

struct Layout<'a> {
    document: &'a Document<'a>,
    parts: Vec<Part>,
    /// What stands above is not what stood above in the old file.
    torn: bool,
}

impl Layout<'_> {
    fn insert(&mut self, text: Vec<u8>) {
        self.parts.push(Part::New(text));
        self.torn = true;
    }

    /// An indented heading could fall into a list that now stands above it, an underlined one could take a
    /// paragraph along.
    fn keep(&mut self, section: &Section) {
        let text = self.document.text(section);
        let sensitive = !is_hashed(text) && !is_plain_item(text);
        if self.torn && sensitive && !self.safe() {
            self.parts.push(Part::New(separator(self.document.line_ending())));
        }
        self.torn = false;
        match self.parts.last_mut() {
            Some(Part::Keep(range)) if range.end == section.range.start => range.end = section.range.end,
            _ => self.parts.push(Part::Keep(section.range.clone())),
        }
    }

    /// Whether nothing stands above that could draw a heading in.
    fn safe(&self) -> bool {
        let Some(last) = self.parts.last() else { return true };
        let above = last.bytes(self.document);
        above == b"\xef\xbb\xbf" || without_separator(above).len() < above.len()
    }
}
