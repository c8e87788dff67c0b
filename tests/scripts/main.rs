//! End-to-end tests of scripts.
#![allow(clippy::unwrap_used)] // in a test, a panic is how a failure is told

mod backups;
mod config;
mod docker_tasks;
mod dotenv;
mod health;
mod house;
mod install;
mod licences;
mod lint_cron;
mod maintenance;
mod metrics;
mod nights;
mod notify;
mod quickstart;
mod real_engine;
mod release;
mod replays;
mod report;
mod rigs;
mod rows;
mod scheduling;
mod stack;
mod stack_backup;
mod support;
mod system_tasks;
mod systemd;
mod trend;
mod vector_schedule;
