#![no_main]

#[path = "../../properties/dated.rs"]
mod dated;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dated::holds(bytes));
