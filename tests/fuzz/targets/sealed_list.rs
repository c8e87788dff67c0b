#![no_main]

#[path = "../../properties/sealed.rs"]
mod sealed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealed::list(bytes));
