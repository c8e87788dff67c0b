//! Commands for stores and their keys: `push`, `pull`, `forget`, `prune`, `key`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Subcommand};
use pai_common::units;

use crate::cli::make::Seal;

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
