//! `pai-checksum`: see `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pai_common::cli::run("pai-checksum", pai_checksum::cli::Args::common, pai_checksum::run)
}
