//! `pai-optimize`: a section is in memory.md, in the archive, or for a while in both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, run, tool};

use super::{Scene, Thing, empty, ensure, snapshot};

pub(crate) struct Optimize {
    home: PathBuf,
    days: usize,
    new: BTreeMap<PathBuf, Thing>,
}

impl Optimize {
    pub(crate) fn new(folder: &Path, size: usize) -> Self {
        let mut scene = Self { home: folder.join("home"), days: 2 * size, new: BTreeMap::new() };
        scene.reset();
        run(&mut scene.command()).expect(0);
        scene.new = scene.visible();
        scene
    }

    fn section(day: usize) -> String {
        let (month, date) = (day / 28 % 12 + 1, day % 28 + 1);
        format!("## 2025-{month:02}-{date:02}\nWorked on number {day} of the harbour survey.\n\n")
    }

    /// Earlier versions of memory.md are hidden and differ in number.
    fn visible(&self) -> BTreeMap<PathBuf, Thing> {
        let mut all = snapshot(&self.home, &["logs"]);
        let is_version = |path: &Path| path.to_string_lossy().contains("/.memory.md.before-");
        all.retain(|path, _| !is_version(path));
        for thing in all.values_mut() {
            thing.mtime = 0;
        }
        all
    }
}

impl Scene for Optimize {
    fn reset(&self) {
        empty(&self.home);
        let sections: Vec<String> = (0..self.days).map(Self::section).collect();
        std::fs::write(self.home.join("memory.md"), format!("# PAI Memory\n\n{}", sections.concat()))
            .unwrap();
    }

    fn command(&self) -> Command {
        let mut command = command(tool("pai-optimize"));
        command.args(["--once", "-q", "--home"]).arg(&self.home).env("PAI_NOW", "2026-01-03T09:00:00Z");
        command
    }

    fn check(&self) -> Result<(), String> {
        let all = self.visible();
        ensure(all.contains_key(Path::new("memory.md")), || "memory.md is gone".to_owned())?;
        let is_hidden = |path: &Path| path.file_name().unwrap().as_encoded_bytes().starts_with(b".");
        let text: Vec<u8> = all
            .iter()
            .filter(|(path, _)| !is_hidden(path))
            .flat_map(|(_, thing)| thing.bytes.clone())
            .collect();
        let text = String::from_utf8_lossy(&text);
        let lost = (0..self.days).map(Self::section).find(|section| !text.contains(section));
        ensure(lost.is_none(), || format!("lost: {lost:?}"))
    }

    fn check_new(&self) -> Result<(), String> {
        super::same(&self.visible(), &self.new)
    }
}
