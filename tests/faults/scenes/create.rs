//! `pai-backup create`: a previous archive to take chunks from, an expired one to remove.

use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, run, tool};

use super::{Scene, ensure, names, prose};

const EXPIRED: &str = "pai-20200101-000000.tar.gz";

pub(crate) struct Create {
    home: PathBuf,
    previous: (String, Vec<u8>),
}

impl Create {
    pub(crate) fn new(folder: &Path, size: usize) -> Self {
        let home = folder.join("home");
        std::fs::create_dir_all(home.join("projects")).unwrap();
        for number in 0..size {
            let path = home.join(format!("projects/{number}.md"));
            std::fs::write(&path, prose(number, 3000)).unwrap();
        }
        std::fs::write(home.join("big.bin"), prose(size, 12_000 * size)).unwrap();
        // Only what was settled before the last walk is taken from its archive without a look.
        std::thread::sleep(std::time::Duration::from_millis(3100));
        run(pai_backup(&home).arg("-q")).expect(0);
        let previous = names(&home.join("archive")).remove(0);
        let bytes = std::fs::read(home.join("archive").join(&previous)).unwrap();
        std::fs::write(home.join("projects/0.md"), prose(size + 1, 4000)).unwrap();
        std::fs::write(home.join("projects/new.md"), prose(size + 2, 5000)).unwrap();
        Self { home, previous: (previous, bytes) }
    }

    fn archive(&self, name: &str) -> PathBuf {
        self.home.join("archive").join(name)
    }

    /// The archives that were made, by this run or one before it.
    fn made(&self) -> Vec<String> {
        let is_new = |name: &String| {
            name.starts_with("pai-")
                && name.ends_with(".tar.gz")
                && *name != self.previous.0
                && name != EXPIRED
        };
        names(&self.home.join("archive")).into_iter().filter(is_new).collect()
    }
}

fn pai_backup(home: &Path) -> Command {
    let mut command = command(tool("pai-backup"));
    command.env("PAI_HOME", home);
    command
}

impl Scene for Create {
    fn reset(&self) {
        for name in names(&self.home.join("archive")) {
            std::fs::remove_file(self.archive(&name)).unwrap();
        }
        std::fs::write(self.archive(&self.previous.0), &self.previous.1).unwrap();
        std::fs::write(self.archive(EXPIRED), &self.previous.1).unwrap();
        let _ = std::fs::remove_dir_all(self.home.join("logs"));
    }

    fn command(&self) -> Command {
        let mut command = pai_backup(&self.home);
        command.args(["create", "--sha256"]);
        command
    }

    fn check(&self) -> Result<(), String> {
        for name in names(&self.home.join("archive")) {
            let known = name.trim_start_matches('.').starts_with("pai-2");
            let is_final = name.ends_with(".tar.gz") || name.ends_with(".tar.gz.sha256");
            let is_temporary = name.starts_with('.') && name.ends_with(".partial");
            ensure(known && (is_final || is_temporary), || format!("what is {name}?"))?;
        }
        let bytes = std::fs::read(self.archive(&self.previous.0)).map_err(|error| error.to_string())?;
        ensure(bytes == self.previous.1, || "the previous archive changed".to_owned())?;
        let expired = std::fs::read(self.archive(EXPIRED));
        match expired {
            Ok(bytes) => ensure(bytes == self.previous.1, || "the expired archive changed".to_owned())?,
            Err(_) => ensure(!self.made().is_empty(), || "the expired archive went too early".to_owned())?,
        }
        let verified = run(pai_backup(&self.home).args(["verify", "--all"]));
        ensure(verified.status == Some(0), || format!("{}{}", verified.stdout, verified.stderr))?;
        let log = std::fs::read_to_string(self.home.join("logs/backup.log")).unwrap_or_default();
        let torn = log.lines().find(|line| line.rfind("[20").is_some_and(|at| at > 0));
        ensure(torn.is_none(), || format!("a torn line in the log: {torn:?}"))
    }

    fn check_new(&self) -> Result<(), String> {
        self.check()?;
        let left: Vec<String> =
            names(&self.home.join("archive")).into_iter().filter(|name| name.starts_with('.')).collect();
        ensure(left.is_empty(), || format!("{left:?} is left over"))?;
        ensure(!self.archive(EXPIRED).exists(), || "the expired archive is still there".to_owned())?;
        let made = self.made();
        ensure(matches!(made.len(), 1 | 2), || format!("{made:?}"))?;
        let newest = made.last().unwrap();
        ensure(self.archive(&format!("{newest}.sha256")).exists(), || format!("{newest} has no sidecar"))?;
        let verified = run(pai_backup(&self.home).args(["verify", "--latest", "--against-disk"]));
        ensure(verified.status == Some(0), || format!("{}{}", verified.stdout, verified.stderr))
    }
}
