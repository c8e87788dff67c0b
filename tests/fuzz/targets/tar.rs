#![no_main]

#[path = "../../properties/tar.rs"]
mod tar;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tar::holds(bytes));
