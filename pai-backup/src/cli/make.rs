//! Commands that make archives: `create` and `capture`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, ValueEnum};
use pai_common::units;

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

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .map(|number| number / 100.0)
        .ok_or_else(|| format!("{text:?} is not a share such as 5%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percent() {
        assert_eq!(percent("5%"), Ok(0.05));
        assert!(percent("101%").is_err() && percent("x").is_err() && percent("-1").is_err());
    }
}
