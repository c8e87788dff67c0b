//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use pai_common::cli::{Common, Now, Workspace};
use pai_common::{exit, units};

/// Back up a workspace to plain tar.gz archives, and bring it back
#[derive(Debug, Parser)]
#[command(name = "pai-backup", version, after_long_help = after_help())]
pub struct Args {
    /// What to do; create unless given
    #[command(subcommand)]
    pub command: Option<Command>,

    /// What create takes, so that its name can be left out
    #[command(flatten)]
    pub create: Create,

    /// Where archives are
    #[command(flatten)]
    pub place: Place,

    /// What all tools share
    #[command(flatten)]
    pub common: Common,

    /// What is taken for now
    #[command(flatten)]
    pub now: Now,
}

/// Where the workspace and its archives are.
#[derive(Debug, Clone, Group)]
pub struct Place {
    /// The workspace
    #[command(flatten)]
    pub workspace: Workspace,

    /// Where archives are kept [default: archive/ in the workspace]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub archive_dir: Option<PathBuf>,

    /// First part of archive names
    #[arg(long = "name", global = true, value_name = "PREFIX", default_value = "pai", value_parser = prefix)]
    pub prefix: String,

    /// A store beyond the archive folder
    // Not clap's env: create must be told, or it would make no local archive any more.
    #[arg(long, global = true, value_name = "STORE",
          help = "A store: a folder, s3://BUCKET/PREFIX or rclone:REMOTE:PATH [env: PAI_STORE, but for create]",
          value_hint = clap::ValueHint::AnyPath)]
    pub store: Option<String>,

    /// A file with the identity that opens what is encrypted: age's, or a private key of ssh (may be repeated)
    #[arg(long, global = true, env = "PAI_IDENTITY", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub identity: Vec<PathBuf>,

    /// Threads for compression and inflation [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an archive of the workspace, then remove archives past their retention
    Create(Create),
    /// Keep what a command prints: database dumps and the like
    Capture(Capture),
    /// List the archives, or what is in one
    List(List),
    /// Check archives down to the last bit
    Verify(Verify),
    /// Bring an archive back, or parts of it
    Restore(Restore),
    /// Compare an archive with the disk, or with another archive
    Diff(Diff),
    /// Write one file of an archive to stdout
    Cat(Cat),
    /// Show every version of a file that the archives hold, newest first, across its names
    History(History),
    /// Show which archives hold files of a name
    Find(Find),
    /// Show nights, folders, differences and versions as pages on 127.0.0.1
    Browse(Browse),
    /// Show the archives as folders: a file system that can only be read
    #[cfg(feature = "mount")]
    Mount(Mount),
    /// Mend a damaged archive from others that hold the same
    Repair(Repair),
    /// Send archives of the archive folder to a store
    Push(Push),
    /// Bring archives of a store back into the archive folder
    Pull(Pull),
    /// Let a store forget archives
    Forget(Forget),
    /// Free what no archive of a store needs: marked now, deleted by a run a day later
    Prune(Prune),
    /// Make a key for encryption, or show its public half
    Key(Key),
}

/// Whom something is encrypted for.
#[derive(Debug, Clone, Default, PartialEq, Group)]
pub struct Seal {
    /// Encrypt for this recipient: age1..., or an ssh-ed25519 or ssh-rsa public key (may be repeated)
    #[arg(long, value_name = "RECIPIENT")]
    pub recipient: Vec<String>,

    /// Encrypt for the recipients in this file, one a line
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub recipients_file: Vec<PathBuf>,
}

/// `create`
#[derive(Debug, Clone, Default, PartialEq, Group)]
pub struct Create {
    /// Only these, relative to the workspace [default: all but our own archives and logs]
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Show and log what would be done; make no more than archive/ and logs/
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Leave out what matches (rules of .gitignore; may be repeated)
    #[arg(short, long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Leave out what matches a pattern of this file; .paiignore in the workspace is read too
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub exclude_from: Vec<PathBuf>,

    /// Leave out the content of folders that hold a CACHEDIR.TAG
    #[arg(long)]
    pub exclude_caches: bool,

    /// Stay on the workspace's file system
    #[arg(short = 'x', long)]
    pub one_file_system: bool,

    /// Leave extended attributes out
    #[arg(long)]
    pub no_xattrs: bool,

    /// Compression level, 1 (fast) to 9 (small) [default: 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub level: Option<u8>,

    /// What to make
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// Reuse nothing of the previous archive: read and compress every file
    #[arg(long)]
    pub full: bool,

    /// Read this share of the unchanged files all the same and report silent changes
    #[arg(long, value_name = "P%", value_parser = percent)]
    pub reread: Option<f64>,

    /// Write the archive to this file, or to stdout for -; nothing is rotated then
    #[arg(short, long, value_name = "FILE|-")]
    pub output: Option<PathBuf>,

    /// Also write NAME.tar.gz.sha256, which sha256sum -c reads
    #[arg(long)]
    pub sha256: bool,

    /// Add the archive to this list of checksums, and take out those that go
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub checksums: Option<PathBuf>,

    /// Also make NAME.tar.gz.par2, from which repair mends up to this share of the archive (runs par2)
    #[arg(long, value_name = "P%", value_parser = percent)]
    pub par2: Option<f64>,

    /// For a store, or an output whose name ends in .age
    #[command(flatten)]
    pub seal: Seal,

    /// Remove archives older than N days after success [default: 30; env: RETENTION_DAYS]
    // Not clap's env: a junk value there must not keep `list` from working.
    #[arg(long, value_name = "N")]
    pub retention_days: Option<String>,

    /// Remove no old archive
    #[arg(long)]
    pub no_rotate: bool,

    /// Say that the workspace is meant to be much smaller now, or empty: old archives are removed again
    #[arg(long)]
    pub allow_shrink: bool,

    /// Wait so long for another run to end, instead of exit 75 at once
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    pub wait: Option<Duration>,
}

/// What an archive is made as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A tar.gz with an index
    #[default]
    #[value(name = "tar.gz")]
    TarGz,
    /// A zip, for readers that know nothing else; nothing is reused or rotated
    Zip,
}

/// How a capture's name tells its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum StampForm {
    /// YYYYMMDD-HHMMSS: every capture is kept
    #[default]
    Second,
    /// YYYY-MM-DD: a later capture of the day replaces an earlier one
    Date,
}

/// `capture`
#[derive(Debug, Group)]
pub struct Capture {
    /// Last part of the file's name; .gz at its end compresses, .age behind that encrypts
    #[arg(long, value_name = "EXT", default_value = "")]
    pub ext: String,

    /// How the name tells the time
    #[arg(long, value_enum, default_value_t)]
    pub stamp: StampForm,

    /// Refuse what the command printed unless its last 4 KiB hold this
    #[arg(long, value_name = "TEXT")]
    pub expect_tail: Option<String>,

    /// Compression level, 1 (fast) to 9 (small) [default: 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub level: Option<u8>,

    /// For an EXT that ends in .age
    #[command(flatten)]
    pub seal: Seal,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

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

/// `history`
#[derive(Debug, Group)]
pub struct History {
    /// The file's path in the workspace, as it is now or was
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub path: PathBuf,

    /// Show how each version of a text differs from the one before it
    #[arg(long, conflicts_with = "grep")]
    pub diff: bool,

    /// Show only versions with lines that hold WORD, and how many; exit 1 if there is none
    #[arg(long, value_name = "WORD")]
    pub grep: Option<String>,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `find`
#[derive(Debug, Group)]
pub struct Find {
    /// A name with * ? [ ] at any depth, or a path from the workspace's top; ** crosses folders
    #[arg(value_name = "GLOB")]
    pub glob: String,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `browse`
#[derive(Debug, Group)]
pub struct Browse {
    /// Listen on this port of 127.0.0.1 [default: a free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
}

/// `mount`
#[cfg(feature = "mount")]
#[derive(Debug, Group)]
pub struct Mount {
    /// An empty folder outside the workspace
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub target: PathBuf,
}

/// `repair`
#[derive(Debug, Group)]
pub struct Repair {
    /// An archive of the archive folder, or latest
    #[arg(value_name = "ARCHIVE|latest")]
    pub archive: PathBuf,

    /// Show what would be mended, from where, and what is lost
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `push`
#[derive(Debug, Group)]
pub struct Push {
    /// These archives [default: those newer than the newest of the store]
    #[arg(value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,

    /// All that the store does not have, older ones too
    #[arg(long, conflicts_with = "archives")]
    pub all: bool,

    /// Send nothing new: read every pack, and make missing and damaged ones again from local archives
    #[arg(long, conflicts_with_all = ["archives", "all"])]
    pub repair: bool,

    /// The store is encrypted, or becomes it with its first archive
    #[command(flatten)]
    pub seal: Seal,

    /// Wait so long for another run to end, instead of exit 75 at once
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    pub wait: Option<Duration>,
}

/// `pull`
#[derive(Debug, Group)]
pub struct Pull {
    /// Archives of the store, or latest
    #[arg(value_name = "ARCHIVE|latest", required = true)]
    pub archives: Vec<PathBuf>,
}

/// `forget`
#[derive(Debug, Group)]
pub struct Forget {
    /// Archives of the store
    #[arg(value_name = "ARCHIVE", required_unless_present = "stdin")]
    pub archives: Vec<PathBuf>,

    /// Read their names from stdin, one a line
    #[arg(long, conflicts_with = "archives")]
    pub stdin: bool,

    /// The newest of the series, too
    #[arg(long)]
    pub all: bool,

    /// Show what would be forgotten
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// `prune`
#[derive(Debug, Group)]
pub struct Prune {
    /// First write packs anew of which archives use less than half
    #[arg(long)]
    pub repack: bool,

    /// Show what would be marked and deleted
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// `key`
#[derive(Debug, Group)]
pub struct Key {
    /// What to do
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// The commands of `key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a pair: the identity goes into FILE, and its recipient to stdout
    New(KeyNew),
    /// Show the recipients that belong to the identities in FILE
    Public(KeyPublic),
}

/// `key new`
#[derive(Debug, Group)]
pub struct KeyNew {
    /// A file that is not there yet
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,

    /// Protect it by a passphrase, which is asked for
    #[arg(long)]
    pub passphrase: bool,
}

/// `key public`
#[derive(Debug, Group)]
pub struct KeyPublic {
    /// A file of identities
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
}

fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('.') || text.contains('/') {
        return Err(
            "a prefix is the first part of a file name: not empty, no slash, no leading dot".to_owned()
        );
    }
    Ok(text.to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .map(|number| number / 100.0)
        .ok_or_else(|| format!("{text:?} is not a share such as 5%"))
}

fn after_help() -> String {
    format!(
        "{}

Environment:
  PAI_HOME        the workspace (--home wins)
  PAI_IDENTITY    the file of the identity that opens what is encrypted (--identity wins)
  PAI_NOW         an RFC 3339 instant taken for now (--now wins)
  PAI_STORE       the store to read, push to, forget in and prune (--store wins)
  RETENTION_DAYS  age in days past which archives go (--retention-days wins)

Examples:
  PAI_HOME=~/pai pai-backup
  pai-backup verify --latest
  pai-backup restore latest --target /tmp/back 'projects/*.md'",
        exit::HELP
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold() {
        Args::command().debug_assert();
    }

    #[test]
    fn create_needs_no_name() {
        let args = Args::parse_from(["pai-backup", "-n", "--home", "/x", "projects"]);
        assert!(args.command.is_none() && args.create.dry_run);
        assert_eq!(args.create.paths, [PathBuf::from("projects")]);
        let args = Args::parse_from(["pai-backup", "--home", "/x", "list", "latest"]);
        assert!(matches!(args.command, Some(Command::List(_))));
        assert_eq!(args.create, Create::default());
    }

    #[test]
    fn shares_are_percent() {
        assert_eq!(percent("5%"), Ok(0.05));
        assert!(percent("101%").is_err() && percent("x").is_err() && percent("-1").is_err());
    }
}
