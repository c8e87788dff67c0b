//! End-to-end tests of optimize.
