#![no_main]

#[path = "../../properties/memory.rs"]
mod memory;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memory::holds(bytes));
