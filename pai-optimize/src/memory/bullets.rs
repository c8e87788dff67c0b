//! Dated list items as entries: what else a section holds stays around them.

use std::ops::Range;

use super::joint::SEPARATOR;
use super::{ITEM, Kind, Reading, Section};
use crate::date::Date;
use crate::{dated, markdown};

/// Cuts the dated top-level list items out of every section that is no entry itself and not our summaries; nor the last
/// one if it is `unclosed`: where an item ends before an open fence is anyone's guess.
pub(super) fn cut(bytes: &[u8], sections: Vec<Section>, reading: Reading, unclosed: bool) -> Vec<Section> {
    let mut pieces = Vec::with_capacity(sections.len());
    let last = sections.len().wrapping_sub(1);
    for (number, section) in sections.into_iter().enumerate() {
        let open = unclosed && number == last;
        if open || matches!(section.kind, Kind::Dated(_) | Kind::Summaries) {
            pieces.push(section);
            continue;
        }
        let items = dated_items(bytes, &section, reading);
        let end = section.range.end;
        let mut head = section;
        head.range.end = items.first().map_or(end, |(item, _)| item.start);
        let mut at = head.range.end;
        if !head.range.is_empty() {
            pieces.push(head);
        }
        for (item, date) in items {
            if at < item.start {
                pieces.push(Section::plain(at..item.start, Kind::Text, ITEM));
            }
            at = item.end;
            pieces.push(Section::plain(item, Kind::Dated(date), ITEM));
        }
        if at < end {
            pieces.push(Section::plain(at..end, Kind::Text, ITEM));
        }
    }
    pieces
}

/// The items with the blank lines behind them, and a separator of ours that stands there: without the item, both would
/// be left over.
fn dated_items(bytes: &[u8], section: &Section, reading: Reading) -> Vec<(Range<usize>, Date)> {
    let text = &bytes[section.range.clone()];
    let skipped = if section.range.start == 0 { markdown::preface(text) } else { 0 };
    let dated = markdown::items(&text[skipped..]).into_iter().filter_map(|item| {
        let item = item.start + skipped..item.end + skipped;
        let date = date_of(&text[item.clone()], reading)?;
        let end = behind(text, item.end);
        Some((section.range.start + item.start..section.range.start + end, date))
    });
    dated.collect()
}

fn date_of(item: &[u8], reading: Reading) -> Option<Date> {
    let line = item.split(|&byte| byte == b'\n').next()?.trim_ascii_start();
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = line.get(digits + 1..).filter(|text| text.first().is_some_and(u8::is_ascii_whitespace))?;
    dated::leading(String::from_utf8_lossy(text).trim_start(), reading.order)
}

/// Where the next line that says something begins.
fn behind(text: &[u8], from: usize) -> usize {
    let mut at = from;
    for line in text[from..].split_inclusive(|&byte| byte == b'\n') {
        let blank = line.iter().all(|byte| b" \t\r\n".contains(byte));
        let ours = at > from && line.trim_ascii_end() == SEPARATOR;
        if !blank && !ours {
            break;
        }
        at += line.len();
        if ours {
            break;
        }
    }
    at
}
