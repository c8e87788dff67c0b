//! End-to-end tests of pipelines.

mod archive_format;
mod readmes;
