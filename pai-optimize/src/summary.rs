//! One line out of many: extractive, linear time, the same for the same text. Pure.
//!
//! Sentences and list items are scored by how often their words occur in the whole text, with a length
//! normalisation and a small prior for the beginning; a few sentences are simply led with. All arithmetic is in
//! integers and ties go to the earlier one, so two machines agree.

mod units;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use self::units::Unit;

/// What the published script wrote for an empty section.
pub const EMPTY: &str = "No details recorded.";

/// The most telling sentences of `texts`, in their order, in at most `limit` characters.
pub fn line(texts: &[&[u8]], limit: usize) -> String {
    let decoded: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
    let mut units: Vec<Unit<'_>> = Vec::new();
    for text in &decoded {
        units::split(text, &mut units);
    }
    let scores = score(&units);
    let mut order: Vec<usize> = (0..units.len()).filter(|&unit| scores[unit] > 0).collect();
    if order.is_empty() {
        order = (0..units.len()).collect();
    } else if order.len() > 3 {
        order.sort_by_key(|&unit| (std::cmp::Reverse(scores[unit]), unit));
    }
    let chosen = fill(&units, &order, limit);
    if chosen.is_empty() { cut(EMPTY, limit) } else { cut(&chosen, limit) }
}

/// Takes units in `order` while they fit, and gives them back in the text's own order.
fn fill(units: &[Unit<'_>], order: &[usize], limit: usize) -> String {
    let mut chosen: Vec<(usize, String)> = Vec::new();
    let mut room = limit;
    // After a handful that do not fit, no shorter one is worth the search through a whole year.
    for &unit in order.iter().take(12) {
        let text = units::plain(units[unit].text);
        let length = text.chars().count() + 1;
        if text.is_empty() || (length > room && !chosen.is_empty()) {
            continue;
        }
        room = room.saturating_sub(length);
        chosen.push((unit, text));
    }
    chosen.sort_by_key(|(unit, _)| *unit);
    chosen.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

/// `text` in at most `limit` characters, cut after a whole word and closed with an ellipsis.
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(1);
    let end = text.char_indices().nth(room).map_or(text.len(), |(at, _)| at);
    let whole = match text[..end].rfind(' ') {
        _ if text[end..].starts_with(' ') => end,
        // One endless word is cut where the room ends.
        Some(space) if space > end / 2 => space,
        _ => end,
    };
    let kept = text[..whole].trim_end_matches(|c: char| c.is_whitespace() || ",;:-–—(".contains(c));
    if limit == 0 { String::new() } else { format!("{kept}…") }
}

/// A score for each unit; 0 for a fragment of fewer than four content words.
fn score(units: &[Unit<'_>]) -> Vec<u64> {
    let mut ids: HashMap<u64, u32, BuildHasherDefault<AsIs>> = HashMap::default();
    let mut counts: Vec<u32> = Vec::new();
    let mut words: Vec<u32> = Vec::new();
    let mut ends = Vec::with_capacity(units.len());
    for word in STOP_WORDS {
        ids.insert(hash(word.as_bytes()), u32::MAX);
    }
    for unit in units {
        for_each_word(unit.text.as_bytes(), |word| {
            let id = *ids.entry(word).or_insert_with(|| {
                counts.push(0);
                counts.len() as u32 - 1
            });
            if id != u32::MAX {
                counts[id as usize] += 1;
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
        let weight: u64 = mine.iter().map(|&id| u64::from(counts[id as usize])).sum();
        // The prior: the first sentence counts a fifth more than the last.
        let prior = 100 + 20 * (total - number as u64) / total;
        weight * 1000 * prior / (mine.len() as u64 + 4)
    };
    ends.iter().enumerate().map(score).collect()
}

/// Calls `each` with the hash of every word of three letters or more, in lower case. Bytes outside ASCII count as letters.
fn for_each_word(text: &[u8], mut each: impl FnMut(u64)) {
    let mut state = FNV;
    let mut length = 0;
    for &byte in text {
        if byte.is_ascii_alphanumeric() || byte >= 0x80 {
            state = (state ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(FNV_PRIME);
            length += 1;
        } else {
            if length >= 3 {
                each(state);
            }
            state = FNV;
            length = 0;
        }
    }
    if length >= 3 {
        each(state);
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
    fn sentences_about_the_common_subject_win() {
        let text = "## 2025-09-01\nThe weather stayed grey all morning long. The backup server lost its second disk. \
            Lunch happened around noon somewhere nice. We ordered a new disk for the backup server today. \
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
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_one_line_within_the_limit(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            limit in 1usize..200,
        ) {
            let summary = line(&[&bytes], limit);
            proptest::prop_assert!(summary.chars().count() <= limit);
            proptest::prop_assert!(!summary.chars().any(char::is_control));
            proptest::prop_assert_eq!(&summary, &line(&[&bytes], limit));
        }
    }
}
