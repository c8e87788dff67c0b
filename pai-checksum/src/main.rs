//! `pai-checksum`: see `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pai_common::cli::run(
        "pai-checksum",
        |args: &pai_checksum::cli::Args| args.common.clone(),
        pai_checksum::run,
    )
}
