//! End-to-end tests of scripts.
