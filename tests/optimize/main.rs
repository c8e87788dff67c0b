//! End-to-end tests of `pai-optimize`.
#![allow(clippy::unwrap_used)] // helpers of tests: the panic is the report
#![allow(clippy::format_push_string, clippy::format_collect)] // documents of a few lines

mod bounds;
mod commands;
mod concurrency;
mod crash;
mod dated;
mod documented;
mod mixed;
mod notes;
mod readme;
mod recall;
mod stats;
mod summaries;
mod trouble;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{Outcome, command, run, scratch, tool};
use tempfile::TempDir;

/// The moment the runbook's run took place.
const NOW: &str = "2025-09-16T09:00:17.570+03:00";

/// A workspace with a memory file.
struct Workspace {
    folder: TempDir,
}

impl Workspace {
    fn new(memory: impl AsRef<[u8]>) -> Self {
        let folder = scratch();
        std::fs::write(folder.path().join("memory.md"), memory).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn memory(&self) -> String {
        std::fs::read_to_string(self.path("memory.md")).unwrap()
    }

    fn archived(&self, date: &str) -> String {
        std::fs::read_to_string(self.path(&format!("archive/memory/memory-{date}.md"))).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("logs/optimize_memory.log")).unwrap()
    }

    /// The tool at [`NOW`], local time being Helsinki's.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(tool("pai-optimize"));
        command.args(args).current_dir(self.folder.path());
        command.env("PAI_HOME", self.folder.path()).env("PAI_NOW", NOW).env("TZ", "Europe/Helsinki");
        command
    }

    fn run(&self, args: &[&str]) -> Outcome {
        run(&mut self.command(args))
    }

    fn once(&self) -> Outcome {
        self.run(&["--once"]).expect(0)
    }

    /// Every visible file but the log, and its bytes.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(self.folder.path(), &mut found);
        found.retain(|path, _| !path.ends_with("optimize_memory.log"));
        found
    }
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
}

/// How often `text` occurs.
fn count(haystack: &str, text: &str) -> usize {
    haystack.matches(text).count()
}
