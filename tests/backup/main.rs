//! End-to-end tests of pai-backup.
#![allow(clippy::unwrap_used)] // in a test, a panic is how a failure is told

mod craft;
mod fixtures;
mod rows;
mod verify;
