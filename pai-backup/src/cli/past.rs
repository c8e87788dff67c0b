//! Commands that look into all nights, and mend: `history`, `find`, `browse`, `mount`, `repair`.

use std::path::PathBuf;

use clap::Args as Group;

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
