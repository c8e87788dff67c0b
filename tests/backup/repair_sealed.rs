//! `repair` where encryption is in the way: of the damaged archive, or of those that hold the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{Outcome, has, run, skip};

use crate::encrypted::Pair;
use crate::fixtures::names_in;

/// `pai-backup` without an identity, for a user of his own.
fn pai(pair: &Pair, args: &[&str]) -> Command {
    let mut command = pair.workspace.pai(args);
    command.env("XDG_CACHE_HOME", pair.path("cache")).env("XDG_STATE_HOME", pair.path("state"));
    command
}

fn with_key(pair: &Pair, args: &[&str]) -> Command {
    let mut command = pai(pair, args);
    command.env("PAI_IDENTITY", pair.path("key"));
    command
}

/// Turns a bit in the middle; the bytes as they were.
fn damage(path: &Path) -> Vec<u8> {
    let good = fs::read(path).unwrap();
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    fs::write(path, damaged).unwrap();
    good
}

/// Nobody but an encrypted copy has what the archive had.
fn forget_files(pair: &Pair) {
    fs::write(pair.workspace.home().join("large"), "another").unwrap();
}

fn night(pair: &Pair) -> PathBuf {
    pair.workspace.back_up(["-q", "--now", "2026-11-01T02:00:00Z"])
}

#[test]
fn an_encrypted_archive_is_mended_by_its_par2_file_or_it_is_said_why_not() {
    let pair = Pair::new();
    let make = |more: &[&str]| {
        let mut create = pai(&pair, &["create", "-q", "--recipient", &pair.recipient, "-o"]);
        run(create.arg(pair.path("a.tar.gz.age")).args(more)).expect(0);
    };
    let repair = |command: fn(&Pair, &[&str]) -> Command, more: &[&str]| -> Outcome {
        run(command(&pair, &["repair", "-q"]).arg(pair.path("a.tar.gz.age")).args(more))
    };
    let path = pair.path("a.tar.gz.age");
    make(&[]);
    let shown = path.display();
    assert_eq!(repair(with_key, &[]).expect(0).stdout, format!("{shown}: good\n"));
    damage(&path);
    let damaged = fs::read(&path).unwrap();
    let refused = repair(pai, &[]).expect(2);
    assert!(
        refused
            .stderr
            .contains("it is encrypted, and no identity is named\npai-backup: hint: pass --identity FILE")
    );
    for more in [&[][..], &["-n"]] {
        let refused = repair(with_key, more).expect(2);
        let why = "it is encrypted under a key of its own, so no other archive holds the same bytes";
        assert_eq!(
            refused.stderr,
            format!(
                "pai-backup: could not repair {shown}: {why}\n\
                 pai-backup: hint: pai-backup restore brings back the files beside the damage; create --par2 10% lets the next one be mended\n"
            )
        );
        assert_eq!(fs::read(&path).unwrap(), damaged);
    }
    // What the hint promises.
    let back = pair.path("back");
    let restored = run(with_key(&pair, &["restore", "-q"]).arg(&path).arg("--target").arg(&back)).expect(1);
    assert!(restored.stderr.contains("large"), "{}", restored.stderr);
    let mut wanted = names_in(pair.workspace.home());
    wanted.retain(|name| !["archive", "large", "logs"].contains(&name.as_str()));
    assert_eq!(names_in(&back), wanted);
    if !has("par2") {
        return skip("no par2 (package par2)");
    }
    fs::remove_file(&path).unwrap();
    make(&["--par2", "10%"]);
    let good = damage(&path);
    assert!(repair(with_key, &[]).expect(0).stdout.contains("mended by its PAR2 file"));
    assert_eq!(fs::read(&path).unwrap(), good);
}

#[test]
fn an_encrypted_archive_beside_it_mends_one_that_is_not() {
    let pair = Pair::new();
    let path = night(&pair);
    let twin = path.with_file_name("offsite.tar.gz.age");
    run(pai(&pair, &["create", "-q", "--recipient", &pair.recipient, "-o"]).arg(&twin)).expect(0);
    forget_files(&pair);
    let good = damage(&path);
    let told = run(with_key(&pair, &["repair", "-q"]).arg(&path)).expect(0);
    assert!(told.stdout.contains(", from offsite.tar.gz.age\n"), "{}", told.stdout);
    assert_eq!(fs::read(&path).unwrap(), good);
}

#[test]
fn an_encrypted_store_mends_an_archive_for_who_has_the_identity() {
    let pair = Pair::new();
    let store = pair.path("store");
    let store = store.to_str().unwrap();
    let path = night(&pair);
    let mut send = pai(&pair, &["create", "-q", "--store", store, "--recipient", &pair.recipient]);
    run(send.env("PAI_NOW", "2026-11-01T02:00:00Z")).expect(0);
    forget_files(&pair);
    let good = damage(&path);
    let damaged = fs::read(&path).unwrap();
    let refused = run(pai(&pair, &["repair", "-q", "--store", store]).arg(&path)).expect(2);
    for said in [
        "it is encrypted, and no identity is named\npai-backup: hint: pass --identity FILE",
        "what could not be read may hold what is lost",
    ] {
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    assert_eq!(fs::read(&path).unwrap(), damaged, "nothing was changed");
    assert_eq!(names_in(path.parent().unwrap()), ["pai-20261101-020000.tar.gz"]);
    run(with_key(&pair, &["repair", "-q", "--store", store]).arg(&path)).expect(0);
    assert_eq!(fs::read(&path).unwrap(), good);
}
