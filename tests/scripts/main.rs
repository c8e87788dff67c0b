//! End-to-end tests of scripts.

mod backups;
mod lint_cron;
mod notify;
mod quickstart;
mod replays;
mod rigs;
mod support;
