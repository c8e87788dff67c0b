//! memory.md stays small, and not a word is lost.
//!
//! | room | what lives there |
//! | --- | --- |
//! | `markdown`, `memory` | bytes to headings, headings to sections (pure) |
//! | `summary`, `summaries` | one line out of many; the block those lines stand in (pure) |
//! | `plan`, `conserve`, `diff` | what would change, whether all of it is accounted for, how it looks (pure) |
//! | `ledger` | where an archived entry stood, for the way back (pure) |
//! | `archive`, `apply`, `versions` | the disk: archive files, the swap, the memory files before this one |
//! | `summarizer` | the user's own summariser |
//! | `dated` | dates as people write them (pure) |
//! | `notes` | daily notes on their way to the archive |
//! | `place`, `settings`, `file` | which files, what the settings beside them say, how large a file may be |
//! | `job`, `watch`, `journal` | one run, many runs, what they tell |
//! | `restore`, `recall`, `check`, `stats` | one command each; where a day goes back is pure |

mod apply;
pub mod archive;
mod check;
pub mod cli;
pub mod conserve;
pub mod date;
pub mod dated;
mod diff;
mod file;
mod job;
mod journal;
pub mod ledger;
pub mod markdown;
pub mod memory;
mod notes;
mod place;
pub mod plan;
pub mod recall;
pub mod restore;
mod settings;
mod stats;
pub mod summaries;
mod summarizer;
pub mod summary;
mod versions;
mod watch;

use std::io::Read;

use anyhow::Context;
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::output::Output;

use crate::check::Check;
use crate::cli::{Args, Command};
use crate::job::Job;
use crate::journal::Journal;
use crate::place::Place;
use crate::plan::Budget;
use crate::recall::words::Query;
use crate::recall::{Question, Recall};
use crate::restore::Restore;
use crate::summarizer::Summarizer;

/// Runs the tool.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<Exit> {
    if let Some(Command::Summarize { chars }) = args.command {
        return summarize(chars);
    }
    let place = Place::find(args)?;
    let (memory, archive) = (place.memory.as_path(), &place.archive);
    let reading = place.reading;
    let notes = place.notes.as_deref();
    match &args.command {
        None => optimize(args, place, console),
        Some(Command::Summarize { .. }) => Ok(Exit::Done),
        Some(Command::Restore { dates, dry_run }) => {
            let clock = args.now.clock();
            let wait = args.place.wait;
            Restore { memory, archive, notes, periods: dates, reading, clock, wait, dry_run: *dry_run }
                .run(console)
        }
        Some(Command::Recall { words, pattern, ignore_case, fixed_strings, from, to, json, limit }) => {
            let question = if let Some(pattern) = pattern {
                question(pattern, *ignore_case, *fixed_strings)?
            } else {
                let query = Query::new(words).context("could not find a word in what is asked for")?;
                Question::Words { query, limit: *limit }
            };
            let recall = Recall { memory, archive, notes, from: *from, to: *to, reading };
            recall.run(&question, *json, console)
        }
        Some(Command::Stats { json, .. }) => stats::run(&job(args, place), *json),
        Some(Command::Check { max_size, max_lines }) => {
            Check { memory, archive, reading, max_size: *max_size, max_lines: *max_lines }.run(console)
        }
    }
}

/// A regular expression, or a text as it stands.
fn question(pattern: &str, ignore_case: bool, fixed: bool) -> anyhow::Result<Question> {
    let pattern = if fixed { regex::escape(pattern) } else { pattern.to_owned() };
    let pattern = regex::bytes::RegexBuilder::new(&pattern)
        .case_insensitive(ignore_case)
        .multi_line(true)
        .build()
        .context("could not read the pattern")?;
    Ok(Question::Pattern(pattern))
}

/// The job as command line and settings have it.
fn job(args: &Args, place: Place) -> Job {
    let options = &args.job;
    let summarizer = options.summarizer.as_ref().map(|command| Summarizer {
        command: command.clone(),
        timeout: options.summarizer_timeout,
        max_input: options.summarizer_max_input,
    });
    let max_size = options.max_size.or(options.max_tokens.map(|tokens| tokens.saturating_mul(4)));
    let settings = &place.settings;
    Job {
        memory: place.memory,
        named: place.named,
        archive: place.archive,
        notes: place.notes,
        window: options.window.or(settings.window).unwrap_or(7),
        roll_up: options.roll_up.or(settings.roll_up).unwrap_or(60),
        budget: Budget {
            bytes: max_size.or(settings.max_size),
            lines: options.max_lines.or(settings.max_lines),
        },
        reading: place.reading,
        summarizer,
        clock: args.now.clock(),
        wait: args.place.wait,
    }
}

fn optimize(args: &Args, place: Place, console: &Console) -> anyhow::Result<Exit> {
    let options = &args.job;
    let home = place.home.clone();
    let job = job(args, place);
    if options.dry_run {
        return Ok(job.dry_run(&mut Journal::console(console))?.exit);
    }
    let mut journal = Journal::open(home.as_ref(), job.clock, console, options.once)?;
    if options.once {
        return Ok(job.run(&mut journal)?.exit);
    }
    watch::run(&job, options.interval, &mut journal, console)
}

fn summarize(chars: usize) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).context("could not read stdin")?;
    let mut out = Output::stdout(false);
    let line = summary::line(&[&text], chars);
    // What the text is called, as the job puts it before the line of a note.
    let title = summary::heading(&text).map(|heading| dated::title(&heading, None));
    let line = match title.filter(|title| !title.is_empty()) {
        Some(title) => summary::cut(&format!("{title}: {line}"), chars),
        None => line,
    };
    out.line(line.as_bytes())?;
    out.finish()?;
    Ok(Exit::Done)
}
