//! `pai-rotate logs`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use pai_tests::{as_nobody, run, scratch, sh, skip, tool};

use crate::{DAY, names, rotate, rotate_in, write, write_aged};

fn big_log(path: &Path) {
    let line = "2025-09-16 09:00:03,570 INFO __main__ a line like any other\n";
    fs::write(path, line.repeat((10 << 20) / line.len() + 1)).expect("a file can be written");
}

#[test]
fn row_3_3_logs_of_ten_megabytes_are_rotated_and_copies_of_thirty_days_go() {
    let home = scratch();
    let [logs, archive] = ["logs", "archive"].map(|name| home.path().join(name));
    fs::create_dir(&logs).unwrap();
    fs::create_dir(&archive).unwrap();
    big_log(&logs.join("server.log"));
    let text = fs::read_to_string(logs.join("server.log")).unwrap();
    write(&logs, "small.log");
    for name in ["server.log-20250817-115959.gz", "server.log-20250817-120000.gz", "foreign-20200101.gz"] {
        write(&archive, name);
    }
    let outcome = rotate_in(home.path(), &["logs", "--archive-dir", "archive", "./logs"]).expect(0);
    assert_eq!(outcome.stdout, "archive/server.log-20250916-120000.gz\n");
    assert_eq!(names(&logs), ["server.log", "small.log"]);
    assert_eq!(fs::read(logs.join("server.log")).unwrap(), b"");
    assert_eq!(
        names(&archive),
        ["foreign-20200101.gz", "server.log-20250817-120000.gz", "server.log-20250916-120000.gz"]
    );
    let unpacked =
        sh("gzip -t archive/server.log-20250916* && zcat archive/server.log-20250916*", home.path());
    assert_eq!(unpacked.expect(0).stdout, text);
    let again = rotate_in(home.path(), &["logs", "--archive-dir", "archive", "./logs"]).expect(0);
    assert_eq!(again.stdout, "", "a second run finds nothing to do");
}

#[test]
fn row_1_10_rotation_shrinks_the_folder() {
    let logs = scratch();
    big_log(&logs.path().join("app.log"));
    let used = || sh("du -sk . | cut -f1", logs.path()).expect(0).stdout.trim().parse::<u64>().unwrap();
    let before = used();
    rotate_in(logs.path(), &["logs", "."]).expect(0);
    assert!(used() * 10 < before, "{} KiB of {before}", used());
    sh("gzip -t *.gz", logs.path()).expect(0);
}

#[test]
fn an_expired_copy_that_is_still_written_to_stays_and_its_writer_is_told() {
    let logs = scratch();
    write(logs.path(), "app.log");
    let copy = "app.log-20200101-000000";
    let mut writer = OpenOptions::new().create(true).append(true).open(logs.path().join(copy)).unwrap();
    writer.write_all(b"of today\n").unwrap();
    let outcome = rotate_in(logs.path(), &["logs", "--postrotate", "echo told >&2", "."]).expect(1);
    assert_eq!(
        outcome.stderr,
        format!("pai-rotate: could not delete ./{copy}: a process has it open for writing\ntold\n")
    );
    assert_eq!(names(logs.path()), ["app.log", copy]);
    drop(writer);
}

#[test]
fn a_file_that_cannot_be_read_is_not_replaced_by_a_compressed_copy() {
    let logs = scratch();
    let copy = "app.log-20250915-000000";
    for name in ["app.log", copy, "app.log-20250915-000000.gz"] {
        write_aged(logs.path(), name, DAY);
    }
    fs::set_permissions(logs.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let foreign = logs.path().join(format!("{copy}.gz"));
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o000)).unwrap();
    let before = foreign.metadata().unwrap();
    let Some(mut nobody) = as_nobody(rotate(&["logs", "."]).current_dir(logs.path())) else { return };
    let outcome = run(&mut nobody).expect(1);
    let why =
        format!("could not compress ./{copy}: could not read ./{copy}.gz: Permission denied (os error 13)");
    assert_eq!(outcome.stderr, format!("pai-rotate: {why}\n"));
    assert_eq!(foreign.metadata().unwrap().ino(), before.ino());
    assert!(logs.path().join(copy).exists());
}

#[test]
fn row_1_35_compressing_breaks_no_open_writer() {
    let logs = scratch();
    let path = logs.path().join("app.log");
    let mut writer = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    writer.write_all(b"before\n").unwrap();
    let outcome = rotate_in(logs.path(), &["logs", "--size", "1", "."]).expect(0);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.contains("a process has it open for writing"), "{}", outcome.stderr);
    writer.write_all(b"after\n").unwrap();
    assert_eq!(names(logs.path()), ["app.log", "app.log-20250916-120000"]);
    // It did not open its log anew for a whole period: that is said, and nothing is lost.
    let outcome = rotate_in(logs.path(), &["logs", "--size", "1", "."]).expect(1);
    assert!(outcome.stderr.contains("hint: --postrotate"), "{}", outcome.stderr);
    drop(writer);
    let outcome = rotate_in(logs.path(), &["logs", "--size", "1", "."]).expect(0);
    assert_eq!(outcome.stdout, "./app.log-20250916-120000.gz\n");
    assert_eq!(sh("zcat *.gz", logs.path()).expect(0).stdout, "before\nafter\n");
    // And old compressed logs go: gzip's and ours by one policy, on the folder.
    write_aged(logs.path(), "new.log.gz", DAY);
    write_aged(logs.path(), "old.log.gz", 40 * DAY);
    rotate_in(logs.path(), &["--days", "30", "*.log*gz"]).expect(0);
    assert_eq!(names(logs.path()), ["app.log", "app.log-20250916-120000.gz", "new.log.gz"]);
}

#[test]
fn row_4_2_the_logs_of_backend_and_frontend_rotate_each_in_its_folder() {
    let home = scratch();
    for part in ["backend", "frontend"] {
        fs::create_dir_all(home.path().join("logs").join(part)).unwrap();
        fs::write(home.path().join("logs").join(part).join("app.log"), part).unwrap();
    }
    let outcome = rotate_in(home.path(), &["logs", "--size", "1", "logs/backend", "logs/frontend"]).expect(0);
    assert_eq!(
        outcome.stdout,
        "logs/backend/app.log-20250916-120000.gz\nlogs/frontend/app.log-20250916-120000.gz\n"
    );
    // Into one folder their copies would be mixed.
    let args = ["logs", "--size", "1", "--archive-dir", "old", "logs/backend", "logs/frontend"];
    rotate_in(home.path(), &args).expect(2);
}

#[test]
fn the_dry_run_tells_what_would_be_done_and_touches_nothing() {
    let logs = scratch();
    fs::write(logs.path().join("app.log"), "0123456789").unwrap();
    write(logs.path(), "empty.log");
    fs::write(logs.path().join("empty.log"), "").unwrap();
    for name in ["app.log-20250801-000000.gz", "app.log-20250901-000000.gz", "app.log-20250902-000000"] {
        write(logs.path(), name);
    }
    let before = names(logs.path());
    let args = ["logs", "--size", "10", "--keep", "2", "-n", "--archive-dir", "old", "."];
    let outcome = rotate_in(logs.path(), &args).expect(0);
    assert_eq!(
        outcome.stdout,
        "\
delete    ./app.log-20250801-000000.gz  (older than 30d (cut-off 2025-08-17T12:00:00+00:00))
delete    ./app.log-20250901-000000.gz  (more than 2 copies)
rotate    ./app.log -> old/app.log-20250916-120000.gz  (10 B, at least 10 B)
compress  ./app.log-20250902-000000 -> old/app.log-20250902-000000.gz
keep      ./empty.log  (empty)
"
    );
    assert_eq!(names(logs.path()), before);
}

#[test]
fn the_new_log_has_the_mode_of_the_old_one_and_the_copy_too() {
    let logs = scratch();
    let path = logs.path().join("app.log");
    fs::write(&path, "line\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
    let before = path.metadata().unwrap();
    rotate_in(logs.path(), &["logs", "--size", "1", "app.log"]).expect(0);
    for name in ["app.log", "app.log-20250916-120000.gz"] {
        let now = logs.path().join(name).metadata().unwrap();
        assert_eq!((now.mode(), now.uid(), now.gid()), (before.mode(), before.uid(), before.gid()), "{name}");
    }
}

#[test]
fn two_rotations_in_one_second_make_two_copies() {
    let logs = scratch();
    for text in ["one\n", "two\n", "three\n"] {
        fs::write(logs.path().join("app.log"), text).unwrap();
        rotate_in(logs.path(), &["logs", "--size", "1", "app.log"]).expect(0);
    }
    assert_eq!(sh("zcat *.gz", logs.path()).expect(0).stdout, "one\ntwo\nthree\n");
}

#[test]
fn links_hard_links_compressed_and_foreign_files_are_left() {
    let logs = scratch();
    let elsewhere = scratch();
    write(elsewhere.path(), "target.log");
    symlink(elsewhere.path().join("target.log"), logs.path().join("link.log")).unwrap();
    write(logs.path(), "hard.log");
    fs::hard_link(logs.path().join("hard.log"), elsewhere.path().join("other")).unwrap();
    for name in
        ["README.md", "app.log.1", "app.log.gz", "app.log-20250901.gz", "app.log-20250901-000000.gz.partial"]
    {
        write(logs.path(), name);
    }
    let before = names(logs.path());
    let outcome = rotate_in(logs.path(), &["logs", "--size", "1", "--days", "1", "."]).expect(1);
    assert_eq!(outcome.stderr, "pai-rotate: could not rotate ./hard.log: it has other hard links\n");
    rotate_in(logs.path(), &["logs", "--size", "1", "--days", "1", "link.log", "app.log.gz"]).expect(0);
    assert_eq!(names(logs.path()), before);
    assert_eq!(names(elsewhere.path()), ["other", "target.log"]);
}

#[test]
fn a_weekly_log_is_begun_at_its_last_rotation() {
    let logs = scratch();
    fs::write(logs.path().join("app.log"), "line\n").unwrap();
    let at = |now: &str| {
        let mut rotate = rotate(&["logs", "--age", "7d", "."]);
        run(rotate.env("PAI_NOW", now).current_dir(logs.path())).expect(0).stdout
    };
    // The file is younger than any of these instants tells; its copy is not.
    write(logs.path(), "app.log-20990101-000000.gz");
    assert_eq!(at("2099-01-07T00:00:00Z"), "");
    assert_eq!(at("2099-01-08T00:00:00Z"), "./app.log-20990108-000000.gz\n");
}

#[test]
fn postrotate_runs_once_and_its_failure_is_named() {
    let logs = scratch();
    for name in ["a.log", "b.log"] {
        write(logs.path(), name);
    }
    let args = ["logs", "--size", "1", "--postrotate", "echo told >> told.txt", "."];
    rotate_in(logs.path(), &args).expect(0);
    rotate_in(logs.path(), &args).expect(0);
    assert_eq!(fs::read_to_string(logs.path().join("told.txt")).unwrap(), "told\n");
    write(logs.path(), "a.log");
    let outcome = rotate_in(logs.path(), &["logs", "--size", "1", "--postrotate", "exit 3", "."]).expect(1);
    assert!(outcome.stderr.contains("could not run \"exit 3\": exit status: 3"), "{}", outcome.stderr);
}

#[test]
fn copytruncate_keeps_the_file_that_its_writer_has_open() {
    let logs = scratch();
    let path = logs.path().join("app.log");
    let mut writer = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    writer.write_all(b"before\n").unwrap();
    rotate_in(logs.path(), &["logs", "--size", "1", "--copytruncate", "."]).expect(0);
    writer.write_all(b"after\n").unwrap();
    assert_eq!(sh("zcat *.gz; cat app.log", logs.path()).expect(0).stdout, "before\nafter\n");
}

#[test]
fn another_rotation_in_the_folder_is_busy() {
    let logs = scratch();
    write(logs.path(), "app.log");
    let lock = fs::File::open(logs.path()).unwrap();
    lock.lock().unwrap();
    rotate_in(logs.path(), &["logs", "--size", "1", "."]).expect(75);
    drop(lock);
    rotate_in(logs.path(), &["logs", "--size", "1", "--wait", "5s", "."]).expect(0);
}

#[test]
fn row_3_10_a_full_disk_is_rotated() {
    let home = scratch();
    let archive = scratch();
    // The disk is a tmpfs of 4 MiB in a mount namespace of its own, filled to its last byte.
    let script = r#"
        set -eu
        mount -t tmpfs -o size=4m full "$HOME_DIR"
        cd "$HOME_DIR"
        seq 1 200000 > app.log
        seq 1 200000 > app.log-20250801-000000
        cat /dev/zero > filler 2>/dev/null || true
        if echo x > more 2>/dev/null; then echo "not full" >&2; exit 9; fi
        rm -f more
        case $1 in
          elsewhere) "$ROTATE" logs --size 1M --days 400 --archive-dir "$ARCHIVE" . ;;
          in-place) "$ROTATE" logs --size 1M --days 30 . ;;
        esac
        test ! -s app.log
        zcat "$2"/app.log-20250916-120000.gz | cmp - "$EXPECTED"
        echo x > more
        ls
    "#;
    let expected = archive.path().join("expected");
    fs::write(&expected, (1..=200_000).map(|n| format!("{n}\n")).collect::<Vec<_>>().concat()).unwrap();
    let probe = pai_tests::command("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return skip("mounting is not allowed here");
    }
    for (mode, copies, left) in [
        ("elsewhere", archive.path().to_str().unwrap(), "app.log\nfiller\nmore\n"),
        ("in-place", ".", "app.log\napp.log-20250916-120000.gz\nfiller\nmore\n"),
    ] {
        let mut command = pai_tests::command("unshare");
        command.args(["-m", "sh", "-c", script, "sh", mode, copies]);
        command.env("HOME_DIR", home.path()).env("ARCHIVE", archive.path()).env("EXPECTED", &expected);
        command.env("ROTATE", tool("pai-rotate")).env("PAI_NOW", crate::NOW);
        let outcome = run(&mut command).expect(0);
        assert!(outcome.stdout.ends_with(left), "{mode}: {}", outcome.stdout);
    }
}

#[test]
fn without_room_for_the_copy_nothing_is_lost() {
    let home = scratch();
    let script = r#"
        set -eu
        mount -t tmpfs -o size=4m full "$HOME_DIR"
        cd "$HOME_DIR"
        head -c 2000000 /dev/urandom > app.log
        sha256sum < app.log
        cat /dev/zero > filler 2>/dev/null || true
        status=0
        "$ROTATE" logs --size 1M . || status=$?
        echo "status $status"
        ls -A
        sha256sum < app.log-20250916-120000
        rm filler
        "$ROTATE" logs --size 1M -q .
        zcat app.log-20250916-120000.gz | sha256sum
        ls -A
    "#;
    let mut command = pai_tests::command("unshare");
    command.args(["-m", "sh", "-c", script]).env("HOME_DIR", home.path());
    let outcome = run(command.env("ROTATE", tool("pai-rotate")).env("PAI_NOW", crate::NOW));
    if outcome.stderr.contains("mount") || outcome.stderr.contains("unshare") {
        return skip("mounting is not allowed here");
    }
    let outcome = outcome.expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(
        lines[1..5],
        ["status 1", "app.log", "app.log-20250916-120000", "filler"],
        "{}",
        outcome.stderr
    );
    assert_eq!((lines[0], lines[0]), (lines[5], lines[6]), "the same bytes");
    assert_eq!(lines[7..], ["app.log", "app.log-20250916-120000.gz"]);
}
