//! `replay-capsule.sh` and `checksum-replays.sh`, with unzip, Python and sha256sum as the judges.

use std::fs;
use std::path::Path;
use std::process::Command;

use pai_tests::{Outcome, as_nobody, has, run, scratch, skip};

use crate::support::{mode, names, path_with, script};

fn codex_home(folder: &Path) {
    for (path, text) in [
        ("data/audit.log", "audited\n"),
        ("storage/ledger/2025/seal.json", "{\"year\": 2025}"),
        ("storage/ledger/2026/seal.json", "{\"year\": 2026}"),
        ("storage/annals/first.md", "# First\n"),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
}

fn capsule(home: &Path) -> Command {
    let mut capsule = script("replay-capsule.sh");
    capsule.env("CODEX_HOME", home);
    capsule
}

#[test]
fn row_2_5b_a_capsule_keeps_relative_paths_and_unzip_and_python_read_it() {
    if !has("unzip") || !has("python3") {
        return skip("no unzip or python3");
    }
    let folder = scratch();
    codex_home(folder.path());
    let outcome = run(&mut capsule(folder.path())).expect(0);
    let path = Path::new(outcome.stdout.trim_end());

    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let stamp =
        name.strip_prefix("codex_replay_").and_then(|name| name.strip_suffix(".zip")).expect("its name");
    assert!(stamp.len() == 14 && stamp.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
    assert_eq!((mode(path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
    run(Command::new("unzip").arg("-tq").arg(path)).expect(0);
    run(Command::new("unzip").arg("-q").arg(path).arg("-d").arg(folder.path().join("out"))).expect(0);
    for (year, text) in [("2025", "{\"year\": 2025}"), ("2026", "{\"year\": 2026}")] {
        let file = folder.path().join(format!("out/ledger/{year}/seal.json"));
        assert_eq!(fs::read_to_string(file).expect("both survive"), text);
    }
    let python = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(*sorted(n for n in z.namelist() if n[-1] != '/'))";
    let listed = run(Command::new("python3").args(["-c", python]).arg(path)).expect(0);
    assert_eq!(listed.stdout, "annals/first.md audit.log ledger/2025/seal.json ledger/2026/seal.json\n");
}

#[test]
fn row_2_5c_each_variable_is_honoured_and_without_any_input_there_is_no_zip() {
    let folder = scratch();
    codex_home(folder.path());
    let moved = folder.path().join("moved");
    fs::rename(folder.path().join("storage/ledger"), &moved).expect("moved");
    let mut elsewhere = capsule(Path::new("/nonexistent"));
    elsewhere.env("AUDIT_LOG_PATH", folder.path().join("data/audit.log")).env("LEDGER_PATH", &moved);
    elsewhere
        .env("ANNALS_PATH", folder.path().join("storage/annals"))
        .env("REPLAYS_PATH", folder.path().join("replays"));
    let outcome = run(&mut elsewhere).expect(0);
    assert!(outcome.stdout.starts_with(&folder.path().join("replays/codex_replay_").display().to_string()));

    let part = run(elsewhere
        .env("LEDGER_PATH", "/nonexistent/ledger")
        .env("REPLAYS_PATH", folder.path().join("part")))
    .expect(1);
    assert!(part.stderr.contains("could not find /nonexistent/ledger"), "{}", part.stderr);
    assert_eq!(names(&folder.path().join("part")).len(), 1);

    let none = run(capsule(&folder.path().join("nowhere")).env("REPLAYS_PATH", folder.path().join("none")))
        .expect(2);
    assert!(none.stderr.contains("nothing to put into a capsule"), "{}", none.stderr);
    assert_eq!(names(&folder.path().join("none")), [""; 0]);
}

#[test]
fn row_2_5a_unchanged_input_is_said_and_a_dry_run_writes_nothing() {
    let folder = scratch();
    codex_home(folder.path());
    let dry = run(capsule(folder.path()).arg("--dry-run")).expect(0);
    assert!(dry.stdout.contains("audit.log ledger annals"), "{}", dry.stdout);
    assert!(!folder.path().join("storage/replays").exists());

    let first = run(&mut capsule(folder.path())).expect(0).stdout;
    // The name has a second's precision.
    let stamped = folder.path().join("storage/replays/codex_replay_20250101000000.zip");
    fs::rename(first.trim_end(), stamped).expect("renamed");
    let again = run(&mut capsule(folder.path())).expect(0);
    // Never over another one.
    let clock = scratch();
    fs::write(clock.path().join("date"), "#!/bin/sh\necho 20250101000000\n").expect("written");
    run(Command::new("chmod").arg("755").arg(clock.path().join("date"))).expect(0);
    let twice = run(capsule(folder.path()).env("PATH", path_with(&[clock.path()]))).expect(2);
    assert!(twice.stderr.contains("is there already"), "{}", twice.stderr);
    assert!(
        again.stderr.contains("nothing has changed since codex_replay_20250101000000.zip"),
        "{}",
        again.stderr
    );
}

/// Ten capsules of ten months.
fn replays(folder: &Path) {
    for month in 1..=10 {
        let name = format!("codex_replay_2026{month:02}01021500.zip");
        fs::write(folder.join(name), format!("capsule {month}")).expect("written");
    }
}

fn checksums(folder: &Path, arguments: &[&str]) -> Outcome {
    run(script("checksum-replays.sh").args(arguments).arg(folder).env("PAI_NOW", "2026-11-22T02:30:00Z"))
}

/// What the documented check says: `cd replays; sha256sum -c checksums.txt`.
fn sha256sum(folder: &Path) -> Outcome {
    run(Command::new("sha256sum").args(["--strict", "-c", "checksums.txt"]).current_dir(folder))
}

#[test]
fn row_2_7_the_list_has_relative_names_and_passes_after_the_folder_moved() {
    let folder = scratch();
    let (before, after) = (folder.path().join("replays"), folder.path().join("moved"));
    fs::create_dir(&before).expect("made");
    replays(&before);
    checksums(&before, &[]).expect(0);
    fs::rename(&before, &after).expect("moved");

    assert_eq!(sha256sum(&after).expect(0).stdout.lines().count(), 10);
    assert!(checksums(&after, &[]).expect(0).stdout.is_empty(), "nothing is new");
}

#[test]
fn row_2_6_a_folder_without_capsules_leaves_the_list_as_it_was() {
    let folder = scratch();
    fs::write(folder.path().join("checksums.txt"), "# precious\n").expect("written");
    let outcome = checksums(folder.path(), &[]).expect(2);
    assert!(outcome.stderr.contains("the list stays as it was"), "{}", outcome.stderr);
    assert_eq!(fs::read_to_string(folder.path().join("checksums.txt")).expect("kept"), "# precious\n");
}

#[test]
fn row_2_7_on_a_full_disk_the_list_stays_and_nothing_is_left_beside_it() {
    let folder = scratch();
    let whole = "mount -t tmpfs -o size=16k none \"$PWD\" || exit 99; cd \"$PWD\"; echo one >1.zip; \"$0\" . || exit 98
        cp checksums.txt /dev/shm/$$; echo two >2.zip; yes >filler 2>&-
        \"$0\" .; echo \"status $?\"; cmp checksums.txt /dev/shm/$$ && rm /dev/shm/$$; ls -A";
    let mut bash = Command::new("unshare");
    bash.args(["--mount", "bash", "-c", whole]).arg(script("checksum-replays.sh").get_program());
    let outcome = run(bash.current_dir(folder.path()).env("PATH", path_with(&[])));
    if outcome.status == Some(99) || outcome.stderr.contains("unshare failed") {
        return skip("no file system of one's own here (needs root)");
    }
    assert!(outcome.stdout.ends_with("status 2\n1.zip\n2.zip\nchecksums.txt\nfiller\n"), "{outcome:?}");
    assert!(outcome.stderr.contains("could not write checksums.txt"), "{}", outcome.stderr);
}

#[test]
fn row_2_7_a_changed_capsule_is_an_error_every_night_until_it_is_accepted() {
    let folder = scratch();
    replays(folder.path());
    checksums(folder.path(), &[]).expect(0);
    let victim = "codex_replay_20260301021500.zip";
    fs::write(folder.path().join(victim), "tampered").expect("written");

    for _ in 0..2 {
        let outcome = checksums(folder.path(), &[]).expect(1);
        assert!(outcome.stdout.contains(&format!("{victim}: FAILED")), "{}", outcome.stdout);
        sha256sum(folder.path()).expect(1);
    }
    checksums(folder.path(), &["--accept", victim]).expect(0);
    sha256sum(folder.path()).expect(0);
}

#[test]
fn row_2_7_new_missing_and_uncovered_files_are_named() {
    let folder = scratch();
    replays(folder.path());
    checksums(folder.path(), &[]).expect(0);
    fs::remove_file(folder.path().join("codex_replay_20260101021500.zip")).expect("removed");
    fs::write(folder.path().join("codex_replay_20261101021500.zip"), "new").expect("written");
    fs::write(folder.path().join("stranger.tar"), "x").expect("written");

    let outcome = checksums(folder.path(), &[]).expect(1);
    assert_eq!(outcome.stdout, "new: codex_replay_20261101021500.zip\nnot covered: stranger.tar\n");
    assert_eq!(
        outcome.stderr,
        "checksum-replays: error: codex_replay_20260101021500.zip is listed and gone\n"
    );
    // Told once; then the list is right again.
    checksums(folder.path(), &[]).expect(0);
    sha256sum(folder.path()).expect(0);
}

#[test]
fn row_2_9b_the_clean_up_takes_old_capsules_with_their_lines_and_keeps_the_newest_seven() {
    let folder = scratch();
    replays(folder.path());
    checksums(folder.path(), &[]).expect(0);
    let dry = checksums(folder.path(), &["--clean-up", "90", "--dry-run"]).expect(0);
    assert!(dry.stdout.contains("codex_replay_20260101021500.zip"), "{}", dry.stdout);
    assert_eq!(names(folder.path()).len(), 11);

    let outcome = checksums(folder.path(), &["--clean-up", "90"]).expect(0);
    // January to August are older than 90 days; the newest seven are April to October.
    assert_eq!(names(folder.path()).len(), 8, "{}", outcome.stdout);
    assert_eq!(sha256sum(folder.path()).expect(0).stdout.lines().count(), 7);
}

#[test]
fn row_2_6_a_list_made_the_documented_way_is_taken_over() {
    let folder = scratch();
    replays(folder.path());
    let line = "sha256sum \"$0\"/*.zip >\"$0\"/checksums.txt";
    run(Command::new("sh").args(["-c", line]).arg(folder.path())).expect(0);
    assert_eq!(checksums(folder.path(), &[]).expect(0).stdout, "");
    let list = fs::read_to_string(folder.path().join("checksums.txt")).expect("a list");
    assert!(list.lines().all(|line| line[66..].starts_with("codex_replay_")), "{list}");
    sha256sum(folder.path()).expect(0);
}

#[test]
fn row_2_6_sums_in_capital_letters_count_and_a_line_that_says_nothing_stops_it_before_anything_is_signed_anew()
 {
    let folder = scratch();
    replays(folder.path());
    checksums(folder.path(), &[]).expect(0);
    let list = folder.path().join("checksums.txt");
    let lines = fs::read_to_string(&list).expect("a list");
    let (name, capitals) = (&lines[66..lines.find('\n').expect("a line")], lines[..64].to_uppercase());
    fs::write(&list, lines.replacen(&lines[..64], &capitals, 1)).expect("written");
    checksums(folder.path(), &[]).expect(0);
    fs::write(folder.path().join(name), "damaged").expect("written");
    assert!(checksums(folder.path(), &[]).expect(1).stdout.contains(&format!("{name}: FAILED")));

    let torn = lines.replacen(&lines[..64], &lines[..40], 1);
    fs::write(&list, &torn).expect("written");
    let outcome = checksums(folder.path(), &[]).expect(2);
    assert!(outcome.stderr.contains("checksums.txt:1: not a line of sha256sum"), "{}", outcome.stderr);
    assert_eq!(fs::read_to_string(&list).expect("still there"), torn);
}

#[test]
fn row_2_5c_what_cannot_be_read_makes_no_capsule_and_that_is_not_called_done() {
    use std::os::unix::fs::PermissionsExt;
    let folder = scratch();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("opened");
    codex_home(folder.path());
    let storage = folder.path().join("storage");
    fs::set_permissions(&storage, fs::Permissions::from_mode(0o777)).expect("opened");
    let secret = storage.join("ledger/2026/seal.json");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("closed");
    let Some(mut as_nobody) = as_nobody(&capsule(folder.path())) else { return };
    let outcome = run(&mut as_nobody).expect(2);
    assert!(outcome.stderr.contains("could not copy"), "{}", outcome.stderr);
    assert!(!storage.join("replays").exists() || names(&storage.join("replays")).is_empty());
}
