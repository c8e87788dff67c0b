//! `verify-backup.sh`: passes on nothing but a whole backup, and names what is wrong.

use std::fs;
use std::path::Path;

use pai_tests::rigs::http::{Answer, Http};
use pai_tests::{command, run};

use crate::shop::{Shop, artefact, cut, flip, resum};
use crate::stack::Stack;

#[test]
fn row_1_17_a_good_backup_passes_as_latest_all_path_and_word() {
    let Some(shop) = Shop::open() else { return };
    let backup = shop.backup();
    let path = backup.to_str().unwrap();
    for words in [&["--latest"][..], &["--all"], &[path], &["latest"], &[]] {
        let outcome = shop.run("verify-backup.sh", words).expect(0);
        assert!(outcome.stdout.ends_with(": OK\n"), "{words:?}: {}", outcome.stdout);
    }
    let noted = shop.stack.read("deployment/logs/state/backup-verified");
    assert!(noted.trim_end().ends_with(path), "{noted}");
}

/// Something done to a backup's folder.
type Damage = fn(&Path);

fn change_a_sum(backup: &Path) {
    let sums = fs::read_to_string(backup.join("SHA256SUMS")).unwrap();
    fs::write(backup.join("SHA256SUMS"), sums.replacen(|c: char| c.is_ascii_digit(), "x", 1)).unwrap();
}

fn empty(backup: &Path) {
    fs::remove_dir_all(backup).unwrap();
    fs::create_dir(backup).unwrap();
}

#[test]
fn row_1_17_every_damage_is_found_and_named() {
    let Some(shop) = Shop::open() else { return };
    let good = shop.backup();
    // The sums are made anew for a fault that must be seen beyond a checksum.
    let (as_they_were, anew): (Damage, Damage) = (|_| (), resum);
    let cases: [(&str, Damage, Damage, &str); 12] = [
        ("a flipped bit", |b| flip(&artefact(b, "configs", "deployment")), as_they_were, "deployment_"),
        ("a flipped bit in an archive", |b| flip(&artefact(b, "configs", "deployment")), anew, "deployment_"),
        ("an archive cut short", |b| cut(&artefact(b, "configs", "docs"), 40), anew, "docs_"),
        (
            "a dump cut within a table",
            |b| cut(&artefact(b, "databases", "letta"), 9000),
            anew,
            "ends within a table",
        ),
        (
            "a dump without its end",
            |b| cut(&artefact(b, "databases", "letta"), 150),
            anew,
            "the end is missing",
        ),
        (
            "an empty dump",
            |b| fs::write(artefact(b, "databases", "letta"), "").unwrap(),
            anew,
            "empty: databases/letta_",
        ),
        ("no manifest", |b| fs::remove_file(b.join("BACKUP_MANIFEST.md")).unwrap(), anew, "no manifest"),
        ("no sums", |b| fs::remove_file(b.join("SHA256SUMS")).unwrap(), as_they_were, "no SHA256SUMS"),
        (
            "a missing dump",
            |b| fs::remove_file(artefact(b, "databases", "letta")).unwrap(),
            anew,
            "missing: databases/letta_",
        ),
        ("a changed sum", change_a_sum, as_they_were, "checksums"),
        (
            "an unlisted file",
            |b| fs::write(b.join("databases/x.sql"), "x").unwrap(),
            as_they_were,
            "not in SHA256SUMS: databases/x.sql",
        ),
        ("nothing at all", empty, as_they_were, "it holds nothing"),
    ];
    for (what, damage, sums, reason) in cases {
        let copy = shop.stack.path("pa-ecosystem-backup-20261121_020000");
        run(command("cp").arg("-a").arg(&good).arg(&copy)).expect(0);
        damage(&copy);
        sums(&copy);
        let outcome = shop.run("verify-backup.sh", &[copy.to_str().unwrap()]);
        assert_eq!(outcome.status, Some(1), "{what}: {}", outcome.stdout);
        assert!(
            outcome.stdout.contains(": FAILED (") && outcome.stdout.contains(reason),
            "{what}: {}",
            outcome.stdout
        );
        fs::remove_dir_all(&copy).unwrap();
    }
}

#[test]
fn row_1_17_all_counts_none_one_and_three_and_never_passes_on_nothing() {
    let Some(shop) = Shop::open() else { return };
    for words in [&["--all"][..], &["--latest"]] {
        let none = shop.run("verify-backup.sh", words).expect(2);
        assert!(none.stderr.contains("no backups in"), "{}", none.stderr);
    }
    let backup = shop.backup();
    assert!(shop.run("verify-backup.sh", &["--all"]).expect(0).stderr.contains("1 backups: 1 good, 0 bad"));
    for name in ["pa-ecosystem-backup-20260101_020000", "pa-ecosystem-backup-20260102_020000"] {
        run(command("cp").arg("-a").arg(&backup).arg(shop.stack.backups().join(name))).expect(0);
    }
    let bad = shop.stack.backups().join("pa-ecosystem-backup-20260101_020000");
    flip(&artefact(&bad, "databases", "letta"));
    let three = shop.run("verify-backup.sh", &["--all"]).expect(1);
    assert!(three.stderr.contains("3 backups: 2 good, 1 bad"), "{}", three.stderr);
    assert_eq!(three.stdout.lines().filter(|line| line.contains("FAILED")).count(), 1);
    shop.run("verify-backup.sh", &["--latest"]).expect(0);
}

#[test]
fn row_1_17_a_path_that_is_not_there_is_named_and_the_others_are_verified() {
    let stack = Stack::new();
    let backup = run(stack.script("backup.sh").args(["--quiet", "--config-only"])).expect(0).stdout;
    let outcome = run(stack.script("verify-backup.sh").args(["/nonexistent", backup.trim()])).expect(1);
    assert_eq!(outcome.stdout, format!("/nonexistent: FAILED (no such backup)\n{}: OK\n", backup.trim()));
}

#[test]
fn row_1_17_an_export_that_cannot_be_parsed_for_want_of_jq_is_no_good_backup() {
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/", Answer::new(200, "[1]"));
    stack.settings(&format!("BACKUP_EXPORTS=letta={}\n", http.url("/")));
    let backup = run(stack.script("backup.sh").args(["--quiet", "--services-only"])).expect(0).stdout;
    let mut verify = stack.script("verify-backup.sh");
    let outcome = run(verify.env("PATH", stack.path_without(&["jq"])).arg(backup.trim())).expect(1);
    assert!(outcome.stdout.contains("jq is not installed"), "{}", outcome.stdout);
}
