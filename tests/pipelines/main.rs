//! End-to-end tests of pipelines.

#![allow(clippy::unwrap_used)] // in a test, a panic is how a failure is told

mod architecture;
mod archive_format;
mod both_jobs;
mod completions;
mod helps;
mod manuals;
mod readmes;
