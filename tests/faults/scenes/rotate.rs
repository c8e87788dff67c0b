//! `pai-rotate`: daily backups with sidecars and a list of their checksums.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, run, tool};

use super::{Scene, Thing, empty, ensure, prose, same, snapshot};

const LIST: &str = "SHA256SUMS";
const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) struct Rotate {
    folder: PathBuf,
    size: usize,
    new: BTreeMap<PathBuf, Thing>,
    old: BTreeMap<PathBuf, Thing>,
}

impl Rotate {
    pub(crate) fn new(folder: &Path, size: usize) -> Self {
        let folder = folder.join("backups");
        let mut scene = Self { folder, size, new: BTreeMap::new(), old: BTreeMap::new() };
        scene.reset();
        scene.old = scene.now();
        run(&mut scene.command()).expect(0);
        scene.new = scene.now();
        scene
    }

    fn now(&self) -> BTreeMap<PathBuf, Thing> {
        let mut now = snapshot(&self.folder, &[]);
        for thing in now.values_mut() {
            thing.mtime = 0;
        }
        now
    }
}

impl Scene for Rotate {
    fn reset(&self) {
        empty(&self.folder);
        let mut list = String::new();
        for number in 0..3 * self.size {
            let name = format!("db-2025{:02}{:02}-010000.gz", number / 28 % 12 + 1, number % 28 + 1);
            let line = format!("{DIGEST}  {name}\n");
            std::fs::write(self.folder.join(format!("{name}.sha256")), &line).unwrap();
            std::fs::write(self.folder.join(name), prose(number, 300)).unwrap();
            list.push_str(&line);
        }
        std::fs::write(self.folder.join(LIST), list).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = command(tool("pai-rotate"));
        command.args(["--keep-last", "3", "--checksums", LIST, "."]).current_dir(&self.folder);
        command.env("PAI_NOW", "2026-01-01T00:00:00Z");
        command
    }

    fn check(&self) -> Result<(), String> {
        let now = self.now();
        for (path, thing) in now.iter().filter(|(path, _)| !path.to_string_lossy().starts_with('.')) {
            let is_known = path == Path::new(LIST) || self.old.get(path) == Some(thing);
            ensure(is_known, || format!("{} is not as it was", path.display()))?;
        }
        let lost = self.new.keys().find(|path| !now.contains_key(*path));
        ensure(lost.is_none(), || format!("{lost:?} is gone"))?;
        // The list knows what stays for good, and never what is gone.
        let list = |state: &BTreeMap<PathBuf, Thing>| -> BTreeSet<String> {
            String::from_utf8_lossy(&state[Path::new(LIST)].bytes).lines().map(str::to_owned).collect()
        };
        let (listed, kept) = (list(&now), list(&self.new));
        let unlisted = kept.difference(&listed).next();
        ensure(unlisted.is_none(), || format!("not listed: {unlisted:?}"))?;
        let gone = listed.iter().find(|line| !now.contains_key(Path::new(&line[66..])));
        ensure(gone.is_none(), || format!("listed though it is gone: {gone:?}"))
    }

    fn check_new(&self) -> Result<(), String> {
        same(&self.now(), &self.new)
    }
}
