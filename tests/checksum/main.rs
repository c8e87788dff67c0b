//! End-to-end tests of checksum.
