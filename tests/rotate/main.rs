//! End-to-end tests of rotate.
