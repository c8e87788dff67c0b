//! TODO one sentence.

pub mod cli;
pub mod date;
pub mod markdown;
pub mod memory;
pub mod summary;

use pai_common::console::Console;
use pai_common::exit::Exit;

use crate::cli::Args;

/// Runs the tool.
pub fn run(_args: &Args, _console: &Console) -> anyhow::Result<Exit> {
    anyhow::bail!("not built yet")
}
