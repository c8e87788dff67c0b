//! Clocks that jump a year back or forward between two runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use pai_tests::{Outcome, command, has, run, scratch, skip, tool};

use crate::scenes::{names, prose};

const LAST_YEAR: &str = "2024-09-16T09:00:03Z";
const TODAY: &str = "2025-09-16T09:00:03Z";
const NEXT_YEAR: &str = "2026-09-16T09:00:03Z";

fn at(now: &str, name: &str, folder: &Path, args: &[&str]) -> Outcome {
    let mut command = command(tool(name));
    run(command.args(args).env("PAI_NOW", now).env("PAI_HOME", folder).current_dir(folder))
}

/// A workspace, and what `archive/` holds after a backup at each of these moments.
fn backups_at(moments: &[&str]) -> (tempfile::TempDir, Vec<String>) {
    let home = scratch();
    std::fs::write(home.path().join("notes.md"), "before").unwrap();
    for (number, now) in moments.iter().enumerate() {
        std::fs::write(home.path().join("notes.md"), format!("of run {number}")).unwrap();
        at(now, "pai-backup", home.path(), &["-q"]).expect(0);
        at(now, "pai-backup", home.path(), &["verify", "--all"]).expect(0);
    }
    let archives = names(&home.path().join("archive"));
    (home, archives)
}

#[test]
fn a_backup_by_a_clock_that_went_back_removes_nothing_and_overwrites_nothing() {
    let (home, archives) = backups_at(&[TODAY, LAST_YEAR, LAST_YEAR]);
    let stamps = ["pai-20240916-090003.tar.gz", "pai-20240916-090004.tar.gz", "pai-20250916-090003.tar.gz"];
    assert_eq!(archives, stamps);
    for (number, archive) in [(1, stamps[0]), (2, stamps[1]), (0, stamps[2])] {
        let text = at(TODAY, "pai-backup", home.path(), &["cat", archive, "notes.md"]).expect(0);
        assert_eq!(text.stdout, format!("of run {number}"), "{archive}");
    }
}

#[test]
fn a_backup_by_a_clock_that_went_forward_removes_what_is_old_by_it_and_keeps_itself() {
    let (home, archives) = backups_at(&[TODAY, NEXT_YEAR]);
    assert_eq!(archives, ["pai-20260916-090003.tar.gz"]);
    at(NEXT_YEAR, "pai-backup", home.path(), &["verify", "--latest", "--against-disk"]).expect(0);
}

#[test]
fn an_archive_from_the_future_stays_and_whoever_asks_for_the_latest_is_told() {
    let (home, archives) = backups_at(&[NEXT_YEAR, TODAY]);
    assert_eq!(archives.len(), 2);
    let told = at(TODAY, "pai-backup", home.path(), &["cat", "latest", "notes.md"]).expect(0);
    assert_eq!(told.stdout, "of run 0");
    let warning = "archive/pai-20260916-090003.tar.gz is from the future";
    assert!(told.stderr.contains(warning), "{}", told.stderr);
    let silent = at(NEXT_YEAR, "pai-backup", home.path(), &["cat", "latest", "notes.md"]).expect(0);
    assert_eq!(silent.stderr, "");
}

/// Runs under a machine clock that is off; the times of files are as they are.
fn by_clock(offset: &str, command: &Command) -> Command {
    let mut wrapped = pai_tests::through(&["faketime".as_ref(), "-f".as_ref(), offset.as_ref()], command);
    wrapped.env("NO_FAKE_STAT", "1");
    wrapped
}

#[test]
fn a_file_written_by_one_clock_is_seen_to_change_by_another() {
    if !has("faketime") {
        return skip("a wrong machine clock needs faketime");
    }
    for (first, second) in [("+1y", "+0"), ("-1y", "+0"), ("+0", "+1y"), ("+0", "-1y"), ("+1y", "-1y")] {
        let home = scratch();
        let note = home.path().join("notes.md");
        let mut backup = command(tool("pai-backup"));
        backup.args(["-q", "--no-rotate"]).env("PAI_HOME", home.path());
        std::fs::write(&note, "one").unwrap();
        let made = run(&mut by_clock(first, &backup)).expect(0);
        std::fs::write(&note, "two").unwrap();
        let again = run(&mut by_clock(second, &backup)).expect(0);
        assert_ne!(made.stdout, again.stdout);
        for (archive, text) in [(&made.stdout, "one"), (&again.stdout, "two")] {
            let cat =
                run(command(tool("pai-backup")).args(["cat", archive.trim_end(), "notes.md"])).expect(0);
            assert_eq!(cat.stdout, text, "{first}, then {second}");
        }
    }
}

#[test]
fn a_checksum_list_updated_by_another_clock_follows_every_change() {
    if !has("faketime") {
        return skip("a wrong machine clock needs faketime");
    }
    for (first, second) in [("+1y", "+0"), ("-1y", "+0"), ("+0", "+1y"), ("+0", "-1y")] {
        let folder = scratch();
        for name in ["a", "b"] {
            std::fs::write(folder.path().join(name), "one").unwrap();
        }
        let tool = |args: &[&str]| {
            let mut command = command(tool("pai-checksum"));
            command.args(args).current_dir(folder.path());
            command
        };
        run(&mut by_clock(first, &tool(&["-r", ".", "-o", "SUMS"]))).expect(0);
        run(&mut by_clock(second, &tool(&["--audit", "SUMS"]))).expect(0);
        std::fs::write(folder.path().join("b"), "two").unwrap();
        let found = run(&mut by_clock(second, &tool(&["--audit", "SUMS"]))).expect(1);
        assert_eq!(found.stdout, "CHANGED b\n", "{first}, then {second}");
        run(&mut by_clock(second, &tool(&["--update", "SUMS"]))).expect(0);
        run(&mut tool(&["-c", "SUMS"])).expect(0);
    }
}

fn daily(folder: &Path) -> Vec<String> {
    for day in 1..=16 {
        std::fs::write(folder.join(format!("db-202509{day:02}.sql")), prose(day, 100)).unwrap();
    }
    names(folder)
}

#[test]
fn a_rotation_by_a_clock_that_went_forward_leaves_the_newest_and_a_limit_stops_it() {
    let folder = scratch();
    let all = daily(folder.path());
    let refused = at(NEXT_YEAR, "pai-rotate", folder.path(), &["--days", "30", "--max-delete", "50%", "."]);
    refused.expect(2);
    assert_eq!(names(folder.path()), all);
    at(NEXT_YEAR, "pai-rotate", folder.path(), &["--days", "30", "."]).expect(0);
    assert_eq!(names(folder.path()), ["db-20250916.sql"]);
}

#[test]
fn a_rotation_by_a_clock_that_went_back_deletes_nothing_and_says_so() {
    for policy in [["--days", "30"], ["--keep-last", "3"], ["--keep-daily", "2"]] {
        let folder = scratch();
        let all = daily(folder.path());
        let told = at(LAST_YEAR, "pai-rotate", folder.path(), &[policy[0], policy[1], "."]).expect(0);
        assert_eq!(names(folder.path()), all);
        assert!(told.stderr.contains("from the future"), "{}", told.stderr);
    }
}

#[test]
fn a_log_rotated_by_clocks_that_jump_keeps_every_copy() {
    let folder = scratch();
    let log = folder.path().join("app.log");
    for (number, now) in [TODAY, LAST_YEAR, NEXT_YEAR, TODAY].into_iter().enumerate() {
        std::fs::write(&log, format!("line {number}\n")).unwrap();
        let args = ["logs", "--size", "1", "--days", "1000", "."];
        at(now, "pai-rotate", folder.path(), &args).expect(0);
    }
    let text = |name: &String| {
        let mut text = String::new();
        let file = std::fs::File::open(folder.path().join(name)).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text).unwrap();
        text
    };
    let copies: BTreeMap<String, String> =
        names(folder.path()).into_iter().skip(1).map(|name| (name.clone(), text(&name))).collect();
    let expected = [
        ("app.log-20240916-090003.gz", "line 1\n"),
        ("app.log-20250916-090003.gz", "line 0\n"),
        ("app.log-20250916-090004.gz", "line 3\n"),
        ("app.log-20260916-090003.gz", "line 2\n"),
    ];
    assert_eq!(copies, expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
}

#[test]
fn a_memory_file_optimized_by_clocks_that_jump_keeps_every_section_somewhere() {
    let home = scratch();
    let memory = home.path().join("memory.md");
    let sections = ["## 2025-09-01\nold\n\n", "## 2025-09-15\nyesterday\n\n"];
    std::fs::write(&memory, sections.concat()).unwrap();
    let everything = || {
        let archive = home.path().join("archive/memory");
        let files = names(&archive).into_iter().map(|name| archive.join(name)).chain([memory.clone()]);
        files.map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>()
    };
    let told = at(LAST_YEAR, "pai-optimize", home.path(), &["--once"]).expect(0);
    assert!(told.stderr.contains("Keeping sections dated in the future: 2025-09-01, 2025-09-15"));
    assert_eq!(std::fs::read_to_string(&memory).unwrap(), sections.concat());

    at(NEXT_YEAR, "pai-optimize", home.path(), &["--once", "-q"]).expect(0);
    let archived = std::fs::read_to_string(&memory).unwrap();
    assert!(sections.iter().all(|section| !archived.contains(section)), "{archived}");
    for now in [TODAY, LAST_YEAR, NEXT_YEAR] {
        at(now, "pai-optimize", home.path(), &["--once", "-q"]).expect(0);
        at(now, "pai-optimize", home.path(), &["check"]).expect(0);
        let everything = everything();
        assert!(sections.iter().all(|section| everything.contains(section)), "{now}: {everything}");
    }
    at(TODAY, "pai-optimize", home.path(), &["restore", "2025-09-15"]).expect(0);
    assert!(std::fs::read_to_string(&memory).unwrap().contains(sections[1]));
}
