//! A search through the memory file, everything archived from it, and the notes beside it.

pub mod rank;
mod ranked;
pub mod words;

use std::fs::File;
use std::io::Read;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::output::Output;
use regex::bytes::Regex;
use serde::Serialize;

use self::words::Query;
use crate::archive::Archive;
use crate::date::Date;
use crate::file::{MOST, read, too_large};
use crate::memory::{Document, Kind, Reading};
use crate::notes::{self, Note};

/// A search: the files to look through, and the days that count.
pub(crate) struct Recall<'a> {
    /// The memory file.
    pub memory: &'a Path,
    /// Its archive.
    pub archive: &'a Archive,
    /// The folder of daily notes.
    pub notes: Option<&'a Path>,
    /// The first day that counts.
    pub from: Option<Date>,
    /// The last day that counts.
    pub to: Option<Date>,
    /// The rules by which entries are told.
    pub reading: Reading,
}

/// One line that matches.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "match")]
struct Match {
    date: Option<Date>,
    #[serde(serialize_with = "lossy_path")]
    path: PathBuf,
    line: usize,
    #[serde(serialize_with = "lossy_bytes")]
    text: Vec<u8>,
}

/// A file to look through.
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    date: Option<Date>,
}

/// The question that a search answers.
#[derive(Debug)]
pub(crate) enum Question {
    /// The entries that have all of these words, the best first.
    Words {
        /// The words.
        query: Query,
        /// The most answers that are shown; 0 for all.
        limit: usize,
    },
    /// Every line that matches this expression, in the order of the days.
    Pattern(Regex),
}

impl Recall<'_> {
    /// Prints the answers. As with grep, exit 1 means that nothing was found.
    pub(crate) fn run(&self, question: &Question, json: bool, console: &Console) -> anyhow::Result<Exit> {
        let found = match question {
            Question::Words { query, limit } => ranked::run(self, query, *limit, json, console)?,
            Question::Pattern(pattern) => self.lines_of(pattern, json, console)?,
        };
        Ok(Exit::partial_if(!found || console.complaints() > 0))
    }

    /// Prints `PATH:LINE:TEXT`, the archive by date and then the memory file.
    fn lines_of(&self, pattern: &Regex, json: bool, console: &Console) -> anyhow::Result<bool> {
        let sources = self.sources()?;
        let wanted: Vec<Source> = sources.into_iter().filter(|source| self.wants(source.date)).collect();
        let mut out = Output::stdout(json);
        let mut found = false;
        let search = |sources: &[Source]| {
            let mut buffer = Vec::new();
            sources.iter().map(|source| search_file(pattern, source, &mut buffer)).collect::<Vec<_>>()
        };
        for matches in in_parallel(&wanted, search).into_iter().flatten() {
            for one in matches.unwrap_or_else(|error| {
                console.complain(format_args!("{error:#}"));
                Vec::new()
            }) {
                found = true;
                print(&mut out, &one)?;
            }
        }
        match read(self.memory) {
            Ok(bytes) => {
                for one in self.search_memory(pattern, &bytes) {
                    found = true;
                    print(&mut out, &one)?;
                }
            }
            Err(error) => console.complain(format_args!("{error:#}")),
        }
        out.finish()?;
        Ok(found)
    }

    /// Lists the archived days and all notes, sorted by date.
    fn sources(&self) -> anyhow::Result<Vec<Source>> {
        let listing = self.archive.list()?;
        let day = |&date: &Date| Source { path: self.archive.path(date), date: Some(date) };
        let mut sources: Vec<Source> = listing.dates.iter().map(day).collect();
        let archived = self.archive.notes();
        for (folder, notes) in [(Some(archived.as_path()), listing.notes), (self.notes, self.live_notes()?)] {
            let Some(folder) = folder else { continue };
            sources.extend(
                notes.into_iter().map(|note| Source { path: folder.join(note.name), date: Some(note.date) }),
            );
        }
        sources.sort_by_key(|source| source.date);
        Ok(sources)
    }

    fn live_notes(&self) -> anyhow::Result<Vec<Note>> {
        self.notes.map_or(Ok(Vec::new()), notes::list)
    }

    fn wants(&self, date: Option<Date>) -> bool {
        match date {
            Some(date) => self.from.is_none_or(|from| date >= from) && self.to.is_none_or(|to| date <= to),
            None => self.from.is_none() && self.to.is_none(),
        }
    }

    fn search_memory(&self, pattern: &Regex, bytes: &[u8]) -> Vec<Match> {
        let document = Document::parse(bytes, self.reading);
        let mut found = Vec::new();
        let mut line = 1;
        for section in &document.sections {
            let date = match section.kind {
                Kind::Dated(date) | Kind::Titled(date) => Some(date),
                _ => None,
            };
            let text = document.text(section);
            if self.wants(date) {
                let matches = lines(pattern, text, line);
                let path = || self.memory.to_owned();
                found.extend(matches.map(|(line, text)| Match { date, path: path(), line, text }));
            }
            line += memchr::memchr_iter(b'\n', text).count();
        }
        found
    }
}

/// Cuts `sources` into a stretch for each processor, and returns what `work` makes of each, in their order.
fn in_parallel<T: Send>(sources: &[Source], work: impl Fn(&[Source]) -> T + Sync) -> Vec<T> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(8);
    let stretch = sources.len().div_ceil(workers).max(1);
    let work = &work;
    thread::scope(|scope| {
        let handles: Vec<_> =
            sources.chunks(stretch).map(|sources| scope.spawn(move || work(sources))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

fn search_file(pattern: &Regex, source: &Source, buffer: &mut Vec<u8>) -> anyhow::Result<Vec<Match>> {
    let found = lines(pattern, read_all(&source.path, buffer)?, 1);
    Ok(found.map(|(line, text)| Match { date: source.date, path: source.path.clone(), line, text }).collect())
}

/// Finds the matching lines of `text`, whose first line has the number `first`.
fn lines<'a>(
    pattern: &'a Regex,
    text: &'a [u8],
    first: usize,
) -> impl Iterator<Item = (usize, Vec<u8>)> + 'a {
    let mut at = 0;
    let mut number = first;
    std::iter::from_fn(move || {
        // One search through the whole text; line numbers are counted only where something is found.
        loop {
            let hit = pattern.find_at(text, at).filter(|_| at < text.len())?;
            let start = memchr::memrchr(b'\n', &text[..hit.start()]).map_or(0, |feed| feed + 1);
            let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |feed| start + feed);
            let line = text[start..end].strip_suffix(b"\r").unwrap_or(&text[start..end]);
            number += memchr::memchr_iter(b'\n', &text[at..start]).count();
            let here = number;
            (at, number) = ((end + 1).min(text.len()), number + 1);
            // A match that runs over a line's end is none.
            if hit.end() <= end || pattern.is_match(line) {
                return Some((here, line.to_vec()));
            }
        }
    })
}

/// Reads a file into `buffer` without asking for its size first, for most days fit at once. The buffer keeps its
/// length, so that it is filled with zeros once and not for every file.
fn read_all<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> anyhow::Result<&'b [u8]> {
    let context = || format!("could not read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let mut length = 0;
    loop {
        if buffer.len() - length < 16 << 10 {
            let size = file.metadata().with_context(context)?.len();
            if size.max(length as u64) > MOST {
                return Err(too_large(path, size));
            }
            buffer.resize((buffer.len() * 2).max(64 << 10), 0);
        }
        match file.read(&mut buffer[length..]).with_context(context)? {
            0 => return Ok(&buffer[..length]),
            read => length += read,
        }
    }
}

fn print(out: &mut Output, one: &Match) -> anyhow::Result<()> {
    out.record(one, |out| {
        write!(out, "{}:{}:", one.path.display(), one.line)?;
        out.write_all(&one.text)?;
        out.write_all(b"\n")
    })
}

fn lossy_path<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn lossy_bytes<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}
