//! Decides what may go, says why, and never takes the last good copy; rotates logs without losing a line.

mod apply;
mod calendar;
mod candidates;
pub mod cli;
pub mod listing;
mod logs;
mod look;
mod paths;
pub mod plan;
mod policy;
mod prune;
pub mod reading;
mod remove;
mod report;
pub mod series;

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
