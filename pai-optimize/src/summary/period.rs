//! What a month or a year was about: its most frequent titles and words. Pure.

use std::collections::HashMap;

use super::units::{self, Unit, plain};
use super::{columns, cut, is_noise, line, score, sentences, structure};
use crate::dated;

/// Titles are told apart up to here.
const TITLES: usize = 200_000;

/// What `days`, each with its texts, were about, in at most `limit` columns. A single day is told as a day is.
pub fn period(days: usize, texts: &[&[u8]], limit: usize) -> String {
    if days < 2 {
        return line(texts, limit);
    }
    let decoded: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
    let mut titles: HashMap<String, (usize, usize, String)> = HashMap::new();
    let mut units: Vec<Unit<'_>> = Vec::new();
    for text in &decoded {
        for title in structure::outside_fences(text).filter_map(structure::heading) {
            let title = dated::title(&plain(title), None);
            let next = titles.len();
            if !title.is_empty() && !is_noise(&title) && next < TITLES {
                titles.entry(title.to_lowercase()).or_insert((0, next, title)).0 += 1;
            }
        }
        units::split(text, &mut units);
    }
    let named = frequent_titles(titles.into_values().collect(), limit * 2 / 3);
    let words =
        frequent_words(&units, &named, if named.is_empty() { limit / 3 } else { limit - columns(&named) });
    let said: Vec<String> = [named.clone(), words].into_iter().filter(|part| !part.is_empty()).collect();
    let said = said.join("; ");
    let room = limit.saturating_sub(columns(&said) + 3);
    if !named.is_empty() || room < 30 {
        return cut(&said, limit);
    }
    // Nobody gave these days a title: a sentence says more than words alone.
    match (said.is_empty(), sentences(&units, if said.is_empty() { limit } else { room })) {
        (true, sentence) if sentence.is_empty() => cut(super::EMPTY, limit),
        (true, sentence) => cut(&sentence, limit),
        (false, sentence) if sentence.is_empty() => cut(&said, limit),
        (false, sentence) => format!("{said}: {}", cut(&sentence, room)),
    }
}

/// `Harbour survey (5), Lease, Keys`: the most frequent first, of those the earliest.
fn frequent_titles(mut titles: Vec<(usize, usize, String)>, limit: usize) -> String {
    titles.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut out = String::new();
    for (count, _, title) in titles.into_iter().take(12) {
        let told = if count > 1 { format!("{title} ({count})") } else { title };
        let joint = if out.is_empty() { "" } else { ", " };
        if columns(&out) + joint.len() + columns(&told) <= limit {
            out.push_str(joint);
            out.push_str(&told);
        }
    }
    out
}

/// The most frequent words that no title has said yet, if they come more than once.
fn frequent_words(units: &[Unit<'_>], said: &str, limit: usize) -> String {
    let said = said.to_lowercase();
    let mut words = score(units).words;
    words.retain(|(count, ..)| *count > 1);
    words.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, a.2.start).cmp(&(b.1, b.2.start))));
    let mut out: Vec<String> = Vec::new();
    let mut room = limit.saturating_sub(2);
    for (_, unit, range) in words.into_iter().take(40) {
        let word = units[unit].text[range].to_lowercase();
        let telling = word.chars().all(char::is_alphabetic) && !is_function_word(&word);
        let telling = telling && !said.contains(&word) && !out.contains(&word);
        if telling && out.len() < 5 && columns(&word) + 2 <= room {
            room -= columns(&word) + 2;
            out.push(word);
        }
    }
    out.join(", ")
}

/// Whether a word of another language than English only holds a sentence together. In a script without spaces a word is
/// two neighbouring characters here, and one of these is half of none.
fn is_function_word(word: &str) -> bool {
    FUNCTION_WORDS.contains(&word) || word.chars().any(|c| PARTICLES.contains(c))
}

/// German and Norwegian ones of three letters and more.
const FUNCTION_WORDS: [&str; 44] = [
    "aber", "alle", "auch", "auf", "aus", "bei", "bis", "das", "dem", "den", "der", "des", "die", "ein",
    "eine", "einen", "er", "für", "hat", "ich", "ist", "mit", "nach", "nicht", "noch", "nur", "sich", "sie",
    "sind", "und", "vom", "von", "wie", "wir", "zum", "zur", "alt", "det", "ikke", "med", "men", "på", "som",
    "til",
];

/// Chinese and Japanese ones.
const PARTICLES: &str = "的了是在和与也就都不一个这那有把被着过はをにがでともへやのかなしたてるい";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_gives_no_titles_and_function_words_tell_nothing() {
        let texts = [
            "## 2025-08-01\n~~~\n## no title\n~~~\nDie Säge und die Leiter.\n",
            "## 2025-08-02\nDie Säge, die alte. 修好了水泵。\n",
            "## 2025-08-03\nNoch eine Säge. 修好了水泵。\n",
        ];
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let line = period(3, &texts, 160);
        assert!(line.starts_with("säge, 修好, 水泵: "), "{line}");
    }

    #[test]
    fn the_most_frequent_titles_lead_and_words_follow() {
        let texts = [
            "## 2025-08-01\n### Harbour survey\nThe sonar reached the channel.\n",
            "### Harbour survey (2025-08-02)\nThe sonar broke.\n",
            "### Lease (2025-08-03)\nSigned. The channel again, and the sonar.\n",
        ];
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        assert_eq!(period(3, &texts, 160), "Harbour survey (2), Lease; sonar, channel");
        assert_eq!(period(1, &texts[..1], 160), "Harbour survey. The sonar reached the channel.");
    }

    #[test]
    fn days_without_titles_are_told_by_words_and_one_sentence_never_one_twice() {
        let day = "## 2025-08-01\nWorked on the harbour survey with the team today.\n";
        let texts = vec![day.as_bytes(); 5];
        assert_eq!(
            period(5, &texts, 160),
            "worked, harbour, survey, team, today: Worked on the harbour survey with the team today."
        );
        assert_eq!(period(2, &[b"".as_slice(), b""], 160), super::super::EMPTY);
    }
}
