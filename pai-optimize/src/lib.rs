//! memory.md stays small, and not a word is lost.
//!
//! | room | what lives there |
//! | --- | --- |
//! | `markdown`, `memory` | bytes to headings, headings to sections (pure) |
//! | `summary`, `summaries` | one line out of many; the block those lines stand in (pure) |
//! | `plan`, `conserve`, `diff` | what would change, whether all of it is accounted for, how it looks (pure) |
//! | `archive`, `apply`, `versions` | the disk: archive files, the swap, the memory files before this one |
//! | `summarizer` | the user's own summariser |
//! | `job`, `watch`, `journal` | one run, many runs, what they tell |
//! | `restore`, `recall`, `check` | one command each; where a day goes back is pure |

mod apply;
pub mod archive;
mod check;
pub mod cli;
pub mod conserve;
pub mod date;
mod diff;
mod job;
mod journal;
pub mod markdown;
pub mod memory;
pub mod plan;
mod recall;
pub mod restore;
pub mod summaries;
mod summarizer;
pub mod summary;
mod versions;
mod watch;

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::home::Home;
use pai_common::output::Output;

use crate::archive::Archive;
use crate::check::Check;
use crate::cli::{Args, Command};
use crate::job::Job;
use crate::journal::Journal;
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
    let titles = args.place.titles;
    match &args.command {
        None => optimize(args, place, console),
        Some(Command::Summarize { .. }) => Ok(Exit::Done),
        Some(Command::Restore { dates, dry_run }) => {
            let clock = args.now.clock();
            let wait = args.place.wait;
            Restore { memory, archive, periods: dates, titles, clock, wait, dry_run: *dry_run }.run(console)
        }
        Some(Command::Recall { pattern, ignore_case, fixed_strings, from, to, json }) => {
            let pattern = if *fixed_strings { regex::escape(pattern) } else { pattern.clone() };
            let pattern = regex::bytes::RegexBuilder::new(&pattern)
                .case_insensitive(*ignore_case)
                .multi_line(true)
                .build()
                .context("could not read the pattern")?;
            Recall { memory, archive, pattern, from: *from, to: *to, titles }.run(*json, console)
        }
        Some(Command::Check { max_size }) => {
            Check { memory, archive, titles, max_size: *max_size }.run(console)
        }
    }
}

/// A memory file, its archive, and the workspace it belongs to.
struct Place {
    memory: PathBuf,
    named: bool,
    archive: Archive,
    home: Option<Home>,
}

impl Place {
    fn find(args: &Args) -> anyhow::Result<Self> {
        let named = args.job.memory.as_ref().or(args.place.file.as_ref());
        let workspace = &args.place.workspace;
        // A file of one's own needs no workspace; an empty PAI_HOME names none.
        let unnamed = workspace.home.as_ref().is_none_or(|home| home.as_os_str().is_empty());
        let home = if named.is_some() && unnamed { None } else { Some(workspace.resolve()?) };
        let memory = match (named, &home) {
            (Some(file), _) => file.clone(),
            (None, Some(home)) => home.root().join("memory.md"),
            (None, None) => PathBuf::from("memory.md"),
        };
        let archive = Archive::of(&memory, args.place.archive_dir.as_deref());
        Ok(Self { memory, named: named.is_some(), archive, home })
    }
}

fn optimize(args: &Args, place: Place, console: &Console) -> anyhow::Result<Exit> {
    let options = &args.job;
    let summarizer = options.summarizer.as_ref().map(|command| Summarizer {
        command: command.clone(),
        timeout: options.summarizer_timeout,
        max_input: options.summarizer_max_input,
    });
    let job = Job {
        memory: place.memory,
        named: place.named,
        archive: place.archive,
        window: options.window,
        roll_up: options.roll_up,
        max_size: options.max_size.or(options.max_tokens.map(|tokens| tokens.saturating_mul(4))),
        titles: args.place.titles,
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
