//! `pai-rotate`: see `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pai_common::cli::run("pai-rotate", |args: &pai_rotate::cli::Args| args.common.clone(), pai_rotate::run)
}
