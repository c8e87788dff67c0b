//! `--audit` and `--update`: rot told from change, moves from losses.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use pai_tests::{Outcome, run, scratch};

use crate::{age, checksum, write};

const FILES: [(&str, &str); 6] = [
    ("same", "same\n"),
    ("edited", "before\n"),
    ("rotten", "sound\n"),
    ("d/moved", "moved\n"),
    ("lost", "lost\n"),
    ("twin", "same\n"),
];

/// A folder with a manifest of it.
fn listed() -> tempfile::TempDir {
    let folder = scratch();
    write(folder.path(), &FILES);
    for (name, _) in FILES {
        age(&folder.path().join(name));
    }
    run(&mut checksum(folder.path(), &["-r", "-o", "sums", "."])).expect(0);
    folder
}

/// Everything that can happen to a file, once.
fn spoil(folder: &Path) {
    write(folder, &[("edited", "after\n"), ("fresh", "fresh\n")]);
    write(folder, &[("rotten", "Sound\n")]);
    age(&folder.join("rotten"));
    std::fs::rename(folder.join("d/moved"), folder.join("here\nnow")).expect("moved");
    std::fs::remove_file(folder.join("lost")).expect("removed");
}

const FOUND: &str = "\\MOVED d/moved -> here\\nnow\nCHANGED edited\nMISSING lost\nROTTED rotten\nNEW fresh\n";

fn audit(folder: &Path) -> Outcome {
    run(&mut checksum(folder, &["--audit", "sums"]))
}

#[test]
fn a_folder_that_is_as_listed_passes_wherever_it_is_audited_from() {
    let folder = listed();
    let outcome = audit(folder.path()).expect(0);
    assert_eq!(outcome.stdout, "");
    assert_eq!(outcome.stderr, "pai-checksum: 6 as listed, 0 changed, 0 rotted, 0 new, 0 missing, 0 moved\n");
    let sums = folder.path().join("sums");
    run(&mut checksum(Path::new("/"), &["--audit", sums.to_str().unwrap()])).expect(0);
    run(&mut checksum(Path::new("/"), &["--quiet", "--audit", sums.to_str().unwrap()])).expect(0);
    // A file that was only touched has changed nothing anyone would miss.
    std::fs::File::options()
        .write(true)
        .open(folder.path().join("same"))
        .unwrap()
        .set_modified(UNIX_EPOCH)
        .unwrap();
    audit(folder.path()).expect(0);
}

#[test]
fn every_difference_has_its_own_name() {
    let folder = listed();
    spoil(folder.path());
    let outcome = audit(folder.path()).expect(1);
    assert_eq!(outcome.stdout, FOUND);
    assert_eq!(outcome.stderr, "pai-checksum: 2 as listed, 1 changed, 1 rotted, 1 new, 1 missing, 1 moved\n");
    let outcome = run(&mut checksum(folder.path(), &["--exclude", "fresh", "--audit", "sums"])).expect(1);
    assert!(!outcome.stdout.contains("NEW"));
}

#[test]
fn json_has_the_same_findings_and_their_counts() {
    let folder = listed();
    spoil(folder.path());
    let outcome = run(&mut checksum(folder.path(), &["--json", "--audit", "sums"])).expect(1);
    let records: Vec<serde_json::Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = records.iter().filter_map(|record| record["kind"].as_str()).collect();
    assert_eq!(kinds, ["moved", "changed", "missing", "rotted", "new"]);
    assert_eq!((&records[0]["path"], &records[0]["to"]["path"]), (&"d/moved".into(), &"here\nnow".into()));
    let summary = records.last().unwrap();
    assert_eq!(
        (&summary["type"], &summary["same"], &summary["rotted"]),
        (&"summary".into(), &2.into(), &1.into())
    );
}

#[test]
fn a_plain_list_audits_too_but_knows_no_rot() {
    let folder = listed();
    let plain = run(&mut checksum(folder.path(), &["same", "edited", "rotten", "d/moved", "lost", "./twin"]));
    write(folder.path(), &[("sums", &plain.stdout)]);
    audit(folder.path()).expect(0);
    spoil(folder.path());
    let found = "CHANGED edited\nCHANGED rotten\n\\MOVED d/moved -> here\\nnow\nMISSING lost\nNEW fresh\n";
    assert_eq!(audit(folder.path()).expect(1).stdout, found);
}

#[test]
fn an_update_follows_the_folder_but_never_blesses_rot() {
    let folder = listed();
    // A rewrite that restores the mtime is only seen by an update because the ctime moved on.
    spoil(folder.path());
    let update = |status| run(&mut checksum(folder.path(), &["--update", "sums"])).expect(status);
    assert_eq!(update(1).stdout, FOUND);
    assert_eq!(audit(folder.path()).expect(1).stdout, "ROTTED rotten\n");
    write(folder.path(), &[("rotten", "sound\n")]);
    assert_eq!(update(0).stdout, "");
    audit(folder.path()).expect(0);
    let outcome = run(&mut checksum(folder.path(), &["-c", "--strict", "--quiet", "sums"])).expect(0);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
}

#[test]
fn an_update_reads_only_what_was_touched_and_writes_only_what_differs() {
    let folder = listed();
    let sums = folder.path().join("sums");
    // A wrong digest in the list shows whether the file is read: with its stamp unchanged it is not.
    let text = std::fs::read_to_string(&sums).unwrap();
    let digest = &text.lines().find(|line| line.ends_with("  lost")).unwrap()[..64].to_owned();
    let forged = text.replace(digest, &"0".repeat(64));
    std::fs::write(&sums, &forged).unwrap();
    let before = std::fs::metadata(&sums).unwrap();
    run(&mut checksum(folder.path(), &["--update", "sums"])).expect(0);
    assert_eq!(std::fs::read_to_string(&sums).unwrap(), forged);
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&sums).unwrap()), {
        std::os::unix::fs::MetadataExt::ino(&before)
    });
    // Once touched, it is.
    let lost = std::fs::File::options().write(true).open(folder.path().join("lost")).unwrap();
    lost.set_modified(UNIX_EPOCH + Duration::from_secs(5)).unwrap();
    let outcome = run(&mut checksum(folder.path(), &["--update", "sums"])).expect(0);
    assert_eq!(outcome.stdout, "CHANGED lost\n");
    assert!(std::fs::read_to_string(&sums).unwrap().contains(digest));
}

#[test]
fn a_file_called_dash_is_listed_so_that_it_is_not_standard_input() {
    let folder = listed();
    write(folder.path(), &[("-", "a\n")]);
    run(&mut checksum(folder.path(), &["--update", "sums"])).expect(0);
    let outcome = run(&mut checksum(folder.path(), &["-c", "sums"])).expect(0);
    assert!(outcome.stdout.ends_with("./-: OK\n"), "{}", outcome.stdout);
    audit(folder.path()).expect(0);
}

#[test]
fn a_list_that_is_none_is_refused_and_left_alone() {
    let folder = scratch();
    for (content, cause) in [
        ("hello\n", "line 1 is no SHA-256 checksum line"),
        ("# only a comment\n", "no checksum lines in it"),
        ("", "no checksum lines in it"),
    ] {
        write(folder.path(), &[("sums", content)]);
        for mode in ["--audit", "--update"] {
            let outcome = run(&mut checksum(folder.path(), &[mode, "sums"])).expect(2);
            assert_eq!(outcome.stderr, format!("pai-checksum: could not read sums: {cause}\n"));
            assert_eq!(std::fs::read_to_string(folder.path().join("sums")).unwrap(), content);
        }
    }
    run(&mut checksum(folder.path(), &["--audit", "gone"])).expect(2);
}

#[test]
fn an_update_of_a_folder_that_lost_everything_keeps_the_list() {
    let folder = listed();
    let sums = folder.path().join("sums");
    let text = std::fs::read_to_string(&sums).unwrap();
    let empty = scratch();
    let outcome =
        run(&mut checksum(folder.path(), &["--update", "sums", empty.path().to_str().unwrap()])).expect(2);
    assert!(outcome.stderr.contains("nothing was hashed"), "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(&sums).unwrap(), text);
}

#[test]
fn what_cannot_be_read_is_counted() {
    let folder = scratch();
    write(folder.path(), &[("a", "1"), ("b", "2")]);
    run(&mut checksum(folder.path(), &["-r", "-o", "sums", "."])).expect(0);
    std::fs::remove_file(folder.path().join("a")).unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    let outcome = run(&mut checksum(folder.path(), &["--audit", "sums"])).expect(1);
    let counts = "1 as listed, 0 changed, 0 rotted, 0 new, 0 missing, 0 moved, 1 unreadable";
    assert_eq!(outcome.stderr, format!("pai-checksum: a: Is a directory\npai-checksum: {counts}\n"));
}

#[test]
fn full_names_are_those_of_the_folder_they_lead_into() {
    let folder = scratch();
    write(folder.path(), &[("d/a", "1"), ("d/deep/b", "2")]);
    std::os::unix::fs::symlink("d", folder.path().join("link")).unwrap();
    let full = folder.path().join("d");
    run(&mut checksum(folder.path(), &["-r", "-o", "d/sums", full.to_str().unwrap()])).expect(0);
    let same = "pai-checksum: 2 as listed, 0 changed, 0 rotted, 0 new, 0 missing, 0 moved\n";
    for audit in [&["--audit", "d/sums"][..], &["--audit", "link/sums"], &["--update", "d/sums", "./link"]] {
        let outcome = run(&mut checksum(folder.path(), audit)).expect(0);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", same), "{audit:?}");
    }
    std::fs::rename(full.join("a"), full.join("c")).unwrap();
    let outcome = run(&mut checksum(folder.path(), &["--audit", "d/sums"])).expect(1);
    assert_eq!(outcome.stdout, format!("MOVED {} -> c\n", full.join("a").display()));
}
