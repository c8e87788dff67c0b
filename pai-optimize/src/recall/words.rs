//! The words of a question, and where a text has them or near forms of them. Pure.

use std::collections::HashMap;

use regex::bytes::{Regex, RegexBuilder};

use crate::summary;

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    /// A word of a text; this is its [`stem`].
    Word(String),
    /// Characters of a script without spaces; they count wherever they stand.
    Part(String),
}

/// All words of a question.
#[derive(Debug)]
pub struct Query {
    terms: Vec<Term>,
    /// The expression that finds every place where one of the words may begin.
    starts: Regex,
}

/// Number of letters by which the places are found where a word may begin. The last letter of a stem may stand for
/// another one (`studi` for `study`), but never one of the first three.
const BEGINNING: usize = 3;

/// One place where a text has a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The number of the word in the question.
    pub term: usize,
    /// The offset at which the word begins.
    pub start: usize,
    /// The offset at which the word ends.
    pub end: usize,
}

impl Query {
    /// Makes a query from what was typed, or `None` if there is no word in it. Words such as `the` count only where
    /// there are no others.
    pub fn new<T: AsRef<str>>(typed: &[T]) -> Option<Self> {
        let mut words: Vec<String> = Vec::new();
        for word in typed.iter().flat_map(|typed| pieces(typed.as_ref())) {
            let word = word.to_lowercase();
            if !words.contains(&word) {
                words.push(word);
            }
        }
        let telling: Vec<String> =
            words.iter().filter(|word| !summary::is_stop_word(word)).cloned().collect();
        let words = if telling.is_empty() { words } else { telling };
        let mut terms: Vec<Term> = Vec::new();
        for word in words {
            let term = if word.chars().all(is_unspaced) { Term::Part(word) } else { Term::Word(stem(&word)) };
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
        let starts: Vec<String> = terms
            .iter()
            .map(|term| match term {
                // Few letters in both cases are few literals, which the expression finds without an automaton.
                Term::Word(stem) => regex::escape(&stem.chars().take(BEGINNING).collect::<String>()),
                Term::Part(part) => regex::escape(part),
            })
            .collect();
        let starts = RegexBuilder::new(&starts.join("|")).case_insensitive(true).build().ok()?;
        (!terms.is_empty()).then_some(Self { terms, starts })
    }

    /// Returns how many different words the question has.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Says whether it has no words. It always has some: [`Query::new`] makes none without.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Calls `each` with every place where `text` has one of the words, in order.
    pub fn hits(&self, text: &[u8], each: impl FnMut(Hit)) {
        self.matcher().hits(text, each);
    }

    /// Begins a search through many texts.
    pub fn matcher(&self) -> Matcher<'_> {
        Matcher { query: self, forms: HashMap::new() }
    }
}

/// A search that remembers which forms of its words it has met: a text has the same few again and again.
#[derive(Debug)]
pub struct Matcher<'q> {
    query: &'q Query,
    /// Words as texts have them, and which word of the question each is a form of.
    forms: HashMap<Vec<u8>, Option<usize>>,
}

/// Number of word forms that are remembered.
const FORMS: usize = 4096;

impl Matcher<'_> {
    /// Returns how many different words it looks for.
    pub fn len(&self) -> usize {
        self.query.len()
    }

    /// Says whether it looks for no words, which never is so.
    pub fn is_empty(&self) -> bool {
        self.query.is_empty()
    }

    /// Calls `each` with every place where `text` has one of the words, in order.
    pub fn hits(&mut self, text: &[u8], mut each: impl FnMut(Hit)) {
        let Query { terms, starts } = self.query;
        let mut at = 0;
        while let Some(found) = starts.find_at(text, at) {
            let start = found.start();
            at = found.end().max(start + 1);
            for (term, wanted) in terms.iter().enumerate() {
                if let Term::Part(part) = wanted
                    && text[start..].starts_with(part.as_bytes())
                {
                    each(Hit { term, start, end: start + part.len() });
                    // Another one may begin with its second character.
                    at = at.min(start + (text[start].leading_ones() as usize).max(1));
                }
            }
            if is_word(before(text, start)) {
                continue;
            }
            let end = word_end(text, start);
            if let Some(term) = self.form(&text[start..end]) {
                each(Hit { term, start, end });
                at = at.max(end);
            }
        }
    }

    /// Returns the number of the question's word that `word` is a form of.
    fn form(&mut self, word: &[u8]) -> Option<usize> {
        if let Some(known) = self.forms.get(word) {
            return *known;
        }
        let found = stem(&String::from_utf8_lossy(word).to_lowercase());
        let is_it = |wanted: &Term| matches!(wanted, Term::Word(stem) if *stem == found);
        let term = self.query.terms.iter().position(is_it);
        if self.forms.len() < FORMS {
            self.forms.insert(word.to_vec(), term);
        }
        term
    }
}

/// Cuts `text` into words and stretches of a script without spaces.
fn pieces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = None;
    let mut last = ' ';
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let goes_on = c.is_alphanumeric() && (start.is_none() || is_unspaced(c) == is_unspaced(last));
        if !goes_on && let Some(begin) = start.take() {
            found.push(&text[begin..at]);
        }
        if c.is_alphanumeric() && start.is_none() {
            start = Some(at);
        }
        last = c;
    }
    found
}

/// Says whether `c` is a letter of a script that puts no spaces between words.
pub fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        && c.is_alphanumeric()
}

/// Returns the character right before byte `at`. Text that is no UTF-8 has none.
fn before(text: &[u8], at: usize) -> Option<char> {
    let last = *text[..at].last()?;
    if last.is_ascii() {
        return Some(char::from(last));
    }
    let from = at.saturating_sub(4);
    (from..at).find_map(|from| std::str::from_utf8(&text[from..at]).ok()?.chars().next_back())
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() && !is_unspaced(c))
}

fn word_end(text: &[u8], start: usize) -> usize {
    let ascii = text[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let end = start + ascii;
    if text.get(end).is_none_or(u8::is_ascii) {
        return end;
    }
    let rest = &text[end..text.len().min(end + 200)];
    let valid = match std::str::from_utf8(rest) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
    };
    end + valid
        .chars()
        .take_while(|c| c.is_alphanumeric() && !is_unspaced(*c))
        .map(char::len_utf8)
        .sum::<usize>()
}

/// Returns what the near forms of a word have in common: plural, `-ed` and `-ing` go, so does a final `e`. `word` is in
/// lower case.
pub fn stem(word: &str) -> String {
    if word.chars().count() < 4 || word.bytes().any(|byte| byte.is_ascii_digit()) {
        return word.to_owned();
    }
    let long = |rest: &&str| rest.chars().count() >= 3;
    let hissing = |rest: &str| ["s", "x", "z", "ch", "sh"].iter().any(|end| rest.ends_with(end));
    let kept = ["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    let mut rest = if let Some(rest) = word.strip_suffix("ies").filter(long) {
        format!("{rest}i")
    } else if let Some(rest) = word.strip_suffix("es").filter(|rest| long(rest) && hissing(rest)) {
        rest.to_owned()
    } else if let Some(rest) = word.strip_suffix('s').filter(|rest| long(rest) && !kept) {
        rest.to_owned()
    } else {
        word.to_owned()
    };
    let shorter = rest.strip_suffix("ing").or_else(|| rest.strip_suffix("ed")).filter(long);
    if let Some(shorter) = shorter.map(str::to_owned) {
        let mut last = shorter.chars().rev();
        let doubled = last.next().is_some_and(|c| last.next() == Some(c) && !"aeiouls".contains(c));
        rest = if doubled { shorter[..shorter.len() - 1].to_owned() } else { shorter };
    }
    if let Some(shorter) = rest.strip_suffix('e').filter(long) {
        rest = shorter.to_owned();
    } else if let Some(shorter) = rest.strip_suffix('y').filter(long) {
        rest = format!("{shorter}i");
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_forms_of_a_word_are_one() {
        for forms in [
            vec!["lease", "leases", "leased", "leasing"],
            vec!["backup", "backups"],
            vec!["plan", "plans", "planned", "planning"],
            vec!["study", "studies", "studied", "studying"],
            vec!["box", "boxes", "boxed"],
            vec!["call", "calls", "called", "calling"],
            vec!["make", "makes", "making"],
            vec!["status"],
            vec!["process", "processes", "processed"],
        ] {
            let stems: Vec<String> = forms.iter().map(|form| stem(form)).collect();
            assert!(stems.iter().all(|found| *found == stems[0]), "{forms:?}: {stems:?}");
        }
        for (one, other) in [("lease", "least"), ("thing", "the"), ("red", "read"), ("sing", "single")] {
            assert_ne!(stem(one), stem(other));
        }
    }

    fn found(query: &[&str], text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Query::new(query)
            .unwrap()
            .hits(text.as_bytes(), |hit| found.push(text[hit.start..hit.end].to_owned()));
        found
    }

    #[test]
    fn words_are_found_whole_in_any_case_and_script() {
        for (query, text, hits) in [
            (vec!["lease"], "Leases, RELEASE, lease2, leased.", vec!["Leases", "leased"]),
            (vec!["key Lease"], "the lease; keys", vec!["lease", "keys"]),
            (vec!["the", "lease"], "the lease", vec!["lease"]),
            (vec!["the"], "the lease", vec!["the"]),
            (vec!["备份"], "服务器备份完成，备份两次", vec!["备份", "备份"]),
            (vec!["备份服务", "服务器"], "备份服务器", vec!["备份服务", "服务器"]),
            (vec!["nginx备份"], "部署nginx的备份", vec!["nginx", "备份"]),
            (vec!["ÄRGER"], "Viel Ärger, Verärgert", vec!["Ärger"]),
            (vec!["studies"], "I study. Studying!", vec!["study", "Studying"]),
            (vec!["copies"], "A copy, copied. Cops cope.", vec!["copy", "copied"]),
            (vec!["v1.2"], "version v1, 2", vec!["v1", "2"]),
            (vec!["サーバー"], "サーバーを移した", vec!["サーバー"]),
        ] {
            assert_eq!(found(&query, text), hits, "{query:?} in {text:?}");
        }
        assert!(Query::new(&["..."]).is_none() && Query::new::<&str>(&[]).is_none());
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let mut found = 0;
        Query::new(&["lease"]).unwrap().hits(b"\xff\xfelease\xff lease\xc3", |_| found += 1);
        assert_eq!(found, 2);
    }
}
