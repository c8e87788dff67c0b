//! End-to-end tests of scripts.

mod rigs;
