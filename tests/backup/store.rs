//! Stores: archives beyond one disk, as a user meets them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_common::sha256;
use pai_tests::{Outcome, command, has, run, run_with_input, sh, skip};

use crate::fixtures::{Workspace, archived_tree, assert_same_tree, names_in, noise, set_time, tree};

/// A workspace with a large file, and a store in a folder beside it.
struct Nights {
    workspace: Workspace,
    night: u32,
}

impl Nights {
    fn new() -> Self {
        let workspace = Workspace::demo();
        workspace.write("large", &noise(1 << 20, 1));
        Self { workspace, night: 0 }
    }

    fn store(&self) -> PathBuf {
        self.workspace.beside("store")
    }

    /// `pai-backup` with the store, on the current day.
    fn pai(&self, args: &[&str]) -> Command {
        self.pai_at(&self.store().display().to_string(), args)
    }

    fn pai_at(&self, store: &str, args: &[&str]) -> Command {
        let mut command = self.workspace.pai(["--store", store]);
        command.args(args).env("XDG_CACHE_HOME", self.workspace.beside("cache"));
        command.env("PAI_NOW", format!("2026-11-{:02}T02:00:00Z", self.night.max(1)));
        command
    }

    /// Changes a file, and sends the next night.
    fn send(&mut self) -> String {
        self.send_to(&self.store().display().to_string())
    }

    fn send_to(&mut self, store: &str) -> String {
        self.night += 1;
        let content = format!("night {}\n", self.night);
        self.workspace.write(&format!("projects/file-{}", self.night % 2), content.as_bytes());
        set_time(&self.workspace.home().join("projects"), 1_700_000_000, 0);
        run(&mut self.pai_at(store, &["create", "-q"])).expect(0);
        format!("pai-202611{:02}-020000", self.night)
    }

    fn packs(&self) -> Vec<PathBuf> {
        let found = run(Command::new("find").arg(self.store().join("packs")).args(["-type", "f"])).expect(0);
        let mut packs: Vec<PathBuf> = found.stdout.lines().map(PathBuf::from).collect();
        packs.sort();
        packs
    }

    /// Flips a byte in the largest pack.
    fn flip(&self) -> PathBuf {
        let largest = self.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
        let mut bytes = fs::read(&largest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&largest, bytes).unwrap();
        largest
    }
}

/// The script of the store's README, as a file.
pub(crate) fn script(store: &Path) -> PathBuf {
    let text = fs::read_to_string(store.join("README.txt")).unwrap();
    let script = text.split("---- begin\n").nth(1).unwrap().split("---- end").next().unwrap();
    let path = store.with_file_name("restore.sh");
    fs::write(&path, script).unwrap();
    path
}

#[test]
fn each_night_goes_into_the_store_and_comes_back() {
    let mut nights = Nights::new();
    let mut trees = Vec::new();
    for _ in 0..3 {
        let name = nights.send();
        trees.push((name, archived_tree(nights.workspace.home())));
    }
    assert_eq!(nights.workspace.archives(), [""; 0], "no archive is left here");
    let size: u64 = nights.packs().iter().map(|pack| pack.metadata().unwrap().len()).sum();
    assert!(size < 1_200_000, "three nights cost one archive and what changed: {size}");
    for (name, expected) in &trees {
        let target = nights.workspace.beside(name);
        run(nights.pai(&["restore", name, "--target"]).arg(&target)).expect(0);
        assert_same_tree(&tree(&target), expected);
    }
    let listed = run(&mut nights.pai(&["list"])).expect(0);
    assert_eq!(listed.stdout.lines().count(), 3);
    let first = listed.stdout.lines().last().unwrap();
    assert!(first.contains(" MiB added  ") && first.ends_with(".tar.gz  listed"), "{first}");
    let names = run(&mut nights.pai(&["list", "--names"])).expect(0).stdout;
    assert_eq!(names, "pai-20261103-020000.tar.gz\npai-20261102-020000.tar.gz\npai-20261101-020000.tar.gz\n");
    run(&mut nights.pai(&["verify", "--all"])).expect(0);
    let shown = run(&mut nights.pai(&["cat", "latest", "projects/file-1"])).expect(0);
    assert_eq!(shown.stdout, "night 3\n");
    run(&mut nights.pai(&["diff", "latest"])).expect(0);
    let changed = run(&mut nights.pai(&["diff", "pai-20261102-020000", "latest"])).expect(1);
    assert_eq!(changed.stdout, "M projects/file-1\n");
}

#[test]
fn the_environment_names_a_store_to_read_but_not_one_to_write() {
    let mut nights = Nights::new();
    nights.send();
    let archive = nights.workspace.back_up(["-q"]);
    let with_store = |args: &[&str]| {
        let mut command = nights.workspace.pai(args);
        command.env("PAI_STORE", nights.store()).env("XDG_CACHE_HOME", nights.workspace.beside("cache"));
        command
    };
    let listed = run(&mut with_store(&["list", "--names"])).expect(0);
    assert_eq!(listed.stdout, "pai-20261101-020000.tar.gz\n");
    run(with_store(&["list"]).arg(&archive)).expect(0);
    run(&mut with_store(&["create", "-q"])).expect(0);
    assert_eq!(nights.workspace.archives().len(), 2);
    let refused = run(&mut nights.workspace.pai(["push"])).expect(2);
    assert!(
        refused.stderr.contains("no store is named") && refused.stderr.contains("hint: "),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_is_pushed_is_pulled_back_byte_for_byte() {
    let nights = Nights::new();
    for day in ["2026-11-01T02:00:00Z", "2026-11-02T02:00:00Z"] {
        run(nights.workspace.pai(["create", "-q", "--no-rotate"]).env("PAI_NOW", day)).expect(0);
    }
    let pushed = run(&mut nights.pai(&["push"])).expect(0);
    assert_eq!(pushed.stdout, "pai-20261101-020000\npai-20261102-020000\n");
    assert_eq!(run(&mut nights.pai(&["push"])).expect(0).stdout, "", "they are there");
    let archive = nights.workspace.home().join("archive/pai-20261101-020000.tar.gz");
    let before = fs::read(&archive).unwrap();
    let refused = run(&mut nights.pai(&["pull", "pai-20261101-020000"])).expect(2);
    assert!(refused.stderr.contains("is there already"), "{}", refused.stderr);
    fs::remove_file(&archive).unwrap();
    let pulled = run(&mut nights.pai(&["pull", "pai-20261101-020000"])).expect(0);
    assert_eq!(pulled.stdout, format!("{}\n", archive.display()));
    assert!(fs::read(&archive).unwrap() == before);
    // What was forgotten does not come back by itself.
    run(&mut nights.pai(&["forget", "pai-20261101-020000"])).expect(0);
    assert_eq!(run(&mut nights.pai(&["push"])).expect(0).stdout, "");
    assert_eq!(run(&mut nights.pai(&["push", "--all"])).expect(0).stdout, "pai-20261101-020000\n");
}

#[test]
fn the_script_in_the_store_restores_with_stock_tools_alone() {
    let mut nights = Nights::new();
    nights.send();
    let name = nights.send();
    let expected = archived_tree(nights.workspace.home());
    let script = script(&nights.store());
    let mut shells = vec![vec!["sh"], vec!["dash"]];
    if has("busybox") {
        shells.push(vec!["busybox", "sh"]);
    } else {
        skip("no busybox");
    }
    for (number, shell) in shells.iter().enumerate() {
        let target = nights.workspace.beside(&format!("back-{number}"));
        let mut command = command(shell[0]);
        command.args(&shell[1..]).arg(&script).arg(&name).arg(&target).current_dir(nights.store());
        if shell[0] == "busybox" {
            // Its own tools, not GNU's.
            let bin = nights.workspace.beside("bin");
            fs::create_dir(&bin).unwrap();
            for applet in ["gzip", "grep", "tail", "head", "tar", "mkdir", "sh"] {
                std::os::unix::fs::symlink("/usr/bin/busybox", bin.join(applet)).unwrap();
            }
            command = pai_tests::command(bin.join("sh"));
            command.arg(&script).arg(&name).arg(&target).current_dir(nights.store()).env("PATH", &bin);
        }
        run(&mut command).expect(0);
        let mut found = tree(&target);
        let mut expected = expected.clone();
        // busybox's tar keeps only the times of files, in whole seconds, and no attributes.
        for node in found.values_mut().chain(expected.values_mut()) {
            node.mtime = if node.kind == '-' { (node.mtime.0, 0) } else { (0, 0) };
            node.xattrs.clear();
        }
        assert_same_tree(&found, &expected);
    }
}

fn check(nights: &Nights, name: &str) -> Outcome {
    run(command("sha256sum")
        .args(["-c", "--quiet"])
        .arg(format!("archives/{name}.packs"))
        .current_dir(nights.store()))
}

#[test]
fn a_flipped_byte_is_found_by_sha256sum_by_verify_and_before_it_reaches_the_disk() {
    let mut nights = Nights::new();
    let name = nights.send();
    check(&nights, &name).expect(0);
    let largest = nights.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    let good = fs::read(&largest).unwrap();
    let mut pack = PathBuf::new();
    // Cut, then the bytes of something else, then one bit.
    for damage in 0..3 {
        match damage {
            0 => fs::write(&largest, &good[..good.len() / 3]).unwrap(),
            1 => fs::write(&largest, noise(good.len(), 3)).unwrap(),
            _ => {
                fs::write(&largest, &good).unwrap();
                pack = nights.flip();
            }
        }
        let name_of_pack = largest.file_name().unwrap().to_str().unwrap();
        let found = check(&nights, &name).expect(1);
        assert!(found.stdout.contains(name_of_pack), "{}", found.stdout);
        let found = run(&mut nights.pai(&["verify"])).expect(1);
        assert!(found.stdout.contains("FAILED") && found.stdout.contains(name_of_pack), "{}", found.stdout);
    }
    assert_eq!(pack, largest);
    let target = nights.workspace.beside("back");
    let restored = run(nights.pai(&["restore", "latest", "--target"]).arg(&target)).expect(1);
    assert!(restored.stderr.contains("could not restore"), "{}", restored.stderr);
    let expected = archived_tree(nights.workspace.home());
    for (path, node) in tree(&target) {
        let good = path == Path::new("large") || node.content == expected[&path].content;
        assert!(good, "{} has another content", path.display());
    }
    assert!(!target.join("large").exists(), "the damaged file is not there at all");
    run(&mut nights.pai(&["pull", "latest"])).expect(2);
    assert_eq!(nights.workspace.archives(), [""; 0]);
}

#[test]
fn a_missing_pack_is_named_for_every_archive_it_costs() {
    let mut nights = Nights::new();
    nights.send();
    nights.send();
    let pack = nights.flip();
    fs::remove_file(&pack).unwrap();
    let found = run(&mut nights.pai(&["verify", "--all"])).expect(1);
    let hits = found.stdout.lines().filter(|line| line.contains(pack.file_name().unwrap().to_str().unwrap()));
    assert_eq!(hits.count(), 2, "{}", found.stdout);
    let found = run(&mut nights.pai(&["verify", "pai-20261101-020000"])).expect(1);
    let costs = "costs pai-20261101-020000, pai-20261102-020000";
    assert!(found.stderr.contains(costs) && found.stderr.contains("push --repair"), "{}", found.stderr);
}

#[test]
fn a_pack_that_is_gone_comes_back_from_local_archives() {
    let nights = Nights::new();
    run(nights.workspace.pai(["create", "-q"]).env("PAI_NOW", "2026-11-01T02:00:00Z")).expect(0);
    run(&mut nights.pai(&["push"])).expect(0);
    assert_eq!(run(&mut nights.pai(&["push", "--repair"])).expect(0).stdout, "");
    let pack = nights.flip();
    let name = pack.file_name().unwrap().to_str().unwrap();
    let mended = run(&mut nights.pai(&["push", "--repair"])).expect(0);
    assert!(mended.stderr.contains("is damaged: its SHA-256 is not its name: it costs pai-20261101-020000"));
    assert!(mended.stdout.starts_with("mended  packs/") && mended.stdout.contains(name), "{}", mended.stdout);
    run(&mut nights.pai(&["verify", "--all"])).expect(0);
    check(&nights, "pai-20261101-020000").expect(0);
    // Without the local archive nothing can be done, and that is said.
    fs::remove_file(&pack).unwrap();
    fs::remove_file(nights.workspace.home().join("archive/pai-20261101-020000.tar.gz")).unwrap();
    let lost = run(&mut nights.pai(&["push", "--repair"])).expect(1);
    assert!(lost.stderr.contains("for pai-20261101-020000: no archive in "), "{}", lost.stderr);
}

#[test]
fn forget_and_prune_free_what_nobody_needs_a_day_later() {
    let mut nights = Nights::new();
    for _ in 0..5 {
        nights.send();
    }
    let before = nights.packs().len();
    let refused = run(&mut nights.pai(&["forget", "pai-20261105-020000", "pai-20260101-000000"])).expect(1);
    assert!(refused.stderr.contains("kept pai-20261105-020000: it is the newest"), "{}", refused.stderr);
    assert!(refused.stderr.contains("could not forget pai-20260101-000000"), "{}", refused.stderr);
    let names = "pai-20261101-020000.tar.gz\n/some/where/pai-20261102-020000.tar.gz\n\npai-20261103-020000\n";
    let forgotten = run_with_input(&mut nights.pai(&["forget", "--stdin"]), names.as_bytes()).expect(0);
    assert_eq!(forgotten.stdout.lines().count(), 3);
    // Packs of today may be of a push under way.
    let prune = |days: i64, args: &[&str]| {
        let now = pai_common::clock::Timestamp::now();
        let now = pai_common::clock::Timestamp::new(now.secs() + days * 86_400 + 60, 0);
        run(nights.pai(&["prune"]).args(args).env("PAI_NOW", now.to_string())).expect(0)
    };
    assert_eq!(prune(0, &[]).stdout, "");
    let planned = prune(2, &["-n"]).stdout;
    assert!(planned.starts_with("mark  ") && !nights.store().join("doomed").exists(), "{planned}");
    assert_eq!(prune(2, &[]).stdout, planned);
    assert_eq!(nights.packs().len(), before, "marked, and still there");
    let deleted = prune(4, &[]).stdout;
    assert!(deleted.lines().all(|line| line.starts_with("delete")), "{deleted}");
    assert_eq!(nights.packs().len(), before - deleted.lines().count());
    assert_eq!(names_in(&nights.store().join("doomed")), [""; 0]);
    run(&mut nights.pai(&["verify", "--all"])).expect(0);
}

#[test]
fn packs_of_which_little_is_used_are_written_anew_and_stock_tools_restore_all_the_same() {
    let mut nights = Nights::new();
    nights.workspace.write("kept", &noise(200_000, 2));
    nights.send();
    fs::remove_file(nights.workspace.home().join("large")).unwrap();
    // It is meant: more than half of the bytes are gone.
    nights.night += 1;
    run(&mut nights.pai(&["create", "-q", "--allow-shrink"])).expect(0);
    run(&mut nights.pai(&["forget", "pai-20261101-020000"])).expect(0);
    let planned = run(&mut nights.pai(&["prune", "--repack", "-n"])).expect(0).stdout;
    assert!(
        planned.starts_with("repack    1.2 MiB  packs/") && planned.ends_with(" KiB used\n"),
        "{planned}"
    );
    let before = nights.packs().len();
    let done = run(&mut nights.pai(&["prune", "--repack"])).expect(0).stdout;
    assert_eq!(done, planned);
    assert_eq!(nights.packs().len(), before + 1, "the old one goes as all do: marked first");
    assert_eq!(run(&mut nights.pai(&["prune", "--repack", "-n"])).expect(0).stdout, "");
    for day in ["2100-01-01T00:00:00Z", "2100-01-03T00:00:00Z"] {
        run(nights.pai(&["prune"]).env("PAI_NOW", day)).expect(0);
    }
    let size: u64 = nights.packs().iter().map(|pack| pack.metadata().unwrap().len()).sum();
    assert!(size < 300_000, "{size} bytes are left");
    check(&nights, "pai-20261102-020000").expect(0);
    run(&mut nights.pai(&["verify", "--all"])).expect(0);
    let (script, target) = (script(&nights.store()), nights.workspace.beside("back"));
    let mut restore = command("sh");
    restore.arg(script).arg("pai-20261102-020000").arg(&target).current_dir(nights.store());
    run(&mut restore).expect(0);
    assert!(fs::read(target.join("kept")).unwrap() == noise(200_000, 2));
    nights.send();
    run(&mut nights.pai(&["verify", "--all"])).expect(0);
}

#[test]
fn nothing_is_pruned_while_a_packs_file_is_damaged_and_verify_writes_it_anew() {
    let mut nights = Nights::new();
    for _ in 0..3 {
        nights.send();
    }
    run(&mut nights.pai(&["forget", "pai-20261101-020000"])).expect(0);
    let packs = nights.store().join("archives/pai-20261102-020000.packs");
    let good = fs::read(&packs).unwrap();
    for damage in [None, Some(&good[..good.len() / 2])] {
        match damage {
            None => fs::remove_file(&packs).unwrap(),
            Some(bytes) => fs::write(&packs, bytes).unwrap(),
        }
        let refused = run(nights.pai(&["prune"]).env("PAI_NOW", "2100-01-01T00:00:00Z")).expect(1);
        assert!(refused.stderr.contains("pai-20261102-020000.packs is"), "{}", refused.stderr);
        assert!(!nights.store().join("doomed").exists());
        let mended = run(&mut nights.pai(&["verify", "--all"])).expect(0);
        assert!(mended.stderr.contains("written anew"), "{}", mended.stderr);
        assert!(fs::read(&packs).unwrap() == good);
    }
}

#[test]
fn a_newest_archive_that_is_too_old_is_told_by_the_exit_status() {
    let mut nights = Nights::new();
    nights.send();
    let at = |day: &str, age: &str| {
        run(nights
            .pai(&["list", "--names", "--max-age", age])
            .env("PAI_NOW", format!("2026-11-{day}:00:00Z")))
    };
    at("02T08", "30h").expect(0);
    let stale = at("02T09", "30h").expect(1);
    assert!(stale.stderr.contains("the newest archive is too old: "), "{}", stale.stderr);
    // The same of the archive folder.
    let none = run(&mut nights.workspace.pai(["list", "--max-age", "30h"])).expect(1);
    assert!(none.stderr.contains("there is no archive"), "{}", none.stderr);
    nights.workspace.back_up(["-q"]);
    run(&mut nights.workspace.pai(["list", "--max-age", "30h"])).expect(0);
}

#[test]
fn a_hostile_store_makes_nothing_outside_the_target_and_takes_no_memory() {
    let mut nights = Nights::new();
    let name = nights.send();
    let gzip = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        run(Command::new("gzip").arg("-c").arg(file.path())).expect(0).bytes
    };
    let list = nights.store().join(format!("archives/{name}.list.gz"));
    let text = run(Command::new("gzip").arg("-dc").arg(&list)).expect(0).stdout;
    let pack = text.lines().last().unwrap().split(' ').next().unwrap().to_owned();
    let head = |size: u64| format!("# pai-backup list 1\n# archive {name}\n# size {size}\n");
    let many = 40_000_u64;
    let cases = [
        head(1 << 40) + &format!("{pack} 0 {}\n", 1_u64 << 40),
        head(100) + &format!("{pack} 33000000 100\n"),
        head(100) + "../../../../etc/passwd 0 100\n",
        // A terabyte of the same bytes over and over.
        head(many * (32 << 20)) + &format!("{pack} 0 {}\n", 32 << 20).repeat(many as usize),
        text.replace(&name, "pai-20260101-000000"),
        text.replacen(&pack, &"0".repeat(64), 1),
    ];
    for (number, text) in cases.iter().enumerate() {
        fs::write(&list, gzip(text)).unwrap();
        let target = nights.workspace.beside(&format!("back-{number}"));
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 4000000; exec \"$@\"", "sh"]);
        let inner = nights.pai(&["restore", &name, "--target"]);
        command.arg(inner.get_program()).args(inner.get_args()).arg(&target);
        command.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let refused = run(&mut command);
        assert!(matches!(refused.status, Some(1 | 2)), "case {number}: {refused:?}");
        assert!(refused.stderr.contains("pai-backup: could not"), "case {number}: {}", refused.stderr);
        assert!(!refused.stderr.contains("panicked"), "case {number}: {}", refused.stderr);
        let failed = run(&mut nights.pai(&["verify", &name]));
        assert!(matches!(failed.status, Some(1 | 2)), "case {number}: {failed:?}");
    }
}

#[test]
fn a_store_that_cannot_be_is_refused_before_any_work() {
    let nights = Nights::new();
    for (store, args, why) in [
        ("ftp://host/x", &["list"][..], "neither s3:// nor a path"),
        ("s3://", &["list"], "it names no bucket"),
        ("rclone:box", &["list"], "it names no remote"),
        ("store", &["create", "-o", "x.tar.gz"], "--store keeps archives with an index"),
        ("store", &["create", "--name", "a b"], "names there are letters"),
        ("store", &["list", "latest"], "no archive pai-*.tar.gz in"),
        ("store", &["verify", "--all"], "no archive of the series pai"),
        ("store", &["cat", "../x", "y"], "that is no name of an archive"),
    ] {
        let refused = run(&mut nights.pai_at(store, args)).expect(2);
        assert!(refused.stderr.contains(why), "{store} {args:?}: {}", refused.stderr);
    }
}

#[test]
fn a_second_run_of_the_same_machine_waits_or_ends_with_75() {
    let mut nights = Nights::new();
    nights.send();
    let cache =
        fs::read_dir(nights.workspace.beside("cache/pai-backup")).unwrap().next().unwrap().unwrap().path();
    let lock = pai_common::lock::DirLock::acquire(&cache, None).unwrap();
    run(&mut nights.pai(&["create", "-q"])).expect(75);
    run(&mut nights.pai(&["push", "-q"])).expect(75);
    drop(lock);
    run(&mut nights.pai(&["push", "-q"])).expect(0);
}

#[test]
fn names_go_through_pai_rotate_and_back() {
    let mut nights = Nights::new();
    for _ in 0..3 {
        nights.send();
    }
    let line = format!(
        "export PAI_STORE='{}' XDG_CACHE_HOME='{}'
         pai-backup list --names | pai-rotate --stdin --keep-last 1 | pai-backup forget --stdin",
        nights.store().display(),
        nights.workspace.beside("cache").display(),
    );
    let forgotten = sh(&line, nights.workspace.home()).expect(0);
    assert_eq!(forgotten.stdout.lines().count(), 2, "{}", forgotten.stderr);
    assert_eq!(run(&mut nights.pai(&["list", "--names"])).expect(0).stdout, "pai-20261103-020000.tar.gz\n");
}

#[test]
fn packs_are_named_after_their_bytes_and_are_gzip_files() {
    let mut nights = Nights::new();
    nights.send();
    for pack in nights.packs() {
        let digest = sha256::to_hex(&sha256::digest(&fs::read(&pack).unwrap()));
        assert_eq!(pack.file_name().unwrap().to_str().unwrap(), format!("{digest}.gz"));
        run(Command::new("gzip").arg("-t").arg(&pack)).expect(0);
    }
}

#[test]
fn rclone_reaches_a_store_too() {
    let mut nights = Nights::new();
    let own = pai_tests::repository().join("target/python/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths(std::iter::once(own.clone()).chain(std::env::split_paths(&path))).unwrap();
    if !has("rclone") && !own.join("rclone").is_file() {
        return skip("no rclone on PATH or in target/python/bin");
    }
    let store = format!("rclone::local:{}", nights.store().display());
    nights.night += 1;
    let pai = |nights: &Nights, args: &[&str]| {
        let mut command = nights.pai_at(&store, args);
        command.env("PATH", &path).env("RCLONE_CONFIG", nights.workspace.beside("rclone.conf"));
        command
    };
    for night in 1..=2 {
        nights.night = night;
        nights.workspace.write("projects/night", &[night as u8]);
        run(&mut pai(&nights, &["create", "-q"])).expect(0);
    }
    run(&mut pai(&nights, &["verify", "--all"])).expect(0);
    let target = nights.workspace.beside("back");
    run(pai(&nights, &["restore", "latest", "--target"]).arg(&target)).expect(0);
    assert_same_tree(&tree(&target), &archived_tree(nights.workspace.home()));
    run(&mut pai(&nights, &["forget", "pai-20261101-020000"])).expect(0);
    let pruned = run(pai(&nights, &["prune"]).env("PAI_NOW", "2100-01-01T00:00:00Z")).expect(0);
    assert!(pruned.stderr.contains("freed 0 B in 0 packs"), "{}", pruned.stderr);
    // Another reader sees the same store.
    run(&mut nights.pai(&["verify", "--all"])).expect(0);
    let missing = run(&mut pai(&nights, &["cat", "pai-20260101-000000", "x"])).expect(2);
    assert!(missing.stderr.contains("could not open pai-20260101-000000"), "{}", missing.stderr);
}

#[test]
fn a_machine_whose_clock_is_wrong_prunes_by_the_clock_of_the_store() {
    if !has("faketime") {
        return skip("a wrong machine clock needs faketime");
    }
    let mut nights = Nights::new();
    nights.send();
    nights.send();
    run(&mut nights.pai(&["forget", "pai-20261101-020000"])).expect(0);
    let mut prune = nights.pai(&["prune"]);
    prune.env_remove("PAI_NOW");
    let mut wrapped = pai_tests::through(&["faketime".as_ref(), "-f".as_ref(), "+30d".as_ref()], &prune);
    let pruned = run(&mut wrapped).expect(0);
    assert_eq!(pruned.stdout, "", "by the store's clock the packs are of today");
    assert_eq!(names_in(&nights.store().join("doomed")), ["clock"]);
}
