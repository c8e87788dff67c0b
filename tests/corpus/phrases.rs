//! Titles and sentences, filled from `phrases/LANGUAGE.txt`.

use super::random::Random;
use crate::repository;

/// What one language has to say.
#[derive(Debug, Default)]
pub(super) struct Phrases {
    who: Vec<String>,
    place: Vec<String>,
    what: Vec<String>,
    titles: Vec<String>,
    sentences: Vec<String>,
}

/// All languages.
pub(super) fn all() -> Vec<Phrases> {
    ["en", "de", "no", "zh", "ja"].map(Phrases::read).into()
}

impl Phrases {
    fn read(language: &str) -> Self {
        let path = repository().join(format!("tests/corpus/phrases/{language}.txt"));
        let text = std::fs::read_to_string(path).expect("the phrases are there");
        let mut phrases = Self::default();
        for line in text.lines() {
            let (kind, rest) = line.split_once(": ").expect("each line has a kind");
            let words = || rest.split([',', '，', '、']).map(|word| word.trim().to_owned());
            match kind {
                "who" => phrases.who.extend(words()),
                "where" => phrases.place.extend(words()),
                "what" => phrases.what.extend(words()),
                "title" => phrases.titles.push(rest.to_owned()),
                _ => phrases.sentences.push(rest.to_owned()),
            }
        }
        phrases
    }

    pub(super) fn title(&self, random: &mut Random) -> String {
        self.fill(random.pick(&self.titles), random)
    }

    pub(super) fn sentence(&self, random: &mut Random) -> String {
        self.fill(random.pick(&self.sentences), random)
    }

    fn fill(&self, template: &str, random: &mut Random) -> String {
        let what = random.pick(&self.what);
        let mut text = template
            .replace("{what}", what)
            .replace("{What}", &capital(what))
            .replace("{who}", random.pick(&self.who))
            .replace("{where}", random.pick(&self.place));
        while let Some((before, after)) = text.split_once("{n}") {
            text = format!("{before}{}{after}", 3 + random.below(900));
        }
        capital(&text)
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    first + chars.as_str()
}
