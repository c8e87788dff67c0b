//! End-to-end tests of pai-rotate.

mod filter;
mod find;
mod folders;
mod guards;
mod live;
mod logs;
mod names;
mod readme;
mod time;

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use pai_tests::{Outcome, command, run, run_with_input, tool};

/// The instant most tests run at.
const NOW: &str = "2025-09-16T12:00:00Z";

/// `pai-rotate` at [`NOW`], in UTC.
fn rotate(args: &[&str]) -> Command {
    let mut rotate = command(tool("pai-rotate"));
    rotate.args(args).env("PAI_NOW", NOW);
    rotate
}

/// Runs it in `folder`.
fn rotate_in(folder: &Path, args: &[&str]) -> Outcome {
    run(rotate(args).current_dir(folder))
}

/// Filters `names`.
fn filter(args: &[&str], names: &str) -> Outcome {
    run_with_input(rotate(&["--stdin"]).args(args), names.as_bytes())
}

/// More than gzip makes of nothing: a `.gz` that holds less counts as empty.
const CONTENT: &str = "twenty-five bytes of text";

/// A file that holds something.
fn write(folder: &Path, name: &str) {
    std::fs::write(folder.join(name), CONTENT).expect("a file can be written");
}

/// A file last written so long before [`NOW`].
fn write_aged(folder: &Path, name: &str, age: Duration) {
    write(folder, name);
    set_age(&folder.join(name), age);
}

fn set_age(path: &Path, age: Duration) {
    let file = File::open(path).expect("the file is there");
    file.set_modified(now() - age).expect("an owner may set times");
}

fn now() -> SystemTime {
    pai_common::clock::Timestamp::parse(NOW).expect("an instant").to_system()
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

const DAY: Duration = Duration::from_secs(86_400);
