//! End-to-end tests of backup.
