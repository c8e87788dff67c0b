//! `pai-backup repair`: a damaged archive beside one that holds the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, run, tool};

use super::{Scene, age, ensure, names, prose};

pub(crate) struct Repair {
    home: PathBuf,
    archive: PathBuf,
    good: Vec<u8>,
    damaged: Vec<u8>,
}

impl Repair {
    pub(crate) fn new(folder: &Path, size: usize) -> Self {
        let home = folder.join("home");
        std::fs::create_dir_all(&home).unwrap();
        for number in 0..size {
            let path = home.join(format!("{number}.md"));
            std::fs::write(&path, prose(number, 20_000)).unwrap();
            age(&path, 5000);
        }
        let back_up = |now: &str| {
            let mut create = command(tool("pai-backup"));
            run(create.args(["create", "-q", "--now", now, "--home"]).arg(&home)).expect(0);
        };
        back_up("2026-11-01T02:00:00Z");
        back_up("2026-11-02T02:00:00Z");
        let archive = home.join("archive/pai-20261101-020000.tar.gz");
        let good = std::fs::read(&archive).unwrap();
        let mut damaged = good.clone();
        for at in (0..good.len()).step_by(good.len() / 7 + 1) {
            damaged[at] ^= 4;
        }
        Self { home, archive, good, damaged }
    }
}

impl Scene for Repair {
    fn reset(&self) {
        let partial = self.archive.with_file_name(".pai-20261101-020000.tar.gz.partial");
        let _ = std::fs::remove_file(partial);
        std::fs::write(&self.archive, &self.damaged).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = command(tool("pai-backup"));
        command.args(["repair", "-q"]).arg(&self.archive).arg("--home").arg(&self.home);
        command
    }

    fn check(&self) -> Result<(), String> {
        let now = std::fs::read(&self.archive).map_err(|error| error.to_string())?;
        ensure(now == self.good || now == self.damaged, || {
            "neither the damaged archive nor the good one".to_owned()
        })
    }

    fn check_new(&self) -> Result<(), String> {
        let now = std::fs::read(&self.archive).map_err(|error| error.to_string())?;
        ensure(now == self.good, || "not mended".to_owned())?;
        let left = names(&self.home.join("archive"));
        ensure(left.len() == 2, || format!("{left:?} is left over"))
    }
}
