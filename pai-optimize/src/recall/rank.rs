//! Which entry answers a question best: BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and
//! Beyond", 2009), an entry's length being its bytes. Pure.

use super::words::Matcher;

/// How soon a word that comes again counts no more.
const K1: f64 = 1.2;
/// How much a long entry is held against it.
const B: f64 = 0.75;
/// A word of a heading counts as often as this.
const HEADING: u32 = 4;

/// How often one entry has the words of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// How often the entry has each word.
    pub counts: Vec<u32>,
    /// The entry's length in bytes.
    pub length: usize,
}

impl Tally {
    /// Counts the words that `matcher` looks for in `text`.
    pub fn of(matcher: &mut Matcher<'_>, text: &[u8]) -> Self {
        let mut counts = vec![0_u32; matcher.len()];
        matcher.hits(text, |hit| {
            let line = memchr::memrchr(b'\n', &text[..hit.start]).map_or(0, |feed| feed + 1);
            let weight = if text[line..].trim_ascii_start().first() == Some(&b'#') { HEADING } else { 1 };
            counts[hit.term] = counts[hit.term].saturating_add(weight);
        });
        Self { counts, length: text.len() }
    }

    /// Says whether the entry has all words.
    pub fn is_whole(&self) -> bool {
        self.counts.iter().all(|&count| count > 0)
    }
}

/// The counts of all entries together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many entries there are.
    pub entries: usize,
    /// How many bytes they have.
    pub bytes: usize,
    /// How many entries have each word.
    pub having: Vec<usize>,
}

impl Totals {
    /// Adds the counts of one entry.
    pub fn add(&mut self, tally: &Tally) {
        self.entries += 1;
        self.bytes += tally.length;
        self.having.resize(tally.counts.len(), 0);
        for (having, &count) in self.having.iter_mut().zip(&tally.counts) {
            *having += usize::from(count > 0);
        }
    }

    /// Adds the counts of another thread.
    pub fn merge(&mut self, other: &Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
        self.having.resize(self.having.len().max(other.having.len()), 0);
        for (having, more) in self.having.iter_mut().zip(&other.having) {
            *having += more;
        }
    }

    /// Returns how much a word tells: the rarer, the more.
    pub fn weight(&self, term: usize) -> f64 {
        let having = self.having.get(term).copied().unwrap_or(0) as f64;
        (1.0 + (self.entries as f64 - having + 0.5) / (having + 0.5)).ln()
    }

    /// Returns the score of an entry.
    pub fn score(&self, tally: &Tally) -> f64 {
        let average = (self.bytes as f64 / self.entries.max(1) as f64).max(1.0);
        let length = 1.0 - B + B * tally.length as f64 / average;
        let score = |(term, &count): (usize, &u32)| {
            let count = f64::from(count);
            self.weight(term) * count * (K1 + 1.0) / (count + K1 * length)
        };
        tally.counts.iter().enumerate().map(score).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::recall::words::Query;

    const WORDS: [&str; 9] =
        ["lease", "harbour", "sonar", "backup", "bicycle", "the", "服务器", "key", "deploy"];

    /// The formula as it is in the paper, over words split at spaces.
    fn plain(entries: &[Vec<(bool, Vec<&str>)>], query: &[&str]) -> Vec<usize> {
        let text = |entry: &[(bool, Vec<&str>)]| written(entry).len() as f64;
        let count = |entry: &[(bool, Vec<&str>)], word: &str| -> f64 {
            entry
                .iter()
                .map(|(heading, words)| {
                    let found = words.iter().filter(|other| **other == word).count();
                    (found * if *heading { HEADING as usize } else { 1 }) as f64
                })
                .sum()
        };
        let total = entries.len() as f64;
        let average = entries.iter().map(|entry| text(entry)).sum::<f64>() / total;
        let mut scores: BTreeMap<usize, f64> = BTreeMap::new();
        for (number, entry) in entries.iter().enumerate() {
            if query.iter().any(|word| count(entry, word) == 0.0) {
                continue;
            }
            let score = query.iter().map(|word| {
                let having = entries.iter().filter(|entry| count(entry, word) > 0.0).count() as f64;
                let idf = ((total - having + 0.5) / (having + 0.5) + 1.0).ln();
                let often = count(entry, word);
                idf * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * text(entry) / average))
            });
            scores.insert(number, score.sum());
        }
        let mut order: Vec<usize> = scores.keys().copied().collect();
        order.sort_by(|a, b| scores[b].total_cmp(&scores[a]).then(a.cmp(b)));
        order
    }

    fn written(entry: &[(bool, Vec<&str>)]) -> String {
        let line = |(heading, words): &(bool, Vec<&str>)| {
            format!("{}{}\n", if *heading { "# " } else { "" }, words.join(" "))
        };
        entry.iter().map(line).collect()
    }

    fn ours(texts: &[String], query: &[&str]) -> Vec<usize> {
        let query = Query::new(query).unwrap();
        let mut matcher = query.matcher();
        let tallies: Vec<Tally> = texts.iter().map(|text| Tally::of(&mut matcher, text.as_bytes())).collect();
        let mut totals = Totals::default();
        for tally in &tallies {
            totals.add(tally);
        }
        let mut order: Vec<usize> = (0..texts.len()).filter(|&number| tallies[number].is_whole()).collect();
        order.sort_by(|&a, &b| {
            totals.score(&tallies[b]).total_cmp(&totals.score(&tallies[a])).then(a.cmp(&b))
        });
        order
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_plain_formula(
            entries in prop::collection::vec(
                prop::collection::vec((prop::bool::weighted(0.2), prop::collection::vec(prop::sample::select(&WORDS[..]), 1..8)), 1..6), 1..12),
            query in prop::sample::subsequence(&["lease", "harbour", "sonar", "backup", "服务器"][..], 1..4),
        ) {
            let texts: Vec<String> = entries.iter().map(|entry| written(entry)).collect();
            prop_assert_eq!(ours(&texts, &query), plain(&entries, &query), "{:?} {:?}", texts, query);
        }
    }

    /// How often each word stands in a text, at whatever character it begins.
    fn plain_counts(text: &str, query: &[String]) -> Vec<u32> {
        let in_line = |line: &str, word: &str| {
            let found = line.char_indices().filter(|(at, _)| line[*at..].starts_with(word)).count() as u32;
            if line.starts_with('#') { found * HEADING } else { found }
        };
        query.iter().map(|word| text.lines().map(|line| in_line(line, word)).sum()).collect()
    }

    proptest! {
        #[test]
        fn without_spaces_a_word_is_found_wherever_it_stands(
            lines in prop::collection::vec("#? ?[备份服务器，a ]{0,12}", 1..5),
            words in prop::collection::vec("[备份服务器]{1,3}", 1..4),
        ) {
            let (text, mut query) = (lines.join("\n"), words);
            query.sort();
            query.dedup();
            let tally = Tally::of(&mut Query::new(&query).unwrap().matcher(), text.as_bytes());
            // A line of one hash and no blank is no heading, but who would tell it from one?
            prop_assert_eq!(tally.counts, plain_counts(&text, &query), "{:?} in {:?}", query, text);
        }
    }

    #[test]
    fn rare_words_short_entries_and_headings_win() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        let order =
            ours(&texts(&["the lease and more and more and more", "lease", "no", "# lease\n"]), &["lease"]);
        assert_eq!(order, [3, 1, 0]);
        assert!(ours(&texts(&["lease", "key"]), &["lease", "key"]).is_empty(), "all words must be there");
    }
}
