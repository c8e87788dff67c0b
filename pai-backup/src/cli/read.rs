//! Commands that read one archive, or several: `list`, `verify`, `restore`, `diff`, `cat`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as Group;
use pai_common::units;

/// `list`
#[derive(Debug, Group)]
pub struct List {
    /// An archive, latest, or - for stdin; without it the archives are listed, newest first
    #[arg(value_name = "ARCHIVE|latest|-")]
    pub archive: Option<PathBuf>,

    /// Show mode, owner, size and time
    #[arg(short, long)]
    pub long: bool,

    /// Print lines that sha256sum -c reads
    #[arg(long, requires = "archive", conflicts_with_all = ["long", "json"])]
    pub sha256: bool,

    /// Print the archives' names alone, for pai-rotate and forget
    #[arg(long, conflicts_with_all = ["archive", "json"])]
    pub names: bool,

    /// Exit 1 unless the newest archive is younger than this
    #[arg(long, value_name = "DURATION", conflicts_with = "archive", value_parser = units::parse_duration)]
    pub max_age: Option<Duration>,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `verify`
#[derive(Debug, Group)]
pub struct Verify {
    /// Archives, or - for stdin [default: the newest]
    #[arg(value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,

    /// The newest archive, good or not
    #[arg(long, conflicts_with_all = ["archives", "all"])]
    pub latest: bool,

    /// Every archive
    #[arg(long, conflicts_with = "archives")]
    pub all: bool,

    /// Also compare with the files as they are now
    #[arg(long)]
    pub against_disk: bool,

    /// Mend what is damaged, as repair does; the exit status is 1 all the same
    #[arg(long, conflicts_with = "against_disk")]
    pub repair: bool,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `restore`
#[derive(Debug, Group)]
pub struct Restore {
    /// An archive, latest, or - for stdin
    #[arg(value_name = "ARCHIVE|latest|-")]
    pub archive: PathBuf,

    /// Only these paths and what is below them; globs allowed
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,

    /// Restore into this folder instead of the workspace
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub target: Option<PathBuf>,

    /// Show what would be written, replaced and left
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Replace files that differ; those of the workspace are archived first
    #[arg(short, long)]
    pub force: bool,

    /// As root: set-user-ID and set-group-ID bits and device nodes too
    #[arg(long)]
    pub privileged: bool,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `diff`
#[derive(Debug, Group)]
pub struct Diff {
    /// The older archive, or latest
    #[arg(value_name = "ARCHIVE|latest")]
    pub archive: PathBuf,

    /// The newer archive [default: the files as they are now]
    #[arg(value_name = "ARCHIVE")]
    pub other: Option<PathBuf>,

    /// Trust sizes and times: read no file that has those of the archive
    #[arg(long, conflicts_with = "other")]
    pub quick: bool,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `cat`
#[derive(Debug, Group)]
pub struct Cat {
    /// An archive, or latest
    #[arg(value_name = "ARCHIVE|latest")]
    pub archive: PathBuf,

    /// The file's path in it
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
}
