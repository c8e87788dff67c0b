#![no_main]

#[path = "../../properties/listing.rs"]
mod listing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| listing::holds(bytes));
