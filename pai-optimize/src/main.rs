//! `pai-optimize`: see `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pai_common::cli::run(
        "pai-optimize",
        |args: &pai_optimize::cli::Args| args.common.clone(),
        pai_optimize::run,
    )
}
