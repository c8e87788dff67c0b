//! `pai-backup` and a store in a folder: a night that is sent there, and a prune.

use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, run, tool};

use super::{Scene, ensure, names, prose};

/// A workspace, a store, and what this machine remembers of it.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(folder: &Path, size: usize) -> Self {
        let this = Self { folder: folder.to_owned() };
        std::fs::create_dir_all(folder.join("home/projects")).unwrap();
        for number in 0..size {
            this.write(&format!("projects/{number}.md"), &prose(number, 3000));
        }
        this.write("big.bin", &prose(size, 12_000 * size));
        this
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.folder.join("home").join(name), content).unwrap();
    }

    fn pai(&self, day: &str, args: &[&str]) -> Command {
        let mut command = command(tool("pai-backup"));
        command.arg("--store").arg(self.folder.join("store")).args(args);
        command.env("PAI_HOME", self.folder.join("home")).env("XDG_CACHE_HOME", self.folder.join("cache"));
        command.env("PAI_NOW", format!("{day}T02:00:00Z"));
        command
    }

    /// Keeps store and cache as they are, for [`Place::bring_back`].
    fn keep(&self) {
        self.copy("", ".kept");
    }

    fn bring_back(&self) {
        self.copy(".kept", "");
        let _ = std::fs::remove_dir_all(self.folder.join("home/logs"));
    }

    fn copy(&self, from: &str, to: &str) {
        for name in ["store", "cache"] {
            let (from, to) = (format!("{name}{from}"), self.folder.join(format!("{name}{to}")));
            let _ = std::fs::remove_dir_all(&to);
            run(Command::new("cp").arg("-a").arg(self.folder.join(from)).arg(&to)).expect(0);
        }
    }

    /// Every archive is whole, and these are among them.
    fn holds(&self, archives: &[&str]) -> Result<(), String> {
        let listed = run(&mut self.pai("2027-01-01", &["list", "--names"])).stdout;
        for archive in archives {
            ensure(listed.contains(archive), || format!("{archive} is not in {listed}"))?;
        }
        let verified = run(&mut self.pai("2027-01-01", &["verify", "--all"]));
        ensure(verified.status == Some(0), || format!("{}{}", verified.stdout, verified.stderr))
    }
}

/// `create --store` with an archive there to take members over from.
pub(crate) struct Night(Place);

impl Night {
    pub(crate) fn new(folder: &Path, size: usize) -> Self {
        let place = Place::new(folder, size);
        run(&mut place.pai("2026-11-01", &["create", "-q"])).expect(0);
        place.write("projects/0.md", &prose(size + 1, 4000));
        place.write("projects/new.md", &prose(size + 2, 5000));
        place.keep();
        Self(place)
    }
}

impl Scene for Night {
    fn reset(&self) {
        self.0.bring_back();
    }

    fn command(&self) -> Command {
        self.0.pai("2026-11-02", &["create"])
    }

    fn check(&self) -> Result<(), String> {
        self.0.holds(&["pai-20261101-020000"])
    }

    fn check_new(&self) -> Result<(), String> {
        self.0.holds(&["pai-20261101-020000", "pai-20261102-020000"])?;
        let verified = run(&mut self.0.pai("2027-01-01", &["verify", "--against-disk"]));
        ensure(verified.status == Some(0), || format!("{}{}", verified.stdout, verified.stderr))
    }
}

/// `prune` with packs to delete, packs to mark, and a mark to take away.
pub(crate) struct Prune(Place);

impl Prune {
    pub(crate) fn new(folder: &Path, size: usize) -> Self {
        let place = Place::new(folder, size);
        let night = |day: usize| {
            place.write("projects/0.md", &prose(size + day, 4000));
            run(&mut place.pai(&format!("2026-11-0{day}"), &["create", "-q"])).expect(0);
        };
        let forget = |archive: &str| {
            run(&mut place.pai("2026-12-01", &["forget", archive])).expect(0);
        };
        // The first night's pack is needed by all that follow; that of each other night by itself alone.
        (1..=4).for_each(night);
        forget("pai-20261102-020000");
        run(&mut place.pai("2100-01-01", &["prune", "-q"])).expect(0);
        forget("pai-20261103-020000");
        let left = names(&place.folder.join("store/archives")).len();
        assert_eq!(left, 4, "two lists and their packs");
        let newest = place.folder.join("store/archives/pai-20261104-020000.packs");
        let text = std::fs::read_to_string(newest).unwrap();
        std::fs::write(place.folder.join("store/doomed").join(&text[..64]), "").unwrap();
        place.keep();
        Self(place)
    }
}

impl Scene for Prune {
    fn reset(&self) {
        self.0.bring_back();
    }

    fn command(&self) -> Command {
        self.0.pai("2100-01-03", &["prune"])
    }

    fn check(&self) -> Result<(), String> {
        self.0.holds(&["pai-20261101-020000", "pai-20261104-020000"])
    }

    fn check_new(&self) -> Result<(), String> {
        self.check()?;
        // The next one deletes what this one marked.
        run(&mut self.0.pai("2100-01-05", &["prune"])).expect(0);
        let marks = names(&self.0.folder.join("store/doomed"));
        let marks: Vec<&String> = marks.iter().filter(|name| name.len() == 64).collect();
        ensure(marks.is_empty(), || format!("{marks:?} are left"))?;
        self.check()
    }
}
