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
//! | `place`, `settings` | which files, and what the settings beside them say |
//! | `job`, `watch`, `journal` | one run, many runs, what they tell |
//! | `restore`, `recall`, `check` | one command each; where a day goes back is pure |

mod apply;
pub mod archive;
mod check;
pub mod cli;
pub mod conserve;
pub mod date;
pub mod dated;
mod diff;
mod job;
mod journal;
pub mod ledger;
pub mod markdown;
pub mod memory;
mod place;
pub mod plan;
mod recall;
pub mod restore;
mod settings;
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
use crate::recall::Recall;
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
    match &args.command {
        None => optimize(args, place, console),
        Some(Command::Summarize { .. }) => Ok(Exit::Done),
        Some(Command::Restore { dates, dry_run }) => {
            let clock = args.now.clock();
            let wait = args.place.wait;
            Restore { memory, archive, periods: dates, reading, clock, wait, dry_run: *dry_run }.run(console)
        }
        Some(Command::Recall { pattern, ignore_case, fixed_strings, from, to, json }) => {
            let pattern = if *fixed_strings { regex::escape(pattern) } else { pattern.clone() };
            let pattern = regex::bytes::RegexBuilder::new(&pattern)
                .case_insensitive(*ignore_case)
                .multi_line(true)
                .build()
                .context("could not read the pattern")?;
            Recall { memory, archive, pattern, from: *from, to: *to, reading }.run(*json, console)
        }
        Some(Command::Check { max_size, max_lines }) => {
            Check { memory, archive, reading, max_size: *max_size, max_lines: *max_lines }.run(console)
        }
    }
}

fn optimize(args: &Args, place: Place, console: &Console) -> anyhow::Result<Exit> {
    let options = &args.job;
    let summarizer = options.summarizer.as_ref().map(|command| Summarizer {
        command: command.clone(),
        timeout: options.summarizer_timeout,
        max_input: options.summarizer_max_input,
    });
    let max_size = options.max_size.or(options.max_tokens.map(|tokens| tokens.saturating_mul(4)));
    let settings = &place.settings;
    let job = Job {
        memory: place.memory,
        named: place.named,
        archive: place.archive,
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
    };
    if options.dry_run {
        return Ok(job.dry_run(&mut Journal::console(console))?.exit);
    }
    let mut journal = Journal::open(place.home.as_ref(), job.clock, console, options.once)?;
    if options.once {
        return Ok(job.run(&mut journal)?.exit);
    }
    watch::run(&job, options.interval, &mut journal, console)
}

fn summarize(chars: usize) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).context("could not read stdin")?;
    let mut out = Output::stdout(false);
    out.line(summary::line(&[&text], chars).as_bytes())?;
    out.finish()?;
    Ok(Exit::Done)
}
