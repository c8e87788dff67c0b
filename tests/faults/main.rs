//! What is promised, and something that tries to break it: kills, power cuts, full disks, failing system calls,
//! wrong clocks, two runs at once. Every scene (`scenes`) meets every fault; a test ends with a line that counts.
//!
//! `PAI_FAULTS_ROUNDS` sets how many times each scene is killed at a random moment.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // helpers of tests: the panic and the count are the report

mod calls;
mod clock;
mod kill;
mod power;
mod scenes;
mod shim;
mod space;
mod tally;
mod twice;
