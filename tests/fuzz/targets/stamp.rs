#![no_main]

#[path = "../../properties/stamp.rs"]
mod stamp;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stamp::holds(bytes));
