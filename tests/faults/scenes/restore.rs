//! `pai-backup restore`: into a folder that is not there yet, and over a workspace that has moved on.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, run, tool};

use super::{Scene, Thing, age, ensure, names, prose, same, snapshot};

pub(crate) struct Restore {
    folder: PathBuf,
    target: PathBuf,
    archive: PathBuf,
    size: usize,
    is_home: bool,
    new: BTreeMap<PathBuf, Thing>,
    old: BTreeMap<PathBuf, Thing>,
}

impl Restore {
    /// Nothing is there yet; a restore that was cut short is simply run again.
    pub(crate) fn into_new(folder: &Path, size: usize) -> Self {
        Self::new(folder, size, false)
    }

    /// Files are there that differ, that are the same, and that the archive does not have.
    pub(crate) fn into_home(folder: &Path, size: usize) -> Self {
        Self::new(folder, size, true)
    }

    fn new(folder: &Path, size: usize, is_home: bool) -> Self {
        let source = folder.join("source");
        fill(&source, size);
        let archives = folder.join("archives");
        run(pai_backup(&source).arg("-q").arg("--archive-dir").arg(&archives)).expect(0);
        let archive = archives.join(names(&archives).remove(0));
        let target = folder.join(if is_home { "home" } else { "new" });
        let (old, new) = (BTreeMap::new(), BTreeMap::new());
        let mut scene = Self { folder: folder.to_owned(), target, archive, size, is_home, new, old };
        scene.reset();
        scene.old = scene.now();
        run(&mut scene.command()).expect(0);
        scene.new = scene.now();
        scene
    }

    /// The target but for what changes with every run.
    fn now(&self) -> BTreeMap<PathBuf, Thing> {
        if !self.target.exists() {
            return BTreeMap::new();
        }
        let mut now = snapshot(&self.target, &["archive", "logs"]);
        now.retain(|path, _| !path.to_string_lossy().ends_with(".restoring"));
        now
    }

    fn safety(&self) -> Vec<String> {
        names(&self.target.join("archive"))
    }
}

fn pai_backup(home: &Path) -> Command {
    let mut command = command(tool("pai-backup"));
    command.env("PAI_HOME", home);
    command
}

/// A workspace as it is backed up.
fn fill(root: &Path, size: usize) {
    std::fs::create_dir_all(root.join("projects/deep")).unwrap();
    for number in 0..size {
        let path = root.join(format!("projects/{number}.md"));
        std::fs::write(&path, prose(number, 1500 + 900 * (number % 5))).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        age(&path, 50_000 + number as u64);
    }
    std::fs::write(root.join("big.bin"), prose(size, 12_000 * size)).unwrap();
    std::fs::write(root.join("projects/deep/one"), "one").unwrap();
    std::fs::hard_link(root.join("projects/deep/one"), root.join("projects/deep/two")).unwrap();
    symlink("deep/one", root.join("projects/link")).unwrap();
    std::fs::set_permissions(root.join("projects/deep"), PermissionsExt::from_mode(0o750)).unwrap();
    age(&root.join("projects/deep"), 40_000);
    age(&root.join("projects"), 30_000);
    age(root, 20_000);
}

impl Scene for Restore {
    fn reset(&self) {
        let _ = std::fs::remove_dir_all(&self.target);
        if !self.is_home {
            return;
        }
        fill(&self.target, self.size);
        for number in (0..self.size).step_by(2) {
            let path = self.target.join(format!("projects/{number}.md"));
            std::fs::write(&path, prose(number + 1000, 2000)).unwrap();
            age(&path, 10_000);
        }
        std::fs::remove_file(self.target.join("projects/1.md")).unwrap();
        std::fs::remove_file(self.target.join("projects/link")).unwrap();
        symlink("elsewhere", self.target.join("projects/link")).unwrap();
        std::fs::write(self.target.join("big.bin"), "small").unwrap();
        std::fs::write(self.target.join("foreign"), "not of the archive").unwrap();
        for name in ["big.bin", "foreign", "projects/deep", "projects", ""] {
            age(&self.target.join(name), 9_000);
        }
    }

    fn command(&self) -> Command {
        let mut command = pai_backup(&self.target);
        command.arg("restore").arg(&self.archive).current_dir(&self.folder);
        if self.is_home {
            std::fs::create_dir_all(&self.target).unwrap();
            command.arg("--force");
        } else {
            command.arg("--target").arg(&self.target);
        }
        command
    }

    fn check(&self) -> Result<(), String> {
        let now = self.now();
        for (path, thing) in &now {
            let content = |thing: &Thing| (thing.mode, thing.bytes.clone());
            let known: Vec<&Thing> = [&self.old, &self.new].into_iter().filter_map(|s| s.get(path)).collect();
            // A folder's mode and times come last.
            let is_folder = thing.mode & 0o170_000 == 0o040_000;
            let is_whole = known.iter().any(|known| is_folder || content(known) == content(thing));
            ensure(is_whole, || format!("{} is neither old nor new", path.display()))?;
        }
        let lost = self.old.keys().find(|path| !now.contains_key(*path));
        ensure(lost.is_none(), || format!("{lost:?} is gone"))?;
        if !self.is_home {
            return Ok(());
        }
        let replaced =
            self.old.iter().any(|(path, old)| self.new[path].bytes != old.bytes && now[path] != *old);
        let kept = self.safety().iter().any(|name| name.starts_with("pre-restore-"));
        ensure(kept || !replaced, || "a file was replaced before it was kept".to_owned())?;
        if !kept {
            return Ok(());
        }
        let verified = run(pai_backup(&self.target).args(["verify", "--all", "--name", "pre-restore"]));
        ensure(verified.status == Some(0), || format!("{}{}", verified.stdout, verified.stderr))
    }

    fn check_new(&self) -> Result<(), String> {
        self.check()?;
        same(&snapshot(&self.target, &["archive", "logs"]), &self.new)?;
        let left: Vec<String> = self.safety().into_iter().filter(|name| name.starts_with('.')).collect();
        ensure(left.is_empty(), || format!("{left:?} is left over"))
    }
}
