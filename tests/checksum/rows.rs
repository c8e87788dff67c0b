//! The checksum rows of the replay backups: made at 02:30, checked after a move, read by people.

use pai_tests::{has, run, scratch, sh, skip};

use crate::{A, checksum, write};

fn replays() -> tempfile::TempDir {
    let folder = scratch();
    for day in ["20250914", "20250915", "20250916"] {
        write(folder.path(), &[(&format!("replays/codex_replay_{day}023000.zip"), day)]);
    }
    folder
}

#[test]
fn row_2_6_the_documented_line_writes_what_either_tool_checks() {
    let folder = replays();
    let replays = folder.path().join("replays");
    sh("pai-checksum *.zip > checksums.txt", &replays).expect(0);
    sh("pai-checksum -o atomic.txt *.zip", &replays).expect(0);
    let checkers: &[&str] = if has("sha256sum") { &["pai-checksum", "sha256sum"] } else { &["pai-checksum"] };
    for list in ["checksums.txt", "atomic.txt"] {
        for checker in checkers {
            let outcome = sh(&format!("{checker} -c {list}"), &replays).expect(0);
            assert_eq!(outcome.stdout.matches(": OK\n").count(), 3, "{checker} {list}");
        }
    }
    if !has("sha256sum") {
        return skip("sha256sum is not installed");
    }
    let theirs = sh("sha256sum *.zip | tee theirs.txt | pai-checksum -c", &replays).expect(0);
    assert_eq!(theirs.stdout.matches(": OK\n").count(), 3);
    assert_eq!(
        std::fs::read(replays.join("theirs.txt")).unwrap(),
        std::fs::read(replays.join("checksums.txt")).unwrap()
    );
}

#[test]
fn row_2_6_no_capsule_is_an_error_that_keeps_the_list() {
    let folder = scratch();
    write(folder.path(), &[("checksums.txt", &format!("{A}  kept\n"))]);
    let outcome = sh("pai-checksum -o checksums.txt *.zip", folder.path()).expect(2);
    assert!(
        outcome.stderr.starts_with("pai-checksum: '*.zip': No such file or directory\n"),
        "{}",
        outcome.stderr
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("checksums.txt")).unwrap(), format!("{A}  kept\n"));
}

#[test]
fn row_2_7_a_moved_folder_still_verifies_and_losses_damage_and_strangers_are_told() {
    let folder = replays();
    run(&mut checksum(folder.path(), &["-C", "replays", "-r", "-o", "replays/checksums.txt", "."])).expect(0);
    std::fs::rename(folder.path().join("replays"), folder.path().join("elsewhere")).unwrap();
    let moved = folder.path().join("elsewhere");
    let outcome = sh("cd elsewhere && pai-checksum -c checksums.txt", folder.path()).expect(0);
    assert_eq!(outcome.stdout.matches(": OK\n").count(), 3);

    std::fs::remove_file(moved.join("codex_replay_20250914023000.zip")).unwrap();
    write(&moved, &[("codex_replay_20250915023000.zip", "damaged"), ("stranger.zip", "?")]);
    let outcome = sh("pai-checksum -c checksums.txt", &moved).expect(1);
    assert_eq!(
        outcome.stdout,
        "codex_replay_20250914023000.zip: FAILED open or read\n\
         codex_replay_20250915023000.zip: FAILED\n\
         codex_replay_20250916023000.zip: OK\n"
    );
    let outcome = sh("pai-checksum --audit checksums.txt", &moved).expect(1);
    assert_eq!(
        outcome.stdout,
        "MISSING codex_replay_20250914023000.zip\n\
         CHANGED codex_replay_20250915023000.zip\n\
         NEW stranger.zip\n"
    );
}

#[test]
fn row_2_7_after_a_clean_up_the_list_is_pruned_in_one_step() {
    let folder = replays();
    let replays = folder.path().join("replays");
    sh("pai-checksum -o checksums.txt *.zip && rm codex_replay_20250914023000.zip", &replays).expect(0);
    let outcome = sh("pai-checksum --update checksums.txt", &replays).expect(0);
    assert_eq!(outcome.stdout, "MISSING codex_replay_20250914023000.zip\n");
    sh("pai-checksum -c --strict checksums.txt", &replays).expect(0);
}

#[test]
fn row_2_8_the_list_of_a_folder_sorts_by_the_date_in_the_names() {
    let folder = replays();
    let outcome = sh("pai-checksum -r replays | cut -c67- | tail -n 2", folder.path()).expect(0);
    assert_eq!(
        outcome.stdout,
        "replays/codex_replay_20250915023000.zip\nreplays/codex_replay_20250916023000.zip\n"
    );
}
