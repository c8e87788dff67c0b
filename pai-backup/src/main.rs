//! `pai-backup`: see `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pai_common::cli::run("pai-backup", |args: &pai_backup::cli::Args| args.common.clone(), pai_backup::run)
}
