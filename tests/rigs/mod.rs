//! The real things that script tests run against: a throw-away `PostgreSQL`, a small Docker engine for the
//! real docker CLI, real Debian cron on a private machine, a mail program that keeps what it is given, a web
//! server that answers as it is told, a TLS listener with a certificate of any age, a cluster of object stores.
//!
//! Each rig starts with a function that returns `None` after [`crate::skip`] has said what is missing here,
//! and ends, with every process of its own, when it is dropped.

pub mod browser;
pub mod container;
pub mod cron;
pub mod engine;
pub mod garage;
pub mod http;
pub mod machine;
pub mod mail;
pub mod postgres;
pub mod request;
pub mod tls;
