//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use pai_common::cli::{Common, Now, Workspace};
use pai_common::{exit, units};

use crate::date::Date;
use crate::dated::Order;
use crate::memory::Headings;
use crate::settings;
use crate::summaries::Period;

/// Keep memory.md small: old entries go to the archive, a summary line stays, not a word is lost
#[derive(Debug, Parser)]
#[command(name = "pai-optimize", version, args_conflicts_with_subcommands = true, after_help = after_help())]
pub struct Args {
    /// The job itself, without a command
    #[command(flatten)]
    pub job: JobArgs,

    /// Something else than the job
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Which memory file
    #[command(flatten)]
    pub place: Place,

    /// The instant for now
    #[command(flatten)]
    pub now: Now,

    /// What all tools share
    #[command(flatten)]
    pub common: Common,
}

/// Which memory file, which archive.
#[derive(Debug, Clone, ClapArgs)]
pub struct Place {
    /// The workspace
    #[command(flatten)]
    pub workspace: Workspace,

    /// The memory file [default: memory.md of the workspace, or MEMORY.md]
    #[arg(long, global = true, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Where archived days go [default: archive/NAME beside the memory file NAME.md]
    #[arg(long, global = true, value_name = "DIR")]
    pub archive_dir: Option<PathBuf>,

    /// Which headings begin an entry [default: exact]
    #[arg(long, global = true, value_name = "WHICH")]
    pub headings: Option<Headings>,

    /// Short for --headings titles
    #[arg(long, global = true, conflicts_with = "headings")]
    pub titles: bool,

    /// Whether 06.03.2026 is in March or in June; without this option it is no date
    #[arg(long, global = true, value_name = "ORDER")]
    pub date_order: Option<Order>,

    /// Which list items are entries [default: plain]
    #[arg(long, global = true, value_name = "WHICH")]
    pub bullets: Option<Bullets>,

    /// A folder of daily notes, YYYY-MM-DD*.md: old ones go to the archive whole
    #[arg(long, global = true, value_name = "DIR")]
    pub notes: Option<PathBuf>,

    /// Wait this long for another run to end
    #[arg(long, global = true, value_name = "DURATION", value_parser = units::parse_duration)]
    pub wait: Option<Duration>,
}

/// Which list items are entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bullets {
    /// None
    Plain,
    /// Those of a list of its own that begin with a date
    Dated,
}

/// What a run of the job may be told.
#[derive(Debug, ClapArgs)]
pub struct JobArgs {
    /// Another file than the workspace's memory.md
    #[arg(value_name = "FILE", conflicts_with = "file")]
    pub memory: Option<PathBuf>,

    /// Archive entries this many days old and older [default: 7]
    #[arg(long, value_name = "DAYS")]
    pub window: Option<u32>,

    /// Run once and end
    #[arg(long)]
    pub once: bool,

    /// Without --once: how often
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = interval, conflicts_with = "once")]
    pub interval: Duration,

    /// Show the plan and a diff, change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Archive more, oldest first, until memory.md has at most this many bytes (25k)
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    pub max_size: Option<u64>,

    /// The same in tokens, taken as 4 bytes each
    #[arg(long, value_name = "TOKENS", conflicts_with = "max_size")]
    pub max_tokens: Option<u64>,

    /// The same in lines: whichever is reached first
    #[arg(long, value_name = "LINES")]
    pub max_lines: Option<u64>,

    /// When a day's summary joins its month's [default: 60d]
    #[arg(long, value_name = "DURATION", value_parser = days)]
    pub roll_up: Option<u32>,

    /// Let this shell command summarise: entry on stdin, one line on stdout
    #[arg(long, value_name = "CMD")]
    pub summarizer: Option<String>,

    /// How long it may take for one entry
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = units::parse_duration)]
    pub summarizer_timeout: Duration,

    /// Longer entries are not given to it
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = units::parse_size)]
    pub summarizer_max_input: u64,
}

/// Everything but the job.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put archived sections back, byte for byte
    Restore {
        /// Days, months or years: 2025-09-01, 2025-09, 2025
        #[arg(value_name = "DATE", required = true, value_parser = period)]
        dates: Vec<Period>,

        /// Only name what would be put back
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
    /// Find entries again, in memory.md, its archive and the notes; exit 1 if nothing is found
    Recall {
        /// Words that an entry must have, in any order and any usual form; the best entry comes first
        #[arg(value_name = "WORD", required_unless_present = "pattern")]
        words: Vec<String>,

        /// Every line that this regular expression matches, instead
        #[arg(short = 'e', long = "regexp", value_name = "PATTERN", conflicts_with = "words")]
        pattern: Option<String>,

        /// With -e: upper and lower case are the same
        #[arg(short, long, requires = "pattern")]
        ignore_case: bool,

        /// With -e: take PATTERN literally
        #[arg(short = 'F', long, requires = "pattern")]
        fixed_strings: bool,

        /// So many entries; 0 for all
        #[arg(long, value_name = "COUNT", default_value_t = 10)]
        limit: usize,

        /// From this day on
        #[arg(long, value_name = "DATE", value_parser = date)]
        from: Option<Date>,

        /// Up to this day
        #[arg(long, value_name = "DATE", value_parser = date)]
        to: Option<Date>,

        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// A filter: text in, one line out
    Summarize {
        /// The most columns of that line
        #[arg(short = 'c', long, value_name = "COUNT", default_value_t = crate::job::LINE)]
        chars: usize,
    },
    /// Size, tokens, what assistants load of it, entries by month, what the next run would do
    Stats {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Do archive and memory.md account for everything?
    Check {
        /// What memory.md may have
        #[arg(long, value_name = "SIZE", default_value = "25k", value_parser = units::parse_size)]
        max_size: u64,

        /// How many lines it may have
        #[arg(long, value_name = "LINES", default_value_t = 200)]
        max_lines: u64,
    },
}

fn date(text: &str) -> Result<Date, String> {
    Date::parse(text.as_bytes()).ok_or_else(|| format!("{text:?} is not a day such as 2025-09-01"))
}

fn period(text: &str) -> Result<Period, String> {
    Period::parse(text.as_bytes())
        .ok_or_else(|| format!("{text:?} is not a day, month or year such as 2025-09-01, 2025-09 or 2025"))
}

/// As `--roll-up` takes it.
pub(crate) fn days(text: &str) -> Result<u32, String> {
    let duration = units::parse_duration(text)?;
    u32::try_from(duration.as_secs() / 86_400).map_err(|_| format!("{text:?} is too long"))
}

fn interval(text: &str) -> Result<Duration, String> {
    match units::parse_duration(text)? {
        Duration::ZERO => Err("the interval must not be zero".to_owned()),
        duration => Ok(duration),
    }
}

fn after_help() -> String {
    format!(
        "{}

{}

A memory file or a note of more than 1 GiB is not read and stays as it is.

Environment:
  PAI_HOME  the workspace
  PAI_NOW   an RFC 3339 instant instead of the clock
  TZ        whose midnight a day begins at

Examples:
  pai-optimize --once                      archive what is a week old, once
  pai-optimize -n --max-size 25k           what would fit memory.md into 25 KiB
  pai-optimize -n --headings dated         what it would do to '### Title (2026-03-07)'
  pai-optimize recall lease landlord       find it again",
        settings::HELP,
        exit::HELP
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold() {
        super::Args::command().debug_assert();
    }
}
