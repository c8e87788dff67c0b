//! `pai-optimize`: an entry is in memory.md, in the archive, or for a while in both; and so is a daily note.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, run, tool};

use super::{Scene, Thing, empty, ensure, snapshot};

pub(crate) struct Optimize {
    home: PathBuf,
    days: usize,
    /// Daily notes; with them, entries have headings of many forms, and some are list items.
    notes: usize,
    new: BTreeMap<PathBuf, Thing>,
}

impl Optimize {
    /// The runbook's headings.
    pub(crate) fn plain(folder: &Path, size: usize) -> Self {
        Self::new(folder, 2 * size, 0)
    }

    /// Headings of many forms, dated list items and daily notes, in one run.
    pub(crate) fn all_forms(folder: &Path, size: usize) -> Self {
        Self::new(folder, size, size / 2)
    }

    fn new(folder: &Path, days: usize, notes: usize) -> Self {
        let mut scene = Self { home: folder.join("home"), days, notes, new: BTreeMap::new() };
        scene.reset();
        run(&mut scene.command()).expect(0);
        scene.new = scene.visible();
        scene
    }

    fn date(day: usize) -> String {
        format!("2025-{:02}-{:02}", day / 28 % 12 + 1, day % 28 + 1)
    }

    fn section(&self, day: usize) -> String {
        let date = Self::date(day);
        let work = format!("Worked on number {day} of the harbour survey.\n");
        if self.notes == 0 {
            return format!("## {date}\n{work}\n");
        }
        match day % 5 {
            0 => format!("### Survey {day} ({date})\n{work}\n"),
            1 => format!("### [{date} 15:30] - survey {day}\n{work}\n"),
            2 => format!("#### 测量 {day}（{date}）\r\n{work}\r\n"),
            3 => format!("### {date}: survey {day}\n#### Deeper\n{work}\n"),
            _ => format!("- {date}: {work}"),
        }
    }

    /// Where daily notes are.
    fn folder(&self) -> PathBuf {
        self.home.join("daily")
    }

    fn note(day: usize) -> String {
        format!("# {} — Daily log\n\n## Survey\nRowed out for the {day}th time.\n", Self::date(day))
    }

    /// List items first: below an entry's heading they would be a part of it.
    fn memory(&self) -> String {
        let (items, headings): (Vec<_>, Vec<_>) =
            (0..self.days).map(|day| self.section(day)).partition(|section| section.starts_with('-'));
        format!("# PAI Memory\n\n## Lessons\n\n{}\n## Log\n\n{}", items.concat(), headings.concat())
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
        std::fs::write(self.home.join("memory.md"), self.memory()).unwrap();
        std::fs::create_dir(self.folder()).unwrap();
        for day in 0..self.notes {
            std::fs::write(self.folder().join(format!("{}.md", Self::date(day))), Self::note(day)).unwrap();
        }
    }

    fn command(&self) -> Command {
        let mut command = command(tool("pai-optimize"));
        command.args(["--once", "-q", "--home"]).arg(&self.home).env("PAI_NOW", "2026-01-03T09:00:00Z");
        if self.notes > 0 {
            command.args(["--headings", "dated", "--bullets", "dated", "--notes"]).arg(self.folder());
        }
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
        let sections = (0..self.days).map(|day| self.section(day));
        let lost = sections.chain((0..self.notes).map(Self::note)).find(|part| !text.contains(part));
        ensure(lost.is_none(), || format!("lost: {lost:?}"))
    }

    fn check_new(&self) -> Result<(), String> {
        super::same(&self.visible(), &self.new)
    }
}
