//! One memory file with entries of every form, and folders of daily notes.

use std::fmt::Write as _;

use super::forms::{self, Civil, INNER, ITEMS, LEADING, written};
use super::phrases::{self, Phrases};
use super::random::Random;

/// An entry as it stands in a mixed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its day, `YYYY-MM-DD`.
    pub day: String,
    /// Its bytes, heading or list marker included.
    pub text: String,
    /// The heading it stands below, if that is no entry's.
    pub under: Option<String>,
    /// Whether a week has passed on 16 September 2025.
    pub old: bool,
}

/// A memory file, and what in it is an entry.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// The file.
    pub text: String,
    /// Its entries, in its order.
    pub entries: Vec<Entry>,
}

/// A memory file with headings and list items of any form, mixed from the corpus. Entries are found in it with
/// `--headings dated --bullets dated --date-order dmy`.
pub fn mixed(seed: u64) -> Mixed {
    let mut mixer = Mixer::new(seed);
    mixer.top();
    for number in 0..=mixer.random.below(4) {
        mixer.chapter(number);
    }
    // From here on nothing below an entry of level 1 is left but its own text.
    for _ in 0..mixer.random.below(3) {
        mixer.entry(1, None);
    }
    if mixer.random.once_in(3) {
        mixer.stays("# The end\n\nNothing below.\n");
    }
    mixer.finish()
}

/// `count` daily notes, `YYYY-MM-DD*.md` and what is in each: three in a week, from 1 January 2024 on.
pub fn notes(seed: u64, count: usize) -> Vec<(String, String)> {
    let mut mixer = Mixer::new(seed);
    (0..count).map(|number| mixer.note(day_of(2024, number * 7 / 3), number)).collect()
}

struct Mixer {
    random: Random,
    languages: Vec<Phrases>,
    blocks: Vec<String>,
    parts: Vec<(String, Option<Entry>)>,
    written: usize,
}

impl Mixer {
    fn new(seed: u64) -> Self {
        let (random, languages, blocks) = (Random::new(seed), phrases::all(), super::blocks());
        Self { random, languages, blocks, parts: Vec::new(), written: 0 }
    }

    fn stays(&mut self, text: &str) {
        self.parts.push((text.to_owned(), None));
    }

    /// Front matter, title, preamble.
    fn top(&mut self) {
        if self.random.once_in(4) {
            self.stays("---\nowner: Ada\ndate: 2025-01-02\n---\n\n");
        }
        self.stays("# Memory (since 2025-01-01)\n\n");
        if self.random.once_in(2) {
            let block = self.random.pick(&self.blocks).to_owned();
            self.stays(&format!("{block}\n"));
        }
    }

    /// A heading of level 2 with entries below it, the deepest first; or one that is an entry itself.
    fn chapter(&mut self, number: usize) {
        if self.random.once_in(3) {
            self.entry(2, None);
            return;
        }
        let title = self.title();
        let heading = format!("{title} {number}");
        self.stays(&format!("## {heading}\n\n"));
        if self.random.once_in(2) {
            let block = self.random.pick(&self.blocks).to_owned();
            self.stays(&format!("{block}\n"));
        }
        if self.random.once_in(2) {
            self.list(&heading);
        }
        for level in [4, 3] {
            for _ in 0..self.random.below(3) {
                self.entry(level, Some(&heading));
            }
        }
        if self.random.once_in(3) {
            let block = self.random.pick(&self.blocks).to_owned();
            self.stays(&format!("### Standing orders\n\n{block}\n"));
        }
    }

    fn entry(&mut self, level: usize, under: Option<&str>) {
        let (civil, old) = self.day();
        let inner = level > 1 && self.random.once_in(3);
        let form = self.random.pick(if inner { INNER } else { LEADING });
        let heading = written(form, civil, &self.title());
        let underlined = level <= 2 && self.random.once_in(4) && !heading.starts_with('[');
        let mut text = if underlined {
            format!("{heading}\n{}\n\n", if level == 1 { "=====" } else { "-----" })
        } else {
            format!("{} {heading}\n\n", "#".repeat(level))
        };
        text.push_str(&self.body(level));
        self.push(civil, old, text, under);
    }

    /// Paragraphs, and a deeper heading now and then.
    fn body(&mut self, level: usize) -> String {
        // No two entries are the same.
        self.written += 1;
        let mut body = format!("{} ({})\n\n", self.sentence(), self.written);
        for _ in 0..self.random.below(3) {
            body.push_str(self.random.pick(&self.blocks));
            body.push('\n');
        }
        if self.random.once_in(4) {
            let deeper = "#".repeat(level + 1);
            let _ = write!(body, "{deeper} {}\n\n{}\n\n", self.title(), self.sentence());
        }
        body
    }

    /// A list of dated items with undated ones between them.
    fn list(&mut self, under: &str) {
        let count = 1 + self.random.below(4);
        // A list has one marker; another one begins a list of its own.
        let marker = ITEMS[self.random.below(ITEMS.len())].as_bytes()[0];
        let forms: Vec<&str> = ITEMS.iter().copied().filter(|form| form.as_bytes()[0] == marker).collect();
        for number in 0..count {
            let (civil, old) = self.day();
            let last = if number + 1 == count { "\n" } else { "" };
            self.written += 1;
            let (text, serial) = (self.sentence(), self.written);
            if self.random.once_in(4) {
                self.stays(&format!("{} {text} ({serial})\n{last}", char::from(marker)));
                continue;
            }
            let begin = written(self.random.pick(&forms), civil, "");
            let more =
                if self.random.once_in(4) { format!("  {}\n", self.sentence()) } else { String::new() };
            self.push(civil, old, format!("{begin}{text} ({serial})\n{more}{last}"), Some(under));
        }
    }

    fn push(&mut self, civil: Civil, old: bool, text: String, under: Option<&str>) {
        let day = written("{iso}", civil, "");
        let entry = Entry { day, text: text.clone(), under: under.map(str::to_owned), old };
        self.parts.push((text, Some(entry)));
    }

    /// A day of the summer of 2025, and whether a week has passed since on 16 September.
    fn day(&mut self) -> (Civil, bool) {
        let old = !self.random.once_in(4);
        let civil = if old {
            day_of(2025, 151 + self.random.below(101))
        } else {
            (2025, 9, 10 + self.random.below(7) as u32)
        };
        (civil, old)
    }

    fn title(&mut self) -> String {
        self.languages[self.random.below(5)].title(&mut self.random)
    }

    fn sentence(&mut self) -> String {
        self.languages[self.random.below(5)].sentence(&mut self.random)
    }

    /// A daily note in one language: a heading of the day, headings of its own, sentences, and noise.
    fn note(&mut self, civil: Civil, number: usize) -> (String, String) {
        let language = &self.languages[self.random.below(5)];
        let random = &mut self.random;
        let day = written("{iso}", civil, "");
        let mut text = String::new();
        if !random.once_in(5) {
            let form = random.pick(&forms::LEADING[..6]);
            text = format!("# {}\n\n", written(form, civil, &language.title(random)));
        }
        for _ in 0..=random.below(3) {
            if !random.once_in(4) {
                let _ = write!(text, "## {}\n\n", language.title(random));
            }
            let bullet = if random.once_in(2) { "- " } else { "" };
            for _ in 0..=random.below(4) {
                let _ = writeln!(text, "{bullet}{}", language.sentence(random));
            }
            if random.once_in(4) {
                let _ = write!(
                    text,
                    "{bullet}https://example.org/item/{number}\n/srv/media/{day}-{number}-v2.png\n"
                );
            }
            text.push('\n');
        }
        if random.once_in(4) {
            text.push_str(random.pick(&self.blocks));
        }
        (format!("{day}{}.md", ["", "-final", "-review"][random.below(3)]), text)
    }

    /// The file: one end of line throughout, the last line with one or without.
    fn finish(mut self) -> Mixed {
        let wide = self.random.once_in(4);
        let feed = |text: &str| if wide { text.replace('\n', "\r\n") } else { text.to_owned() };
        let text = self.parts.iter().map(|(text, _)| feed(text)).collect();
        let entries = self.parts.into_iter().filter_map(|(_, entry)| entry);
        let entries = entries.map(|entry| Entry { text: feed(&entry.text), ..entry }).collect();
        Mixed { text, entries }
    }
}

/// The day so many days after 1 January of `year`.
fn day_of(year: i32, mut days: usize) -> Civil {
    let leap = |year: i32| year % 4 == 0;
    let mut at = (year, 1);
    loop {
        let february = if leap(at.0) { 29 } else { 28 };
        let length = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][at.1 - 1];
        if days < length {
            return (at.0, at.1 as u32, days as u32 + 1);
        }
        days -= length;
        at = if at.1 == 12 { (at.0 + 1, 1) } else { (at.0, at.1 + 1) };
    }
}
