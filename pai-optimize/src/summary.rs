//! One line out of many: extractive, linear time, the same for the same text. Pure.
//!
//! What has headings or bold labels has said itself what it is about: these come first. Sentences and list items are
//! scored by how often their words occur in the whole text, with a length normalisation and a small prior for the
//! beginning; a few sentences are simply led with. All arithmetic is in integers and ties go to the earlier one, so two
//! machines agree. Lengths are columns of a terminal: a Chinese character is two.

mod period;
mod structure;
mod units;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use self::period::period;
use self::structure::{Structure, is_noise};
use self::units::Unit;
use crate::recall::words::is_unspaced;

/// The line that the published script wrote for an empty section.
pub const EMPTY: &str = "No details recorded.";

/// Fewer columns than this behind the headings are left empty.
const WORTHWHILE: usize = 30;

/// Returns one line of at most `limit` columns: the headings and labels of `texts`, and their most telling sentences.
pub fn line(texts: &[&[u8]], limit: usize) -> String {
    let decoded: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
    let mut structure = Structure::default();
    let mut units: Vec<Unit<'_>> = Vec::new();
    for text in &decoded {
        structure.add(text);
        units::split(text, &mut units);
    }
    let named = listed(&structure.parts(), limit);
    let room = limit.saturating_sub(columns(&named) + 2);
    if !named.is_empty() && room < WORTHWHILE {
        return named;
    }
    let chosen = sentences(&units, if named.is_empty() { limit } else { room });
    match (named.is_empty(), chosen.is_empty()) {
        (true, true) => cut(EMPTY, limit),
        (true, false) => cut(&chosen, limit),
        (false, true) => named,
        (false, false) if is_noise(&chosen) => named,
        // The first of them may be longer than the room.
        (false, false) => format!("{named}. {}", cut(&chosen, room)),
    }
}

/// Returns the heading that a text begins with: what it is called.
pub fn heading(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines().map(|line| line.trim_start_matches('\u{feff}').trim());
    let first = lines.find(|line| !line.is_empty())?;
    structure::heading(first).map(units::plain)
}

/// Joins as many of `parts` as there is room for.
fn listed(parts: &[String], limit: usize) -> String {
    let mut out = String::new();
    for (number, part) in parts.iter().enumerate() {
        let joint = if number == 0 { "" } else { "; " };
        if columns(&out) + joint.len() + columns(part) > limit.saturating_sub(2) {
            // One that says more than there is room for is cut, if it is the only one.
            return if number == 0 { cut(part, limit) } else { out + "; …" };
        }
        out.push_str(joint);
        out.push_str(part);
    }
    out
}

/// Returns the best units that fit; the first of them even if it does not.
fn sentences(units: &[Unit<'_>], limit: usize) -> String {
    let scores = score(units).scores;
    let mut order: Vec<usize> = (0..units.len()).filter(|&unit| scores[unit] > 0).collect();
    if order.is_empty() {
        order = (0..units.len()).collect();
    } else if order.len() > 3 {
        order.sort_by_key(|&unit| (std::cmp::Reverse(scores[unit]), unit));
    }
    fill(units, &order, limit)
}

/// Takes units in `order` while they fit, and gives them back in the text's own order. Bare paths and addresses only
/// where there is nothing else.
fn fill(units: &[Unit<'_>], order: &[usize], limit: usize) -> String {
    let mut chosen: Vec<(usize, String)> = Vec::new();
    let mut noise: Vec<(usize, String)> = Vec::new();
    let mut room = limit;
    // After a handful that do not fit, no shorter one is worth the search through a whole year.
    let mut tries = 12;
    for &unit in order.iter().take(120) {
        let text = units::plain(units[unit].text);
        if is_noise(&text) {
            noise.push((unit, text));
            continue;
        }
        if tries == 0 {
            break;
        }
        tries -= 1;
        let length = columns(&text) + 1;
        let again = chosen.iter().any(|(_, other)| *other == text);
        if text.is_empty() || again || (length > room && !chosen.is_empty()) {
            continue;
        }
        room = room.saturating_sub(length);
        chosen.push((unit, text));
    }
    if chosen.is_empty() {
        chosen.extend(noise.into_iter().next());
    }
    chosen.sort_by_key(|(unit, _)| *unit);
    let mut line = String::new();
    for (_, text) in chosen {
        // A script without spaces has none between sentences either.
        if !line.is_empty() && !line.ends_with(['。', '！', '？']) {
            line.push(' ');
        }
        line.push_str(&text);
    }
    line
}

/// Returns how many columns of a terminal `text` takes.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// Shortens `text` to at most `limit` columns, cut after a whole word and closed with an ellipsis.
pub fn cut(text: &str, limit: usize) -> String {
    if columns(text) <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(1);
    let mut taken = 0;
    let end = text.char_indices().find(|(_, c)| {
        taken += c.width().unwrap_or(0);
        taken > room
    });
    let end = end.map_or(text.len(), |(at, _)| at);
    let whole = match text[..end].rfind(' ') {
        _ if text[end..].starts_with(' ') => end,
        // One endless word is cut where the room ends.
        Some(space) if space > end / 2 => space,
        _ => end,
    };
    // Neither half of what a joiner or a mark puts together.
    let whole = text[..whole].trim_end_matches(['\u{200d}', '\u{fe0f}']).len();
    let kept = text[..whole].trim_end_matches(|c: char| c.is_whitespace() || ",;:-–—(".contains(c));
    if limit == 0 { String::new() } else { format!("{kept}…") }
}

/// Says whether a word says nothing of its own.
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(&word)
}

/// The scores of some units, and the counts of their words.
#[derive(Debug, Default)]
struct Scores {
    /// The score of each unit; 0 for a fragment of fewer than four content words.
    scores: Vec<u64>,
    /// How often each word occurs, and where it stands first: a unit, and a range of its text.
    words: Vec<(u32, usize, std::ops::Range<usize>)>,
}

fn score(units: &[Unit<'_>]) -> Scores {
    let mut ids: HashMap<u64, u32, BuildHasherDefault<AsIs>> = HashMap::default();
    let mut counts: Vec<(u32, usize, std::ops::Range<usize>)> = Vec::new();
    let mut words: Vec<u32> = Vec::new();
    let mut ends = Vec::with_capacity(units.len());
    for word in STOP_WORDS {
        ids.insert(hash(word.as_bytes()), u32::MAX);
    }
    for (number, unit) in units.iter().enumerate() {
        for_each_word(unit.text, |word, range| {
            let id = *ids.entry(word).or_insert_with(|| {
                counts.push((0, number, range));
                counts.len() as u32 - 1
            });
            if id != u32::MAX {
                counts[id as usize].0 += 1;
                words.push(id);
            }
        });
        ends.push(words.len());
    }
    let mut start = 0;
    let total = units.len() as u64;
    let score = |(number, &end): (usize, &usize)| {
        let mine = &words[start..end];
        start = end;
        if mine.len() < 4 {
            return 0;
        }
        let weight: u64 = mine.iter().map(|&id| u64::from(counts[id as usize].0)).sum();
        // The prior: the first sentence counts a fifth more than the last.
        let prior = 100 + 20 * (total - number as u64) / total;
        weight * 1000 * prior / (mine.len() as u64 + 4)
    };
    let scores = ends.iter().enumerate().map(score).collect();
    Scores { scores, words: counts }
}

/// Calls `each` with the hash of every word of three letters or more, in lower case, and with its place. Bytes outside
/// ASCII count as letters, but a script without spaces has words of two characters each.
fn for_each_word(text: &str, mut each: impl FnMut(u64, std::ops::Range<usize>)) {
    let bytes = text.as_bytes();
    let mut state = FNV;
    let mut start = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        // The first character of a script without spaces has one of these as its first byte.
        if byte >= 0xe0 && text[at..].chars().next().is_some_and(is_unspaced) {
            if at - start >= 3 {
                each(state, start..at);
            }
            let run = text[at..].find(|c| !is_unspaced(c)).map_or(text.len(), |end| at + end);
            pairs(text, at..run, &mut each);
            (at, start, state) = (run, run, FNV);
            continue;
        }
        if byte.is_ascii_alphanumeric() || byte >= 0x80 {
            state = (state ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(FNV_PRIME);
        } else {
            if at - start >= 3 {
                each(state, start..at);
            }
            (state, start) = (FNV, at + 1);
        }
        at += 1;
    }
    if at - start >= 3 {
        each(state, start..at);
    }
}

/// Every two neighbours of a stretch without spaces.
fn pairs(text: &str, run: std::ops::Range<usize>, each: &mut impl FnMut(u64, std::ops::Range<usize>)) {
    let starts: Vec<usize> = text[run.clone()].char_indices().map(|(at, _)| run.start + at).collect();
    for (number, &start) in starts.iter().enumerate() {
        if number + 1 < starts.len() {
            let end = starts.get(number + 2).copied().unwrap_or(run.end);
            each(hash(&text.as_bytes()[start..end]), start..end);
        }
    }
}

const FNV: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn hash(word: &[u8]) -> u64 {
    word.iter().fold(FNV, |state, &byte| (state ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// The keys are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash ^ (hash >> 32);
    }
}

#[rustfmt::skip]
const STOP_WORDS: [&str; 92] = [
    "about", "after", "again", "all", "also", "and", "any", "are", "because", "been", "before", "being",
    "but", "can", "could", "did", "does", "done", "down", "each", "for", "from", "get", "got", "had", "has",
    "have", "her", "here", "him", "his", "how", "into", "its", "just", "like", "made", "make", "may", "might",
    "more", "most", "much", "must", "not", "now", "off", "one", "only", "other", "our", "out", "over", "own",
    "same", "see", "she", "should", "some", "such", "than", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "those", "too", "two", "under", "until", "use", "used", "very", "was", "were",
    "what", "when", "where", "which", "while", "who", "why", "will", "with", "would", "you", "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        line(&[text.as_bytes()], 160)
    }

    #[test]
    fn a_few_sentences_are_led_with_and_markup_goes() {
        for (text, expected) in [
            ("## 2025-09-01\n", EMPTY),
            ("## 2025-09-01\n- Call Anna about the lease\n", "Call Anna about the lease"),
            (
                "2025-09-01\n---\nMoved *everything* to `src/main.rs`, see [the notes](n.md).\n",
                "Moved everything to src/main.rs, see the notes.",
            ),
            (
                "## 2025-09-01\n- [x] Paid 120.50 EUR on 2025-08-31 to Dr. Ada Byron\n<!-- hidden\nnote -->\n",
                "Paid 120.50 EUR on 2025-08-31 to Dr. Ada Byron",
            ),
            ("## 2025-09-01\n```\nlet x = 1;\n```\n", "let x = 1;"),
            ("## 2025-09-01\nok\n", "ok"),
            (
                "## 2025-09-01\n\nFirst one here.\n\nSecond one\nover two lines.\n\n- third\n\n",
                "First one here. Second one over two lines. third",
            ),
            (
                "## 2025-09-01\ntext\n\n---\n\n***\nmore\n***\n| a | b |\n|---|---|\n| c | d |\n",
                "text more a b c d",
            ),
        ] {
            assert_eq!(of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn headings_and_labels_come_first_and_bare_paths_last() {
        for (text, expected) in [
            (
                "## 2026-03-06\n\n### Channel progress\nhttps://example.org/a\n### Skill updates\n- Path: skills/x/SKILL.md\n### Reference tracks\n",
                "Channel progress; Skill updates; Reference tracks",
            ),
            (
                "## 2026-03-06\n### Workspace sync\nMoved all notes to the new disk today.\n",
                "Workspace sync. Moved all notes to the new disk today.",
            ),
            (
                "## 2026-03-06\n- **Lease:** signed it\n- **Keys:** on Friday\n",
                "Lease; Keys. Lease: signed it Keys: on Friday",
            ),
            ("## 2026-03-06\n- /srv/a/b.png\n- Ferns on the porch\n", "Ferns on the porch"),
            ("## 2026-03-06\n- /srv/a/b.png\n", "/srv/a/b.png"),
            (
                "## 2026-03-06\nAsk [[People|Ada]] about [[Harbour survey]].\n",
                "Ask Ada about Harbour survey.",
            ),
            ("## 2026-03-06\n今天部署了服务器。备份完成！\n", "今天部署了服务器。备份完成！"),
        ] {
            assert_eq!(of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn chinese_sentences_are_scored_by_pairs_of_characters() {
        let text = "## 2026-03-06\n今天天气很好没有下雨。备份服务器坏了一块硬盘。午饭在外面吃了面条。今天给备份服务器订了新硬盘。备份服务器晚上重建硬盘阵列。大家都去睡觉了明天再看。";
        let summary = line(&[text.as_bytes()], 50);
        assert!(summary.contains("备份服务器") && !summary.contains("午饭"), "{summary}");
        assert!(columns(&summary) <= 50, "{summary}");
    }

    #[test]
    fn sentences_about_the_common_subject_win() {
        let text = "## 2025-09-01\nThe weather stayed grey all morning long. The backup server lost its second disk. \
            Lunch happened input noon somewhere nice. We ordered a new disk for the backup server today. \
            The backup server rebuilds its disk array overnight.";
        let summary = of(text);
        assert!(summary.contains("backup server") && !summary.contains("Lunch"), "{summary}");
    }

    #[test]
    fn a_line_is_cut_after_a_word() {
        let text = format!("## 2025-09-01\n{}", "word ".repeat(100));
        let summary = of(&text);
        assert!(summary.ends_with("word…") && summary.chars().count() <= 160, "{summary}");
        assert_eq!(cut("ääää bbbb", 6), "ääää…");
        assert_eq!(cut(&"x".repeat(20), 5), "xxxx…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(cut("服务器备份", 6), "服务…");
        assert_eq!(cut("🚀🚀🚀", 4), "🚀…");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_one_line_within_the_limit(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            limit in 1usize..200,
        ) {
            let summary = line(&[&bytes], limit);
            proptest::prop_assert!(columns(&summary) <= limit);
            proptest::prop_assert!(!summary.chars().any(char::is_control));
            proptest::prop_assert_eq!(&summary, &line(&[&bytes], limit));
        }
    }
}
