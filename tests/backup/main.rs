//! End-to-end tests of pai-backup.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // in a test, a panic and a count are the report

mod answers;
mod beside;
mod browse;
mod capture;
mod craft;
mod encrypted;
mod exchange;
mod fixtures;
mod foreign;
mod hostile;
mod interrupted;
mod mount;
mod past;
mod readers;
mod released;
mod repair;
mod repair_sealed;
mod roundtrip;
mod rows;
mod sealed_store;
mod selection;
mod shrunk;
mod steps;
mod store;
mod store_cluster;
mod store_history;
mod trouble;
mod verify;
