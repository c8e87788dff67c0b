//! Histories of trees, night by night: what a store gives back is what a local archive holds, byte for byte, whatever was
//! forgotten and pruned meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::run;

use crate::fixtures::{Node, Workspace, archived_tree, assert_same_tree, noise, set_time, tree};

/// Numbers that look random, the same ones for a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn content(&mut self) -> Vec<u8> {
        let length = match self.below(6) {
            0 => 0,
            1..=3 => self.below(3000),
            4 => self.below(60_000),
            _ => self.below(400_000),
        };
        noise(length as usize, self.0)
    }
}

/// One workspace, a local archive and one in the store for each night.
struct History {
    workspace: Workspace,
    dice: Dice,
    night: i64,
    trees: BTreeMap<String, BTreeMap<PathBuf, Node>>,
}

impl History {
    fn new(seed: u64) -> Self {
        Self { workspace: Workspace::empty(), dice: Dice(seed), night: 0, trees: BTreeMap::new() }
    }

    fn now(&self) -> String {
        pai_common::clock::Timestamp::new(1_790_000_000 + self.night * 86_400, 0).to_string()
    }

    fn pai(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.pai(args);
        command.env("XDG_CACHE_HOME", self.workspace.beside("cache")).env("PAI_NOW", self.now());
        command.env("TZ", "UTC");
        command
    }

    fn in_store(&self, args: &[&str]) -> Command {
        let store = self.workspace.beside("store");
        let mut command = self.pai(&["--store", store.to_str().unwrap()]);
        command.args(args);
        command
    }

    fn path(&mut self) -> PathBuf {
        let folder = ["", "a/", "a/b/", "c/"][self.dice.below(4) as usize];
        self.workspace.home().join(format!("{folder}file-{}", self.dice.below(9)))
    }

    fn change(&mut self) {
        let path = self.path();
        match self.dice.below(8) {
            0 => drop(fs::remove_file(&path)),
            1 => drop(fs::rename(&path, self.path())),
            2 if path.exists() => {
                let mut content = fs::read(&path).unwrap();
                content.extend(self.dice.content());
                fs::write(&path, content).unwrap();
            }
            3 if path.exists() => {
                let mut content = fs::read(&path).unwrap();
                content.splice(0..0, *b"a line before all others\n");
                fs::write(&path, content).unwrap();
            }
            _ => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let content = self.dice.content();
                fs::write(&path, content).unwrap();
            }
        }
    }

    /// Everything looks as if it had been there for long, so that each night takes over what it can.
    fn settle(&self) {
        let found =
            run(Command::new("find").arg(self.workspace.home()).args(["-newermt", "2002-01-01"])).expect(0);
        for path in found.stdout.lines().filter(|path| !path.contains("/archive") && !path.contains("/logs"))
        {
            set_time(Path::new(path), 1_000_000_000 + self.night * 60, 0);
        }
    }

    fn next(&mut self) {
        self.night += 1;
        for _ in 0..=self.dice.below(6) {
            self.change();
        }
        self.settle();
        // What is suspiciously small is told, and is as good as any other here.
        let local = run(&mut self.pai(&["create", "-q", "--no-rotate", "--allow-shrink"])).expect(0).stdout;
        run(&mut self.in_store(&["create", "-q", "--allow-shrink"])).expect(0);
        let name = Path::new(local.trim()).file_name().unwrap().to_str().unwrap().to_owned();
        self.trees.insert(name, archived_tree(self.workspace.home()));
    }

    /// Forgets some, and prunes as jobs of three days do.
    fn clean_up(&mut self) {
        let names = run(&mut self.in_store(&["list", "--names"])).expect(0).stdout;
        for name in names.lines().skip(1) {
            if self.dice.below(2) == 0 {
                run(&mut self.in_store(&["forget", name])).expect(0);
                self.trees.remove(name);
            }
        }
        for day in 1..=3 {
            let mut prune = self.in_store(&["prune", "-q"]);
            prune.env("PAI_NOW", format!("{}-01-0{day}T00:00:00Z", 2100 + self.night));
            if day == 1 {
                prune.arg("--repack");
            }
            run(&mut prune).expect(0);
        }
    }

    fn compare(&self) {
        let pulled = self.workspace.beside("pulled");
        for (name, expected) in &self.trees {
            let mut pull = self.in_store(&["pull", name, "--archive-dir"]);
            run(pull.arg(&pulled)).expect(0);
            let local = fs::read(self.workspace.home().join("archive").join(name)).unwrap();
            assert!(fs::read(pulled.join(name)).unwrap() == local, "{name} is not what create makes here");
            let target = self.workspace.beside(&format!("back-{name}"));
            run(self.in_store(&["restore", "-q", name, "--target"]).arg(&target)).expect(0);
            assert_same_tree(&tree(&target), expected);
        }
        fs::remove_dir_all(pulled).unwrap();
    }
}

fn history(seed: u64) {
    let mut history = History::new(seed);
    for _ in 0..4 {
        history.next();
    }
    history.compare();
    history.clean_up();
    history.next();
    history.next();
    assert!(history.trees.len() >= 3);
    for name in history.trees.keys() {
        let _ = fs::remove_dir_all(history.workspace.beside(&format!("back-{name}")));
    }
    history.compare();
}

#[test]
fn a_store_gives_back_what_local_archives_hold_after_any_history() {
    for seed in 1..=3 {
        history(seed);
    }
}
