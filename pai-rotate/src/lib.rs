//! Decides what may go, says why, and never takes the last good copy; rotates logs without losing a line.

pub mod apply;
pub mod calendar;
pub mod candidates;
pub mod checksums;
pub mod cli;
pub mod listing;
pub mod logs;
pub mod look;
pub mod paths;
pub mod plan;
pub mod policy;
pub mod prune;
pub mod remove;
pub mod report;

use pai_common::console::Console;
use pai_common::exit::Exit;

use crate::cli::{Args, Command};

/// Runs the tool.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<Exit> {
    let clock = args.now.clock();
    match &args.command {
        None => prune::run(&args.prune, &args.policy, clock.now(), console),
        Some(Command::Logs(args)) => logs::run(args, clock, console),
    }
}
