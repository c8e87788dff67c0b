#![no_main]

#[path = "../../properties/checksum.rs"]
mod checksum;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checksum::holds(bytes));
