//! The command line.

mod logs;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use pai_common::cli::{Common, Now};
use pai_common::clock::Format;
use pai_common::retention::{Limit, Span, parse_days};
use pai_common::units::parse_duration;
use regex::bytes::Regex;

pub use self::logs::Logs;
use crate::series::Grouping;

/// Decide what may go, say why, and never take the last good copy
///
/// Deletes what a retention policy does not keep: backups, dumps, reports, whole dated folders. As a filter
/// (--stdin) it deletes nothing and prints the names that may go. The command logs rotates log files.
#[derive(Debug, Parser)]
#[command(name = "pai-rotate", version, after_long_help = help_end(PRUNE_END))]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Args {
    /// Log rotation
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Retention
    #[command(flatten)]
    pub prune: Prune,

    /// What all tools share
    #[command(flatten)]
    pub common: Common,

    /// The clock
    #[command(flatten)]
    pub now: Now,

    /// What stays; last, as its heading would go on over what follows
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Rotate and compress log files without losing a line
    ///
    /// A log app.log becomes app.log-YYYYMMDD-HHMMSS.gz when it is large or old enough, and copies that are too many or
    /// too old go. The log is exchanged with an empty file of the same mode and owner in one step, so a writer
    /// that opens it by name never misses it; one that keeps it open goes on writing to the copy, which is not
    /// compressed while a process has it open for writing. Tell such a writer with --postrotate, or use
    /// --copytruncate.
    #[command(after_long_help = help_end(logs::HELP_END))]
    Logs(Logs),
}

/// Retention: what may go.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct Prune {
    /// Files, quoted patterns ('/backups/codexdb_*.sql') or folders (the files in them, not below)
    ///
    /// Names that start with a dot or end like an unfinished upload (.partial, .tmp) are left alone. A folder
    /// or file named logs is given as ./logs.
    #[arg(value_name = "PATH", required_unless_present = "stdin", conflicts_with = "stdin")]
    pub paths: Vec<PathBuf>,

    /// Show each item with its verdict and the reason; change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Filter: names on stdin, one a line; those that may go on stdout; nothing is deleted
    #[arg(long)]
    pub stdin: bool,

    /// Names end with NUL, on stdin and on stdout
    #[arg(short = '0', long)]
    pub null: bool,

    /// One JSON object a line: every item, its verdict, the reasons
    #[arg(long)]
    pub json: bool,

    /// Show what stays and goes as a calendar, months as rows; change nothing
    #[arg(long, conflicts_with = "json")]
    pub calendar: bool,

    /// How names are read
    #[command(flatten)]
    pub names: Names,

    /// Read stamps and count hours, days and months in UTC, not in local time
    #[arg(long)]
    pub utc: bool,

    /// So many of the newest items of each series stay, and so many of the newest that are not empty
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_floor)]
    pub min_keep: usize,

    /// Refuse a plan that deletes more than N items, or more than P% of them
    #[arg(long, value_name = "N|P%", value_parser = MaxDelete::parse)]
    pub max_delete: Option<MaxDelete>,

    /// Folders with a stamp in their name are items too, and go with all they hold
    #[arg(long)]
    pub dirs: bool,

    /// Take the lines of deleted files out of this list of checksums
    #[arg(long, value_name = "FILE", conflicts_with = "stdin")]
    pub checksums: Option<PathBuf>,

    /// A PATH that is not there, or a pattern that matches nothing, is no error
    #[arg(long)]
    pub missing_ok: bool,
}

impl Prune {
    /// What ends a name on stdout.
    pub(crate) fn end_of_name(&self) -> &'static [u8] {
        if self.null { b"\0" } else { b"\n" }
    }
}

/// How names are read.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct Names {
    /// Where an item's time comes from: its name, else (files only) the modification time
    #[arg(long, value_enum, default_value_t = By::Auto)]
    pub by: By,

    /// Read stamps of this form alone, in strptime's words: %d-%m-%Y, %y%m%d, %s
    ///
    /// %Y %m %d year, month, day; %y the year in two figures; %H %M %S the time of day; %j the day of the year;
    /// %G-W%V the ISO week; %b Sep; %s seconds of the epoch; %z an offset. Figures must be as many as would be
    /// written (01, not 1). What is not said is midnight, the first day, the Monday. Without it these are read:
    /// YYYYMMDD, YYYY-MM-DD and YYYY_MM_DD, alone or with a time of day to the minute or second, YYYYMMDDHHMM,
    /// YYYYMMDDHHMMSS, and YYYY-Www.
    #[arg(long, value_name = "FORMAT", value_parser = Format::parse)]
    pub stamp: Option<Format>,

    /// What this regular expression matches of a name, or its groups, makes the series: '^[a-z]+'
    ///
    /// Unless told, names that differ only in the stamp are a series; with a random part in them each is one of its
    /// own, and stays. Items whose names do not match stay, too.
    #[arg(long, value_name = "PATTERN", value_parser = Grouping::pattern, conflicts_with = "one_series")]
    pub series: Option<Regex>,

    /// All items (of a folder) are one series, whatever their names
    #[arg(long)]
    pub one_series: bool,
}

/// The rules that keep items. One rule that keeps an item is enough.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Policy (an item stays if any of these keeps it; each series on its own)")]
pub struct PolicyArgs {
    /// Keep what is not older than N days of 86,400 seconds, or RETENTION_DAYS
    ///
    /// An item of exactly that age stays. find's -mtime +30 waits for 31 days: it drops fractions.
    #[arg(long, value_name = "N", value_parser = parse_days, conflicts_with = "older_than")]
    pub days: Option<Duration>,

    /// Keep what is not older than D, such as 30d or "2h 30m"
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub older_than: Option<Duration>,

    /// Keep the N newest; N is a number or "unlimited", here and below
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    pub keep_last: Option<Limit>,

    /// Keep the newest item of each of the N newest hours that have one
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    pub keep_hourly: Option<Limit>,

    /// ... of each of the N newest days
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    pub keep_daily: Option<Limit>,

    /// ... of each of the N newest ISO weeks
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    pub keep_weekly: Option<Limit>,

    /// ... of each of the N newest months
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    pub keep_monthly: Option<Limit>,

    /// ... of each of the N newest years
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    pub keep_yearly: Option<Limit>,

    /// Keep all within D of the newest item, such as 14d, 6months or "1y 12h"
    #[arg(long, value_name = "D", value_parser = parse_window)]
    pub keep_within: Option<Limit>,

    /// Keep the newest item of each hour within D of the newest item
    #[arg(long, value_name = "D", value_parser = parse_window)]
    pub keep_within_hourly: Option<Limit>,

    /// ... of each day
    #[arg(long, value_name = "D", value_parser = parse_window)]
    pub keep_within_daily: Option<Limit>,

    /// ... of each ISO week
    #[arg(long, value_name = "D", value_parser = parse_window)]
    pub keep_within_weekly: Option<Limit>,

    /// ... of each month
    #[arg(long, value_name = "D", value_parser = parse_window)]
    pub keep_within_monthly: Option<Limit>,

    /// ... of each year
    #[arg(long, value_name = "D", value_parser = parse_window)]
    pub keep_within_yearly: Option<Limit>,
}

/// Where an item's time comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The stamp in the name, else the modification time of a file; of a line on stdin the name alone
    #[default]
    Auto,
    /// The stamp in the name; a name without one is never deleted
    Name,
    /// The modification time
    Mtime,
}

/// The largest plan that is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxDelete {
    /// A number of items.
    Count(usize),
    /// A percentage of the items.
    Percent(u8),
}

impl MaxDelete {
    fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is neither a number of items nor a percentage such as 20%");
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.parse().ok().filter(|percent| *percent <= 100);
                percent.map(Self::Percent).ok_or_else(bad)
            }
            None => text.parse().map(Self::Count).map_err(|_| bad()),
        }
    }
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    match text {
        "unlimited" => Ok(Limit::Unlimited),
        _ => text
            .parse()
            .map(Limit::Count)
            .map_err(|_| format!("{text:?} is neither a number such as 7 nor \"unlimited\"")),
    }
}

fn parse_window(text: &str) -> Result<Limit, String> {
    Span::parse(text).map(Limit::Within)
}

fn parse_floor(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(floor) if floor > 0 => Ok(floor),
        _ => Err("the newest item always stays: give 1 or more".to_owned()),
    }
}

fn help_end(rest: &str) -> String {
    format!("{}\n\n{rest}", pai_common::exit::HELP)
}

const PRUNE_END: &str = "\
Environment:
  RETENTION_DAYS  the policy --days, when no other is given
  PAI_NOW         an instant to take for now
  TZ              the local time zone

Examples:
  pai-rotate -n --keep-daily 7 --keep-weekly 4 '/backups/codexdb_*.sql.gz'
  rclone lsf remote:backups | pai-rotate --stdin --keep-daily 7 --keep-weekly 4 |
    xargs -r -d '\\n' -I{} rclone deletefile remote:backups/{}
  pai-rotate logs --size 10M --keep 5 ./logs";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold() {
        Args::command().debug_assert();
    }

    #[test]
    fn limits_are_numbers_percentages_or_unlimited() {
        assert_eq!(parse_limit("unlimited"), Ok(Limit::Unlimited));
        assert_eq!(parse_limit("7"), Ok(Limit::Count(7)));
        assert_eq!(MaxDelete::parse("20%"), Ok(MaxDelete::Percent(20)));
        assert_eq!(MaxDelete::parse("20"), Ok(MaxDelete::Count(20)));
        for text in ["-1", "", "all", "7.5"] {
            assert!(parse_limit(text).is_err(), "{text}");
            assert!(MaxDelete::parse(text).is_err(), "{text}");
        }
        assert!(MaxDelete::parse("101%").is_err());
        assert!(parse_floor("0").is_err());
    }
}
