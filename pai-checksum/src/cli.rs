//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, ValueHint};
use pai_common::cli::Common;

/// Print or check SHA-256 checksums, as sha256sum does, faster; find what changed, rotted, moved or is missing
///
/// With no FILE, or when FILE is -, read standard input.
#[derive(Debug, Default, Parser)]
#[command(name = "pai-checksum", version, infer_long_args = true, args_override_self = true, after_help = AFTER_HELP)]
pub struct Args {
    /// What to hash; with --check, files of checksum lines; with --audit and --update, the folder
    // An empty name is one that cannot be read, not bad usage: the others are hashed.
    #[arg(value_name = "FILE", value_hint = ValueHint::AnyPath,
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub files: Vec<PathBuf>,

    /// Read checksums from the FILEs and check them
    #[arg(short, long, help_heading = "As in sha256sum")]
    pub check: bool,

    /// Mark the lines as read in binary mode (*)
    #[arg(short, long, overrides_with = "text", help_heading = "As in sha256sum")]
    pub binary: bool,

    /// Mark the lines as read in text mode (space; the default)
    #[arg(short, long, help_heading = "As in sha256sum")]
    pub text: bool,

    /// Write BSD-style lines: SHA256 (FILE) = ...
    #[arg(long, help_heading = "As in sha256sum")]
    pub tag: bool,

    /// End each line with NUL, not newline, and do not escape file names
    #[arg(short, long, help_heading = "As in sha256sum")]
    pub zero: bool,

    /// (--check) Do not fail or report status for missing files
    #[arg(long, help_heading = "As in sha256sum")]
    pub ignore_missing: bool,

    /// (--check) Do not print OK for each verified file; (--audit, --update) no summary
    #[arg(short, long, overrides_with_all = ["status", "warn"], help_heading = "As in sha256sum")]
    pub quiet: bool,

    /// (--check) Print nothing; the exit status tells
    #[arg(long, overrides_with_all = ["quiet", "warn"], help_heading = "As in sha256sum")]
    pub status: bool,

    /// (--check) Exit non-zero for improperly formatted lines
    #[arg(long, help_heading = "As in sha256sum")]
    pub strict: bool,

    /// (--check) Warn about each improperly formatted line
    #[arg(short, long, overrides_with_all = ["quiet", "status"], help_heading = "As in sha256sum")]
    pub warn: bool,

    /// Hash the regular files below each FILE that is a folder, in order (default: the current folder)
    #[arg(short, long, conflicts_with_all = ["check", "audit", "update"])]
    pub recursive: bool,

    /// Leave out what matches GLOB below a folder (.gitignore rules; may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Read the names of what to hash from LIST (- for standard input), each ended by NUL
    #[arg(long, value_name = "LIST", conflicts_with_all = ["files", "check", "audit", "update"])]
    pub files0_from: Option<PathBuf>,

    /// Names are relative to DIR; MANIFEST and checksum files are not
    #[arg(short = 'C', long, value_name = "DIR")]
    pub directory: Option<PathBuf>,

    /// Replace MANIFEST in one step instead of printing; it is never one of the inputs
    #[arg(short, long, value_name = "MANIFEST", conflicts_with_all = ["check", "audit", "update", "zero", "json"])]
    pub output: Option<PathBuf>,

    /// Write no comment lines with size and times into MANIFEST
    #[arg(long)]
    pub plain: bool,

    /// Compare MANIFEST with the folder (default: the one it is in): CHANGED, ROTTED, NEW, MISSING, MOVED
    #[arg(long, value_name = "MANIFEST", conflicts_with_all = ["check", "update", "tag", "zero"])]
    pub audit: Option<PathBuf>,

    /// Bring MANIFEST up to date, hashing only what is new or whose size or times differ
    #[arg(long, value_name = "MANIFEST", conflicts_with_all = ["check", "tag", "zero"])]
    pub update: Option<PathBuf>,

    /// Hash with N threads (default: one a core; 1 suits a spinning disk)
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

const AFTER_HELP: &str = "\
Exit status:
  0    done; with --check, every file is as listed; with --audit, nothing differs
  1    a file could not be read or changed meanwhile; a check or an audit found a difference
  2    not done: trouble, or bad usage
  130, 143  ended by SIGINT, SIGTERM

Environment:
  LC_ALL, LC_CTYPE, LANG   whether names in messages are shown as UTF-8

Examples:
  pai-checksum *.zip > checksums.txt          sha256sum -c checksums.txt reads it
  pai-checksum -r -o checksums.txt .          the same for a whole folder, replaced in one step
  pai-checksum --audit checksums.txt          what changed, rotted, moved, is new or missing";

impl Args {
    /// The options that the console needs. Both quiet options of sha256sum silence the progress bar.
    pub fn common(&self) -> Common {
        Common { quiet: self.quiet || self.status, verbose: false }
    }

    /// Why the options contradict each other, in sha256sum's words and its order; `None` if they do not.
    pub fn contradiction(&self) -> Option<&'static str> {
        const ONLY_VERIFYING: [&str; 5] = [
            "the --ignore-missing option is meaningful only when verifying checksums",
            "the --status option is meaningful only when verifying checksums",
            "the --warn option is meaningful only when verifying checksums",
            "the --quiet option is meaningful only when verifying checksums",
            "the --strict option is meaningful only when verifying checksums",
        ];
        if self.tag && self.text {
            return Some("--tag does not support --text mode");
        }
        if self.check {
            return [
                (self.zero, "the --zero option is not supported when verifying checksums"),
                (self.tag, "the --tag option is meaningless when verifying checksums"),
                (
                    self.binary || self.text,
                    "the --binary and --text options are meaningless when verifying checksums",
                ),
            ]
            .into_iter()
            .find_map(|(given, message)| given.then_some(message));
        }
        let quiet = self.quiet && self.audit.is_none() && self.update.is_none();
        [self.ignore_missing, self.status, self.warn, quiet, self.strict]
            .into_iter()
            .zip(ONLY_VERIFYING)
            .find_map(|(given, message)| given.then_some(message))
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Args;

    #[test]
    fn the_definitions_hold() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_last_of_status_warn_and_quiet_wins() {
        for (line, expected) in [
            ("--status --warn", [false, true, false]),
            ("--warn --status", [true, false, false]),
            ("--warn --quiet", [false, false, true]),
            ("-w --quiet --status -w", [false, true, false]),
        ] {
            let args = Args::parse_from(["pai-checksum", "-c"].into_iter().chain(line.split(' ')));
            assert_eq!([args.status, args.warn, args.quiet], expected, "{line}");
        }
    }

    #[test]
    fn contradictions_are_named_as_sha256sum_names_them() {
        for (line, expected) in [
            ("-c", None),
            ("-c -b -t", Some("the --binary and --text options are meaningless when verifying checksums")),
            ("-c --tag", Some("the --tag option is meaningless when verifying checksums")),
            ("-c -z", Some("the --zero option is not supported when verifying checksums")),
            ("--tag -t", Some("--tag does not support --text mode")),
            ("--strict", Some("the --strict option is meaningful only when verifying checksums")),
            ("--tag -b -z", None),
            ("--quiet", Some("the --quiet option is meaningful only when verifying checksums")),
            ("--quiet --audit x", None),
        ] {
            let args = Args::parse_from(["pai-checksum"].into_iter().chain(line.split(' ')));
            assert_eq!(args.contradiction(), expected, "{line}");
        }
    }
}
