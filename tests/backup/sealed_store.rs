//! Encrypted stores, as a user meets them; stock age, gzip, tar and sh beside us.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pai_tests::{Outcome, command, has, run, sh, skip};

use crate::encrypted::{Pair, files_below, on_terminal};
use crate::fixtures::{archived_tree, assert_same_tree, names_in, set_time, tree};
use crate::store::script;

/// A pair, a workspace, and a store in a folder beside it.
struct Nights {
    pair: Pair,
    night: u32,
}

impl Nights {
    fn new() -> Self {
        Self { pair: Pair::new(), night: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.pair.path(name)
    }

    fn pai(&self, args: &[&str]) -> Command {
        let mut command = self.pair.workspace.pai(["--store", "store"]);
        command
            .args(args)
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_STATE_HOME", self.path("state"));
        command.env("PAI_NOW", format!("2026-11-{:02}T02:00:00Z", self.night.max(1)));
        command
    }

    /// The same with the identity, on a machine that knows nothing of the store.
    fn reader(&self, args: &[&str]) -> Command {
        let mut command = self.pai(args);
        command.env("XDG_CACHE_HOME", self.path("reader")).env("XDG_STATE_HOME", self.path("reader"));
        command.env("PAI_IDENTITY", self.path("key"));
        command
    }

    /// Changes a file, and sends the next night.
    fn send(&mut self, args: &[&str]) -> Outcome {
        self.night += 1;
        let content = format!("night {}\n", self.night);
        self.pair.workspace.write(&format!("projects/file-{}", self.night % 2), content.as_bytes());
        set_time(&self.pair.workspace.home().join("projects"), 1_700_000_000, 0);
        run(self.pai(&["create"]).args(args))
    }

    fn send_for_us(&mut self) -> Outcome {
        let recipient = self.pair.recipient.clone();
        self.send(&["-q", "--recipient", &recipient]).expect(0)
    }
}

#[test]
fn nights_in_an_encrypted_store_are_read_like_any_other() {
    let mut nights = Nights::new();
    nights.send_for_us();
    nights.send(&["-q"]).expect(0);
    let second = archived_tree(nights.pair.workspace.home());
    nights.send(&["-q"]).expect(0);
    let names = run(&mut nights.pai(&["list", "--names"])).expect(0).stdout;
    assert_eq!(names.lines().count(), 3, "names need no key");
    let listed = run(&mut nights.pai(&["list"])).expect(0).stdout;
    assert_eq!(listed.matches("encrypted; --identity opens it").count(), 3, "{listed}");
    let listed = run(&mut nights.reader(&["list"])).expect(0).stdout;
    assert_eq!(listed.matches(".tar.gz  listed").count(), 3, "{listed}");
    let target = nights.path("back");
    run(nights.reader(&["restore", "pai-20261102-020000", "--target"]).arg(&target)).expect(0);
    assert_same_tree(&tree(&target), &second);
    run(&mut nights.reader(&["verify", "--all"])).expect(0);
    let shown = run(&mut nights.reader(&["cat", "latest", "projects/file-1"])).expect(0);
    assert_eq!(shown.stdout, "night 3\n");
    run(&mut nights.reader(&["diff", "latest"])).expect(0);
    run(&mut nights.reader(&["pull", "latest"])).expect(0);
    assert_eq!(nights.pair.workspace.archives(), ["pai-20261103-020000.tar.gz"]);
    run(&mut nights.pai(&["forget", "pai-20261101-020000"])).expect(0);
    run(nights.pai(&["prune"]).env("PAI_NOW", "2100-01-01T00:00:00Z")).expect(0);
    run(nights.pai(&["prune"]).env("PAI_NOW", "2100-01-03T00:00:00Z")).expect(0);
    run(&mut nights.reader(&["verify", "--all"])).expect(0);
}

#[test]
fn stock_programs_restore_what_is_encrypted() {
    let mut nights = Nights::new();
    nights.send_for_us();
    nights.send(&["-q"]).expect(0);
    let store = nights.path("store");
    for name in names_in(&store.join("archives")).iter().filter(|name| name.ends_with(".packs")) {
        sh(&format!("sha256sum -c archives/{name}"), &store).expect(0);
    }
    if !has("age") {
        return skip("no age on PATH");
    }
    let script = script(&store);
    let key = nights.path("key");
    for (name, file) in [("pai-20261101-020000", "night 1\n"), ("pai-20261102-020000", "night 2\n")] {
        let target = nights.path(name);
        run(command("sh").arg(&script).arg(name).arg(&target).arg(&key).current_dir(&store)).expect(0);
        let last = format!("projects/file-{}", name.as_bytes()[11] % 2);
        assert_eq!(fs::read_to_string(target.join(last)).unwrap(), file);
    }
    assert_same_tree(
        &tree(&nights.path("pai-20261102-020000")),
        &archived_tree(nights.pair.workspace.home()),
    );
    let other = nights.pair.key("other");
    let refused = run(command("sh")
        .arg(&script)
        .args(["pai-20261102-020000", "x"])
        .arg(nights.path("other"))
        .current_dir(&store));
    assert_ne!(refused.status, Some(0), "{other}");
    // Each object is an age file of its own.
    let objects = files_below(&store).into_iter().filter(|(path, _)| path.to_string_lossy().contains(".gz"));
    for (path, _) in objects {
        assert_eq!(path.extension().unwrap(), "age");
        run(command("age").arg("-d").arg("-i").arg(&key).args(["-o", "/dev/null"]).arg(&path)).expect(0);
    }
}

#[test]
fn whom_it_is_for_is_said_to_who_has_another_key() {
    let mut nights = Nights::new();
    nights.send_for_us();
    let other = nights.pair.key("other");
    for args in [&["restore", "latest", "--target", "x"][..], &["verify"], &["cat", "latest", "memory.md"]] {
        let refused = run(nights.reader(args).env("PAI_IDENTITY", nights.path("other"))).expect(2);
        let said = &refused.stderr;
        assert!(said.contains(&format!("is encrypted for {}", nights.pair.recipient)), "{said}");
        assert!(said.contains(&format!("opens what is for {other}")), "{said}");
        let refused = run(nights.reader(args).env_remove("PAI_IDENTITY")).expect(2);
        assert!(refused.stderr.contains("hint: pass --identity FILE"), "{}", refused.stderr);
    }
    assert_eq!(names_in(&nights.path("x")), [""; 0]);
}

#[test]
fn recipients_change_only_on_purpose() {
    let mut nights = Nights::new();
    nights.send_for_us();
    let other = nights.pair.key("other");
    let said = nights.path("store/recipients.txt");
    assert_eq!(fs::read_to_string(&said).unwrap(), format!("{}\n", nights.pair.recipient));
    fs::write(&said, format!("{other}\n")).unwrap();
    let refused = nights.send(&["-q"]).expect(2);
    let first_lines = &refused.stderr;
    assert!(first_lines.contains(&other) && first_lines.contains(&nights.pair.recipient), "{first_lines}");
    assert!(first_lines.contains("hint: if that was meant"), "{first_lines}");
    assert_eq!(run(&mut nights.pai(&["list", "--names"])).expect(0).stdout.lines().count(), 1);
    let changed = nights.send(&["--recipient", &other]).expect(0);
    assert!(changed.stderr.contains("everything is sent once more"), "{}", changed.stderr);
    run(&mut nights.reader(&["verify", "pai-20261101-020000"])).expect(0);
    run(nights.reader(&["verify", "latest"]).env("PAI_IDENTITY", nights.path("other"))).expect(0);
    run(&mut nights.reader(&["verify", "latest"])).expect(2);
    // A plain store does not become one of both kinds.
    let mut plain = Nights::new();
    plain.send(&["-q"]).expect(0);
    let recipient = plain.pair.recipient.clone();
    let refused = plain.send(&["-q", "--recipient", &recipient]).expect(2);
    assert!(refused.stderr.contains("hint: begin a new store"), "{}", refused.stderr);
}

#[test]
fn what_is_said_when_all_is_sent_once_more_and_when_no_identity_was_tried() {
    let mut nights = Nights::new();
    let untried = "nobody has tried yet";
    let recipient = nights.pair.recipient.clone();
    let first = nights.send(&["--recipient", &recipient]).expect(0);
    assert!(first.stderr.contains(untried), "{}", first.stderr);
    let second = nights.send(&[]).expect(0);
    assert!(!second.stderr.contains(untried), "once a month: {}", second.stderr);
    fs::remove_dir_all(nights.path("cache")).unwrap();
    let third = nights.send(&[]).expect(0);
    assert!(
        third.stderr.contains("has no identity to read it: everything is sent once more"),
        "{}",
        third.stderr
    );
    // It is tried where the identity is, and the mark in the store tells the machine that sends.
    run(&mut nights.reader(&["verify"])).expect(0);
    fs::remove_file(nights.path("state").join(state_of(&nights)).join("warned")).unwrap();
    let fourth = nights.send(&[]).expect(0);
    assert!(!fourth.stderr.contains(untried), "{}", fourth.stderr);
}

/// The folder of the store's own below that of the state.
fn state_of(nights: &Nights) -> String {
    let names = names_in(&nights.path("state/pai-backup"));
    format!("pai-backup/{}", names[0])
}

#[test]
fn damage_in_an_encrypted_store_is_named_by_sha256sum_and_by_verify() {
    let mut nights = Nights::new();
    nights.send_for_us();
    let packs = files_below(&nights.path("store/packs"));
    let (path, mut bytes) = packs.into_iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let checked = sh("sha256sum -c archives/*.packs 2>&1", &nights.path("store")).expect(1);
    assert!(checked.stdout.contains(&format!("{name}: FAILED")), "{}", checked.stdout);
    let verified = run(&mut nights.reader(&["verify"])).expect(1);
    assert!(verified.stdout.contains(name), "{}", verified.stdout);
    let restored = run(nights.reader(&["restore", "latest", "--target"]).arg(nights.path("back"))).expect(1);
    assert!(restored.stderr.contains("large"), "{}", restored.stderr);
    assert!(!nights.path("back/large").exists());
    assert!(nights.path("back/memory.md").exists(), "what is whole comes back");
}

#[test]
fn neither_secret_nor_passphrase_is_left_anywhere() {
    if !has("python3") {
        return skip("no python3 on PATH for a terminal");
    }
    let mut nights = Nights::new();
    let passphrase = "tell nobody of this";
    let mut new = nights.pair.workspace.pai(["key", "new", "-q", "--passphrase"]);
    let made = on_terminal(new.arg(nights.path("locked")), &[passphrase, passphrase]).expect(0);
    let recipient = made.stdout.lines().last().unwrap().trim().to_owned();
    let both = nights.pair.recipient.clone();
    let mut said = nights.send(&["-v", "--recipient", &recipient, "--recipient", &both]).expect(0).stderr;
    let verify = nights.reader(&["verify", "-v", "--identity", "locked"]);
    said += &on_terminal(&verify, &[passphrase]).expect(0).stdout;
    said += &run(&mut nights.reader(&["restore", "-v", "latest", "--target", "back"])).expect(0).stderr;
    let key = fs::read_to_string(nights.path("key")).unwrap();
    let secret = &key.lines().last().unwrap()[16..56];
    let everything = files_below(&nights.path("."));
    assert!(everything.iter().any(|(path, _)| path.ends_with("backup.log")));
    assert!(everything.iter().any(|(path, _)| path.to_string_lossy().contains("/cache/")));
    for hidden in [secret, passphrase] {
        assert!(!said.contains(hidden), "{said}");
        for (path, bytes) in everything.iter().filter(|(path, _)| !path.ends_with("key")) {
            let has_it = bytes.windows(hidden.len()).any(|window| window == hidden.as_bytes());
            assert!(!has_it, "{}", path.display());
        }
    }
}

#[test]
fn a_store_that_was_set_back_is_told() {
    let mut nights = Nights::new();
    nights.send_for_us();
    sh("cp -a store earlier", &nights.path(".")).expect(0);
    nights.send(&["-q"]).expect(0);
    sh("mv store later && mv earlier store", &nights.path(".")).expect(0);
    let told = |outcome: Outcome| {
        let outcome = outcome.expect(1);
        assert!(outcome.stderr.contains("does not have pai-20261102-020000 any more"), "{}", outcome.stderr);
    };
    told(run(&mut nights.pai(&["list"])));
    told(nights.send(&["-q"]));
    nights.send(&["-q"]).expect(0);
}
