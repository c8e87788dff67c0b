//! End-to-end tests of scripts.
#![allow(clippy::unwrap_used)] // in a test, a panic is how a failure is told

mod backups;
mod config;
mod docker_tasks;
mod dotenv;
mod health;
mod house;
mod install;
mod lint_cron;
mod maintenance;
mod memo;
mod memo_certificates;
mod memo_config;
mod memo_deploy;
mod memo_restore;
mod memo_rows;
mod memo_sqlite;
mod nights;
mod notify;
mod quickstart;
mod real_engine;
mod replays;
mod rigs;
mod rows;
mod scheduling;
mod stack;
mod stack_backup;
mod support;
mod system_tasks;
mod systemd;
