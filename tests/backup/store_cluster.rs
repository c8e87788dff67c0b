//! A store in a real cluster of three object stores, of which one dies.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pai_tests::rigs::garage::{Garage, Key};
use pai_tests::{Outcome, run};

use crate::fixtures::{Workspace, archived_tree, assert_same_tree, noise, tree};

/// A machine that sends its workspace to the cluster.
struct Machine {
    workspace: Workspace,
    night: u32,
}

impl Machine {
    fn new() -> Self {
        let workspace = Workspace::demo();
        // Two packs.
        workspace.write("large", &noise(17 << 20, 1));
        Self { workspace, night: 1 }
    }

    fn pai(&self, garage: &Garage, key: &Key, node: usize, args: &[&str]) -> Command {
        let mut command = self.workspace.pai(["--store", &garage.store("box")]);
        command.args(args).env("XDG_CACHE_HOME", self.workspace.beside("cache"));
        command.env("XDG_STATE_HOME", self.workspace.beside("state"));
        command.env("PAI_NOW", format!("2026-11-{:02}T02:00:00Z", self.night));
        garage.reach(&mut command, key, node);
        command
    }

    fn change(&mut self) {
        self.night += 1;
        self.workspace.write("projects/file", format!("night {}\n", self.night).as_bytes());
    }

    #[track_caller]
    fn restored(&self, garage: &Garage, key: &Key, node: usize) {
        let target = self.workspace.beside(&format!("back-{}-{node}", self.night));
        run(self.pai(garage, key, node, &["restore", "latest", "--target"]).arg(&target)).expect(0);
        assert_same_tree(&tree(&target), &archived_tree(self.workspace.home()));
    }
}

/// Starts a command, kills a node once it is under way, and waits for its end.
fn while_a_node_dies(
    garage: &mut Garage,
    node: usize,
    mut command: Command,
    begun: impl Fn() -> bool,
) -> Outcome {
    let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() && !begun() {
        assert!(Instant::now() < deadline, "it begins");
        std::thread::sleep(Duration::from_millis(2));
    }
    garage.kill(node);
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Outcome { status: child.wait().unwrap().code(), bytes: stdout.clone().into_bytes(), stdout, stderr }
}

fn size(folder: &Path) -> u64 {
    let found = run(Command::new("du").args(["-sb"]).arg(folder));
    found.stdout.split_whitespace().next().and_then(|size| size.parse().ok()).unwrap_or(0)
}

#[test]
fn a_cluster_keeps_what_it_has_when_a_node_dies_in_the_middle_of_anything() {
    let Some(mut garage) = Garage::start() else { return };
    let key = garage.key("all", &["--read", "--write"]);
    let mut machine = Machine::new();

    // A first archive, while node 2 dies: the job ends well, or the next one completes it.
    let before = size(garage.folder());
    let folder: PathBuf = garage.folder().to_owned();
    let create = machine.pai(&garage, &key, 0, &["create", "-q"]);
    let made = while_a_node_dies(&mut garage, 2, create, || size(&folder) > before + (1 << 20));
    if made.status != Some(0) {
        run(&mut machine.pai(&garage, &key, 0, &["create", "-q"])).expect(0);
    }
    machine.restored(&garage, &key, 0);

    // The next nights with a node missing, and then with another.
    machine.change();
    run(&mut machine.pai(&garage, &key, 1, &["create", "-q"])).expect(0);
    run(&mut machine.pai(&garage, &key, 0, &["verify", "--all"])).expect(0);
    garage.revive(2);
    machine.change();
    run(&mut machine.pai(&garage, &key, 2, &["create", "-q"])).expect(0);
    let target = machine.workspace.beside("back");
    let mut restore = machine.pai(&garage, &key, 0, &["restore", "latest", "--target"]);
    restore.arg(&target);
    let restored = while_a_node_dies(&mut garage, 1, restore, || target.exists());
    if restored.status != Some(0) {
        run(machine.pai(&garage, &key, 0, &["restore", "latest", "--force", "--target"]).arg(&target))
            .expect(0);
    }
    assert_same_tree(&tree(&target), &archived_tree(machine.workspace.home()));
    garage.revive(1);

    // Old archives go while a node dies, twice, two days apart.
    let forget = ["forget", "pai-20261101-020000", "pai-20261102-020000"];
    run(&mut machine.pai(&garage, &key, 0, &forget)).expect(0);
    for (node, now) in [(1, "2100-01-01T00:00:00Z"), (2, "2100-01-03T00:00:00Z")] {
        let mut prune = machine.pai(&garage, &key, 0, &["prune"]);
        prune.env("PAI_NOW", now);
        let pruned = while_a_node_dies(&mut garage, node, prune, || true);
        if pruned.status != Some(0) {
            run(machine.pai(&garage, &key, 0, &["prune"]).env("PAI_NOW", now)).expect(0);
        }
        garage.revive(node);
        run(&mut machine.pai(&garage, &key, 0, &["verify", "--all"])).expect(0);
    }
    machine.restored(&garage, &key, 0);
}

#[test]
fn a_key_that_may_only_write_is_enough_for_every_night_and_wrong_keys_are_told() {
    let Some(garage) = Garage::start() else { return };
    let all = garage.key("all", &["--read", "--write"]);
    let writer = garage.key("writer", &["--write"]);
    let mut machine = Machine::new();
    let first = run(&mut machine.pai(&garage, &writer, 0, &["create"])).expect(0);
    assert!(first.stderr.contains("everything is sent"), "{}", first.stderr);
    machine.change();
    let second = run(&mut machine.pai(&garage, &writer, 0, &["create", "-v"])).expect(0);
    assert!(!second.stderr.contains("everything is sent"), "{}", second.stderr);
    assert!(second.stderr.contains(" requests to s3://"), "{}", second.stderr);
    let listed = run(&mut machine.pai(&garage, &all, 0, &["list", "--json"])).expect(0);
    let added = listed.stdout.lines().next().unwrap().split("\"added\":").nth(1).unwrap();
    let added: u64 = added.split(',').next().unwrap().parse().unwrap();
    assert!(added < 100_000, "the second night added {added} bytes");
    run(&mut machine.pai(&garage, &all, 0, &["verify", "--all"])).expect(0);
    machine.restored(&garage, &all, 0);
    // Archives of the archive folder go the same way, each once.
    for _ in 0..2 {
        machine.change();
        let now = format!("2026-11-{:02}T02:00:00Z", machine.night);
        run(machine.workspace.pai(["create", "-q"]).env("PAI_NOW", now)).expect(0);
        let pushed = run(&mut machine.pai(&garage, &writer, 0, &["push"])).expect(0);
        assert_eq!(pushed.stdout, format!("pai-202611{:02}-020000\n", machine.night));
    }
    run(&mut machine.pai(&garage, &all, 0, &["verify", "--all"])).expect(0);
    machine.restored(&garage, &all, 0);
    for args in [&["list"][..], &["restore", "latest"], &["prune"]] {
        let refused = run(&mut machine.pai(&garage, &writer, 0, args)).expect(2);
        assert!(refused.stderr.contains("could not "), "{}", refused.stderr);
    }
    if pai_tests::has("faketime") {
        let create = machine.pai(&garage, &writer, 0, &["create", "-q"]);
        let mut late = pai_tests::through(&["faketime".as_ref(), "-f".as_ref(), "-2d".as_ref()], &create);
        let refused = run(&mut late).expect(2);
        assert!(refused.stderr.contains("Date is too old"), "{}", refused.stderr);
    } else {
        pai_tests::skip("a wrong machine clock needs faketime");
    }
    let mut wrong = machine.pai(&garage, &writer, 0, &["create", "-q"]);
    let refused = run(wrong.env("AWS_SECRET_ACCESS_KEY", "0".repeat(64))).expect(2);
    assert!(
        refused.stderr.contains("Backup failed") || refused.stderr.contains("could not"),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_encrypted_store_asks_no_more_of_a_key_than_to_write() {
    let Some(garage) = Garage::start() else { return };
    let all = garage.key("all", &["--read", "--write"]);
    let writer = garage.key("writer", &["--write"]);
    let mut machine = Machine::new();
    let identity = machine.workspace.beside("key");
    let made = run(machine.workspace.pai(["key", "new", "-q"]).arg(&identity)).expect(0);
    let recipient = made.stdout.trim();
    let first = run(&mut machine.pai(&garage, &writer, 0, &["create", "--recipient", recipient])).expect(0);
    assert!(first.stderr.contains("everything is sent"), "{}", first.stderr);
    machine.change();
    let second = run(&mut machine.pai(&garage, &writer, 0, &["create"])).expect(0);
    assert!(!second.stderr.contains("everything is sent"), "{}", second.stderr);
    let reader = |args: &[&str]| {
        let mut command = machine.pai(&garage, &all, 2, args);
        command.env("PAI_IDENTITY", &identity);
        command.env("XDG_CACHE_HOME", machine.workspace.beside("reader"));
        command.env("XDG_STATE_HOME", machine.workspace.beside("reader"));
        command
    };
    let listed = run(&mut reader(&["list", "--json"])).expect(0);
    let added = listed.stdout.lines().next().unwrap().split("\"added\":").nth(1).unwrap();
    let added: u64 = added.split(',').next().unwrap().parse().unwrap();
    assert!(added < 100_000, "the second night added {added} bytes");
    run(&mut reader(&["verify", "--all"])).expect(0);
    let target = machine.workspace.beside("back");
    run(reader(&["restore", "latest", "--target"]).arg(&target)).expect(0);
    assert_same_tree(&tree(&target), &archived_tree(machine.workspace.home()));
    let refused = run(&mut machine.pai(&garage, &all, 2, &["restore", "latest", "--target", "x"])).expect(2);
    assert!(refused.stderr.contains("no identity is named"), "{}", refused.stderr);
}
