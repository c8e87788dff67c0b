#![no_main]

#[path = "../../properties/archive.rs"]
mod archive;
#[path = "../../properties/index.rs"]
#[allow(dead_code)] // only a part of it is used here
mod index;
#[path = "../../properties/tar.rs"]
#[allow(dead_code)] // only a part of it is used here
mod tar;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| archive::holds(bytes));
