#![no_main]

#[path = "../../properties/pax.rs"]
mod pax;
#[path = "../../properties/tar.rs"]
#[allow(dead_code)] // only a part of it is used here
mod tar;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pax::holds(bytes));
