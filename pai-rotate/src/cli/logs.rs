//! The options of `pai-rotate logs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use pai_common::retention::parse_days;
use pai_common::units::{parse_duration, parse_size};

/// Log rotation.
#[derive(Debug, Args)]
pub struct Logs {
    /// Log files, quoted patterns, or folders (their *.log files)
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Rotate what has at least this size [default: 10M, unless --age is given]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub size: Option<u64>,

    /// Rotate what was begun longer ago: at the last rotation, else when the file was made
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub age: Option<Duration>,

    /// Keep at most so many copies of each log
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,

    /// Delete copies older than N days
    #[arg(long, value_name = "N", value_parser = parse_days, default_value = "30")]
    pub days: Duration,

    /// Put the copies into this folder, which may be on another disk
    #[arg(long, value_name = "DIR")]
    pub archive_dir: Option<PathBuf>,

    /// Copy the log and empty it, for writers that cannot be told
    ///
    /// What is written between the last read and the emptying, some microseconds, is lost; a writer that
    /// does not append (O_APPEND) leaves a hole of NUL bytes. Rename, the default, loses nothing.
    #[arg(long)]
    pub copytruncate: bool,

    /// Run CMD (sh -c) once after the logs were exchanged and before they are compressed
    #[arg(long, value_name = "CMD", conflicts_with = "copytruncate")]
    pub postrotate: Option<String>,

    /// Show what would be done; change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// One JSON object a line
    #[arg(long)]
    pub json: bool,

    /// A PATH that is not there, or a pattern that matches nothing, is no error
    #[arg(long)]
    pub missing_ok: bool,

    /// Wait so long for another rotation in the same folder
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    pub wait: Option<Duration>,
}

/// The end of its `--help`.
pub(super) const HELP_END: &str = "\
Environment:
  PAI_NOW  an instant to take for now
  TZ       the time zone of the stamps

Examples:
  pai-rotate logs ./logs
  pai-rotate logs --age 7d --keep 5 --postrotate 'systemctl kill -s HUP app' /var/log/app.log
  pai-rotate logs --archive-dir /mnt/other-disk/logs ./logs      (works on a full disk)";
