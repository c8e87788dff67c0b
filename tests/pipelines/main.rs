//! End-to-end tests of pipelines.
