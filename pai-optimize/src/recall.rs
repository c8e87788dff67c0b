//! A search through the memory file and everything archived from it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::output::Output;
use regex::bytes::Regex;
use serde::Serialize;

use crate::archive::Archive;
use crate::date::Date;
use crate::memory::{Document, Kind, Reading};

/// What to look for, and where.
pub(crate) struct Recall<'a> {
    /// The memory file.
    pub memory: &'a Path,
    /// Its archive.
    pub archive: &'a Archive,
    /// The pattern.
    pub pattern: Regex,
    /// The first day that counts.
    pub from: Option<Date>,
    /// The last day that counts.
    pub to: Option<Date>,
    /// What is taken for an entry.
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

impl Recall<'_> {
    /// Prints `PATH:LINE:TEXT`, the archive by date and then the memory file; like grep, exit 1 means no match.
    pub(crate) fn run(&self, json: bool, console: &Console) -> anyhow::Result<Exit> {
        let dates: Vec<Date> =
            self.archive.list()?.dates.into_iter().filter(|&date| self.wants(Some(date))).collect();
        let mut out = Output::stdout(json);
        let mut found = false;
        for matches in self.search_archive(&dates) {
            for one in matches.unwrap_or_else(|error| {
                console.complain(format_args!("{error:#}"));
                Vec::new()
            }) {
                found = true;
                print(&mut out, &one)?;
            }
        }
        match std::fs::read(self.memory) {
            Ok(bytes) => {
                for one in self.search_memory(&bytes) {
                    found = true;
                    print(&mut out, &one)?;
                }
            }
            Err(error) => console.complain(format_args!("could not read {}: {error}", self.memory.display())),
        }
        out.finish()?;
        Ok(Exit::partial_if(!found || console.complaints() > 0))
    }

    fn wants(&self, date: Option<Date>) -> bool {
        match date {
            Some(date) => self.from.is_none_or(|from| date >= from) && self.to.is_none_or(|to| date <= to),
            None => self.from.is_none() && self.to.is_none(),
        }
    }

    /// Searches `dates`, a stretch of them for each processor; the results are in their order.
    fn search_archive(&self, dates: &[Date]) -> Vec<anyhow::Result<Vec<Match>>> {
        let workers = thread::available_parallelism().map_or(1, usize::from).min(8);
        let stretch = dates.len().div_ceil(workers).max(1);
        thread::scope(|scope| {
            let search = |dates: &[Date]| {
                let mut buffer = Vec::new();
                dates.iter().map(|&date| self.search_day(date, &mut buffer)).collect::<Vec<_>>()
            };
            let handles: Vec<_> =
                dates.chunks(stretch).map(|dates| scope.spawn(move || search(dates))).collect();
            handles.into_iter().flat_map(|handle| handle.join().unwrap_or_default()).collect()
        })
    }

    fn search_day(&self, date: Date, buffer: &mut Vec<u8>) -> anyhow::Result<Vec<Match>> {
        let path = self.archive.path(date);
        buffer.clear();
        File::open(&path)
            .and_then(|mut file| read_all(&mut file, buffer))
            .with_context(|| format!("could not read {}", path.display()))?;
        Ok(self
            .lines(buffer, 1)
            .map(|(line, text)| Match { date: Some(date), path: path.clone(), line, text })
            .collect())
    }

    fn search_memory(&self, bytes: &[u8]) -> Vec<Match> {
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
                let matches = self.lines(text, line);
                found.extend(matches.map(|(line, text)| Match {
                    date,
                    path: self.memory.to_owned(),
                    line,
                    text,
                }));
            }
            line += memchr::memchr_iter(b'\n', text).count();
        }
        found
    }

    /// The matching lines of `text`, whose first line has number `first`.
    fn lines<'a>(&'a self, text: &'a [u8], first: usize) -> impl Iterator<Item = (usize, Vec<u8>)> + 'a {
        let mut at = 0;
        let mut number = first;
        std::iter::from_fn(move || {
            // One search through the whole text; line numbers are counted only where something is found.
            loop {
                let hit = self.pattern.find_at(text, at).filter(|_| at < text.len())?;
                let start = memchr::memrchr(b'\n', &text[..hit.start()]).map_or(0, |feed| feed + 1);
                let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |feed| start + feed);
                let line = text[start..end].strip_suffix(b"\r").unwrap_or(&text[start..end]);
                number += memchr::memchr_iter(b'\n', &text[at..start]).count();
                let here = number;
                (at, number) = ((end + 1).min(text.len()), number + 1);
                // A match that runs over a line's end is none.
                if hit.end() <= end || self.pattern.is_match(line) {
                    return Some((here, line.to_vec()));
                }
            }
        })
    }
}

/// `read_to_end` without asking for the size first: most days fit the buffer at once.
fn read_all(file: &mut File, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    let mut length = 0;
    loop {
        if buffer.len() - length < 16 << 10 {
            buffer.resize((buffer.len() * 2).max(64 << 10), 0);
        }
        match file.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    buffer.truncate(length);
    Ok(())
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
