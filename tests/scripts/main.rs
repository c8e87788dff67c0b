//! End-to-end tests of scripts.

mod lint_cron;
mod quickstart;
mod rigs;
