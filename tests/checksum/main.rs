//! `pai-checksum` end to end.

mod audit;
mod check;
mod differential;
mod generate;
mod limits;
mod manifest;
mod pipelines;
mod rows;

use std::path::Path;
use std::process::Command;

use pai_tests::{command, tool};

/// The digest of no bytes at all.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The digest of `a` and a line feed.
const A: &str = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7";

/// `pai-checksum` in `folder`.
fn checksum(folder: &Path, args: &[&str]) -> Command {
    let mut command = command(tool("pai-checksum"));
    command.current_dir(folder).args(args);
    command
}

/// `sha256sum` in `folder`.
fn sha256sum(folder: &Path, args: &[&str]) -> Command {
    let mut command = command("sha256sum");
    command.current_dir(folder).args(args);
    command
}

/// Makes files and the folders they are in.
fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("below the scratch folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }
}

/// Says that the file was last written in 2001, so that no clock tick stands between writing and hashing.
fn age(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).expect("the file is there");
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000))
        .expect("an mtime");
}
