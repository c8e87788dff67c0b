#![no_main]

#[path = "../../properties/index.rs"]
mod index;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| index::holds(bytes));
