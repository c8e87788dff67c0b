//! What a memory file weighs, what of it an assistant sees, and what the next run would do.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::units::human_size;
use serde::Serialize;

use crate::date::Date;
use crate::file::read;
use crate::job::{Forecast, Job};
use crate::memory::Document;
use crate::notes;

/// What assistants load of a memory file: so many lines, so many bytes, whichever is reached first.
const LOADED: (usize, usize) = (200, 25 << 10);

/// The width of the longest bar of the chart.
const BAR: usize = 40;

/// Figures about one memory file.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "stats")]
struct Stats {
    path: String,
    bytes: u64,
    lines: usize,
    tokens_estimated: u64,
    loaded_lines: usize,
    loaded_bytes: usize,
    entries: usize,
    notes: usize,
    archived_days: usize,
    archived_notes: usize,
    next_run: Forecast,
    months: Vec<Month>,
}

/// The entries of a month: in the memory file or its folder of notes, and in the archive.
#[derive(Debug, Serialize)]
struct Month {
    #[serde(rename = "month")]
    name: String,
    here: usize,
    archived: usize,
}

/// Prints the figures of a job's memory file.
pub(crate) fn run(job: &Job, json: bool) -> anyhow::Result<Exit> {
    let bytes = read(&job.memory)?;
    let document = Document::parse(&bytes, job.reading);
    let listing = job.archive.list()?;
    let live = job.notes.as_deref().map_or(Ok(Vec::new()), notes::list)?;
    let entries: Vec<Date> = document.sections.iter().filter_map(crate::memory::Section::date).collect();
    let here = entries.iter().copied().chain(live.iter().map(|note| note.date));
    let archived = listing.dates.iter().copied().chain(listing.notes.iter().map(|note| note.date));
    let (loaded_lines, loaded_bytes) = loaded(&bytes);
    let stats = Stats {
        path: job.memory.display().to_string(),
        bytes: bytes.len() as u64,
        lines: lines(&bytes),
        tokens_estimated: tokens(&bytes),
        loaded_lines,
        loaded_bytes,
        entries: entries.len(),
        notes: live.len(),
        archived_days: listing.dates.len(),
        archived_notes: listing.notes.len(),
        next_run: job.forecast()?,
        months: months(here, archived),
    };
    let mut out = Output::stdout(json);
    let chart = std::io::stdout().is_terminal();
    out.record(&stats, |out| print(out, &stats, chart))?;
    out.finish()?;
    Ok(Exit::Done)
}

fn lines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count() + usize::from(bytes.last().is_some_and(|&last| last != b'\n'))
}

/// Counts the lines and bytes that an assistant loads.
fn loaded(bytes: &[u8]) -> (usize, usize) {
    let mut taken = (0, 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n').take(LOADED.0) {
        if taken.1 + line.len() > LOADED.1 {
            break;
        }
        taken = (taken.0 + 1, taken.1 + line.len());
    }
    taken
}

/// Estimates the tokens of a text: four bytes of ASCII are one, and so is a character of a script without spaces: near
/// enough to what tokenizers make of text, and the same for all of them.
fn tokens(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let quarters: u64 =
        text.chars().map(|c| if c.is_ascii() { 1 } else { 4.min(c.len_utf8() as u64 + 1) }).sum();
    quarters.div_ceil(4)
}

fn months(here: impl Iterator<Item = Date>, archived: impl Iterator<Item = Date>) -> Vec<Month> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let month = |date: Date| date.to_string()[..7].to_owned();
    here.for_each(|date| counts.entry(month(date)).or_default().0 += 1);
    archived.for_each(|date| counts.entry(month(date)).or_default().1 += 1);
    counts.into_iter().map(|(month, (here, archived))| Month { name: month, here, archived }).collect()
}

fn print(out: &mut dyn Write, stats: &Stats, chart: bool) -> std::io::Result<()> {
    let Stats { path, lines, tokens_estimated: tokens, loaded_lines, entries, notes, .. } = stats;
    let size = human_size(stats.bytes);
    writeln!(out, "{path}: {size} in {lines} lines, about {tokens} tokens (estimated)")?;
    let all = if stats.loaded_bytes as u64 == stats.bytes {
        "all of it".to_owned()
    } else {
        format!("{loaded_lines} lines, {} of it", human_size(stats.loaded_bytes as u64))
    };
    writeln!(
        out,
        "assistants that stop at {} lines or {} load {all}",
        LOADED.0,
        human_size(LOADED.1 as u64)
    )?;
    let (days, kept) = (stats.archived_days, stats.archived_notes);
    writeln!(
        out,
        "entries: {entries} here, {days} days archived; daily notes: {notes} here, {kept} archived"
    )?;
    let Forecast { entries, notes, bytes, lines, .. } = stats.next_run;
    let left = human_size(bytes);
    writeln!(
        out,
        "the next run archives {entries} entries and {notes} notes, and leaves {left} in {lines} lines"
    )?;
    let most = stats.months.iter().map(|month| month.here + month.archived).max().unwrap_or(1);
    for Month { name: month, here, archived } in &stats.months {
        let bar = if chart {
            let long = |count: &usize| (count * BAR).div_ceil(most);
            format!("  {}{}", "█".repeat(long(here)), "░".repeat(long(archived)))
        } else {
            String::new()
        };
        writeln!(out, "{month}  {here:>5} here  {archived:>5} archived{bar}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assistant_loads_whole_lines_up_to_either_limit() {
        assert_eq!(loaded(b"a\nb"), (2, 3));
        assert_eq!(loaded("x\n".repeat(300).as_bytes()), (200, 400));
        let long = format!("{}\n", "x".repeat(9999)).repeat(5);
        assert_eq!(loaded(long.as_bytes()), (2, 20_000));
    }

    #[test]
    fn tokens_are_quarters_of_ascii_and_whole_characters_of_others() {
        assert_eq!((tokens(b""), tokens(b"abcdefgh"), tokens("服务器".as_bytes())), (0, 2, 3));
    }
}
