//! End-to-end tests of scripts.
#![allow(clippy::unwrap_used)] // in a test, a panic is how a failure is told

mod backups;
mod config;
mod docker_tasks;
mod dotenv;
mod emergency;
mod health;
mod house;
mod install;
mod lint_cron;
mod maintenance;
mod metrics;
mod nights;
mod notify;
mod protected;
mod quickstart;
mod real_engine;
mod replays;
mod report;
mod restart;
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
mod vector_cache;
mod vector_load;
mod vector_postgres;
mod vector_store;
