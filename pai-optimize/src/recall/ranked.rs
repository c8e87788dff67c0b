//! `recall WORD...`: the entries that have all words, best first.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use pai_common::console::Console;
use pai_common::output::Output;
use serde::Serialize;

use super::rank::{Tally, Totals};
use super::words::Query;
use super::{Recall, Source, in_parallel, lossy_path, read_all};
use crate::date::Date;
use crate::file::read;
use crate::memory::{Document, Kind};
use crate::{dated, markdown};

/// An entry that has all words.
struct Candidate {
    source: Source,
    tally: Tally,
    /// The range of the entry in its file; `None` if it is the whole file.
    range: Option<std::ops::Range<usize>>,
}

/// One answer.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "entry")]
struct Answer {
    score: f64,
    date: Option<Date>,
    title: String,
    #[serde(serialize_with = "lossy_path")]
    path: PathBuf,
    line: usize,
    text: String,
}

/// Prints the best `limit` answers, or all if `limit` is 0. Returns whether there are any.
pub(super) fn run(
    recall: &Recall<'_>,
    query: &Query,
    limit: usize,
    json: bool,
    console: &Console,
) -> anyhow::Result<bool> {
    let sources = recall.sources()?;
    let mut totals = Totals::default();
    let mut found: Vec<Candidate> = Vec::new();
    let counted = in_parallel(&sources, |sources| count_files(recall, query, sources, console));
    for (part, candidates) in counted {
        totals.merge(&part);
        found.extend(candidates);
    }
    let memory = read_or_complain(recall.memory, console);
    count_memory(recall, query, &memory, &mut totals, &mut found);
    // The newer of two that are as good.
    let mut scored: Vec<(f64, Candidate)> =
        found.into_iter().map(|one| (totals.score(&one.tally), one)).collect();
    scored.sort_by(|(a, one), (b, other)| {
        b.total_cmp(a)
            .then_with(|| other.source.date.cmp(&one.source.date))
            .then_with(|| one.source.path.cmp(&other.source.path))
    });
    let all = scored.len();
    let shown = if limit == 0 { all } else { limit.min(all) };
    let mut out = Output::stdout(json);
    let bold =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    for (score, candidate) in &scored[..shown] {
        let file = match candidate.range {
            Some(_) => None,
            None => Some(read_or_complain(&candidate.source.path, console)),
        };
        let answer = answer(query, &totals, *score, candidate, file.as_ref().unwrap_or(&memory));
        out.record(&answer, |out| print(out, &answer, query, bold))?;
    }
    out.finish()?;
    if shown < all {
        console.note(format_args!("{} more; --limit 0 shows all", all - shown));
    }
    Ok(all > 0)
}

fn count_files(
    recall: &Recall<'_>,
    query: &Query,
    sources: &[Source],
    console: &Console,
) -> (Totals, Vec<Candidate>) {
    let mut totals = Totals::default();
    let mut found = Vec::new();
    let mut buffer = Vec::new();
    let mut matcher = query.matcher();
    for source in sources {
        let text = match read_all(&source.path, &mut buffer) {
            Ok(text) => text,
            Err(error) => {
                console.complain(format_args!("{error:#}"));
                continue;
            }
        };
        let tally = Tally::of(&mut matcher, text);
        totals.add(&tally);
        if tally.is_whole() && recall.wants(source.date) {
            found.push(Candidate { source: source.clone(), tally, range: None });
        }
    }
    (totals, found)
}

fn count_memory(
    recall: &Recall<'_>,
    query: &Query,
    bytes: &[u8],
    totals: &mut Totals,
    found: &mut Vec<Candidate>,
) {
    let document = Document::parse(bytes, recall.reading);
    let mut matcher = query.matcher();
    // Its summary lines are of entries that are found themselves.
    for section in
        document.sections.iter().filter(|section| !matches!(section.kind, Kind::Summaries | Kind::Recent))
    {
        let date = match section.kind {
            Kind::Dated(date) | Kind::Titled(date) => Some(date),
            _ => None,
        };
        let tally = Tally::of(&mut matcher, document.text(section));
        totals.add(&tally);
        if tally.is_whole() && recall.wants(date) {
            let source = Source { path: recall.memory.to_owned(), date };
            found.push(Candidate { source, tally, range: Some(section.range.clone()) });
        }
    }
}

/// Finds the best line of an entry: the one whose words tell most, and of several the first. A heading is best only
/// where nothing else is.
fn answer(query: &Query, totals: &Totals, score: f64, candidate: &Candidate, bytes: &[u8]) -> Answer {
    let range = candidate.range.clone().unwrap_or(0..bytes.len());
    let text = bytes.get(range.clone()).unwrap_or_default();
    let mut lines: Vec<(usize, Vec<usize>)> = Vec::new();
    query.hits(text, |hit| {
        let start = memchr::memrchr(b'\n', &text[..hit.start]).map_or(0, |feed| feed + 1);
        match lines.last_mut() {
            Some((line, terms)) if *line == start => {
                if !terms.contains(&hit.term) {
                    terms.push(hit.term);
                }
            }
            _ => lines.push((start, vec![hit.term])),
        }
    });
    let worth = |(start, terms): &(usize, Vec<usize>)| {
        let heading = text[*start..].trim_ascii_start().first() == Some(&b'#');
        let told: f64 = terms.iter().map(|&term| totals.weight(term)).sum();
        if heading { told / 1000.0 } else { told }
    };
    let best = lines.iter().rev().max_by(|a, b| worth(a).total_cmp(&worth(b))).map_or(0, |(start, _)| *start);
    let line = &text[best..];
    let line = &line[..memchr::memchr(b'\n', line).unwrap_or(line.len())];
    let number = memchr::memchr_iter(b'\n', &bytes[..(range.start + best).min(bytes.len())]).count() + 1;
    Answer {
        score: (score * 1000.0).round() / 1000.0,
        date: candidate.source.date,
        title: title(text, best),
        path: candidate.source.path.clone(),
        line: number,
        text: String::from_utf8_lossy(line).trim().to_owned(),
    }
}

/// Returns the nearest heading above byte `at` that says more than a date.
fn title(text: &[u8], at: usize) -> String {
    let headings = markdown::outline(text).headings;
    let mut titles = headings.iter().filter(|heading| heading.start <= at).rev().map(|heading| {
        let text = String::from_utf8_lossy(&text[heading.text.clone()]);
        dated::title(text.lines().next().unwrap_or_default(), None)
    });
    titles.find(|title| !title.is_empty()).unwrap_or_default()
}

/// Prints date, title and place on one line, and the best line below it.
fn print(out: &mut dyn Write, answer: &Answer, query: &Query, bold: bool) -> std::io::Result<()> {
    let date = answer.date.map_or_else(|| "undated   ".to_owned(), |date| date.to_string());
    let title = if answer.title.is_empty() { String::new() } else { format!("{}  ", answer.title) };
    writeln!(out, "{date}  {title}{}:{}", answer.path.display(), answer.line)?;
    let text: String = answer.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    write!(out, "    ")?;
    let mut done = 0;
    let mut marks = Vec::new();
    query.hits(text.as_bytes(), |hit| marks.push(hit.start..hit.end));
    for mark in marks.into_iter().filter(|_| bold) {
        if mark.start >= done {
            write!(out, "{}\x1b[1m{}\x1b[0m", &text[done..mark.start], &text[mark.clone()])?;
            done = mark.end;
        }
    }
    writeln!(out, "{}", &text[done..])
}

/// Reads a file. One that cannot be read is named on stderr and gives no bytes.
fn read_or_complain(path: &Path, console: &Console) -> Vec<u8> {
    read(path).unwrap_or_else(|error| {
        console.complain(format_args!("{error:#}"));
        Vec::new()
    })
}
