//! End-to-end tests of scripts.

mod backups;
mod install;
mod lint_cron;
mod nights;
mod notify;
mod quickstart;
mod replays;
mod rigs;
mod support;
mod systemd;
