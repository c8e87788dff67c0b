//! Writes a folder of daily notes, mixed from the corpus: `cargo run -p pai-tests --example memory_corpus -- FOLDER COUNT`.
//! The same COUNT gives the same notes. `scripts/dev/bench/find_again.py` takes the folder.
#![allow(clippy::unwrap_used)] // run by hand: the panic is the report

use std::path::PathBuf;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let usage = "usage: memory_corpus FOLDER COUNT";
    let folder = PathBuf::from(args.next().expect(usage));
    let count = args.next().and_then(|count| count.to_str()?.parse().ok()).expect(usage);
    std::fs::create_dir_all(&folder).unwrap();
    for document in pai_tests::corpus::documents() {
        if let Some(name) = document.name.strip_prefix("memory/") {
            std::fs::write(folder.join(name), document.text).unwrap();
        }
    }
    for (name, text) in pai_tests::corpus::mix::notes(1, count) {
        std::fs::write(folder.join(name), text).unwrap();
    }
}
