//! The command line.

mod make;
mod past;
mod read;
mod store;

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};
use pai_common::cli::{Common, Now, Workspace};
use pai_common::exit;

pub use self::make::{Capture, Create, Format, Seal, StampForm};
#[cfg(feature = "mount")]
pub use self::past::Mount;
pub use self::past::{Browse, Find, History, Repair};
pub use self::read::{Cat, Diff, List, Restore, Verify};
pub use self::store::{Forget, Key, KeyCommand, KeyNew, KeyPublic, Prune, Pull, Push};

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

fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('.') || text.contains('/') {
        return Err(
            "a prefix is the first part of a file name: not empty, no slash, no leading dot".to_owned()
        );
    }
    Ok(text.to_owned())
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
}
