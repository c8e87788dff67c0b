//! Files and folders on disk.

use std::fs;
use std::os::unix::fs::symlink;

use pai_tests::{run, scratch};

use crate::{DAY, names, rotate, rotate_in, write, write_aged};

#[test]
fn row_0_10_exactly_thirty_days_stay_and_a_second_older_goes() {
    let home = scratch();
    let archive = home.path().join("archive");
    fs::create_dir(&archive).unwrap();
    // Thirty days before now, and a second before that; `find -mtime +30` would wait for another day.
    for name in [
        "pai-20250916-090000.tar.gz",
        "pai-20250817-120000.tar.gz",
        "pai-20250817-115959.tar.gz",
        "pai-20250817-115959.tar.gz.sha256",
        "other-20200101-000000.tar.gz",
        "notes.txt",
    ] {
        write(&archive, name);
    }
    let pattern = archive.join("pai-*.tar.gz");
    let outcome = run(rotate(&[pattern.to_str().unwrap()]).env("RETENTION_DAYS", "30")).expect(0);
    assert_eq!(outcome.stdout.lines().count(), 2, "{}", outcome.stdout);
    assert_eq!(
        names(&archive),
        [
            "notes.txt",
            "other-20200101-000000.tar.gz",
            "pai-20250817-120000.tar.gz",
            "pai-20250916-090000.tar.gz"
        ]
    );
}

#[test]
fn row_0_10_the_newest_good_one_stays_and_junk_is_refused() {
    let home = scratch();
    write(home.path(), "pai-20200101-000000.tar.gz");
    write(home.path(), "pai-20200102-000000.tar.gz");
    // A run that failed left an empty archive: it is not the good copy that must stay.
    fs::write(home.path().join("pai-20200103-000000.tar.gz"), "").unwrap();
    for junk in ["0", "-1", "30d", "", "thirty", "1e3"] {
        let outcome = run(rotate(&["."]).current_dir(home.path()).env("RETENTION_DAYS", junk)).expect(2);
        assert!(outcome.stderr.contains("RETENTION_DAYS"), "{}", outcome.stderr);
    }
    let outcome = run(rotate(&["."]).current_dir(home.path()).env("RETENTION_DAYS", "30")).expect(0);
    assert_eq!(outcome.stdout, "./pai-20200101-000000.tar.gz\n");
    assert_eq!(names(home.path()), ["pai-20200102-000000.tar.gz", "pai-20200103-000000.tar.gz"]);
}

#[test]
fn row_1_24_logs_older_than_thirty_days_go() {
    let home = scratch();
    let logs = home.path().join("deployment/logs");
    fs::create_dir_all(logs.join("below")).unwrap();
    write_aged(&logs, "new.log", DAY);
    write_aged(&logs, "old.log", 31 * DAY);
    write_aged(&logs, "old.txt", 31 * DAY);
    write_aged(&logs.join("below"), "old.log", 31 * DAY);
    let outcome = rotate_in(home.path(), &["--days", "30", "deployment/logs/*.log"]).expect(0);
    assert_eq!(outcome.stdout, "deployment/logs/old.log\n");
    assert_eq!(names(&logs), ["below", "new.log", "old.txt"]);
    assert_eq!(names(&logs.join("below")), ["old.log"]);
}

#[test]
fn row_1_25_old_backup_folders_go_whole_but_never_the_newest_nor_through_links() {
    let home = scratch();
    let backups = home.path().join("deployment/backups");
    for name in ["pa-ecosystem-backup-20250101_020000", "pa-ecosystem-backup-20250102_020000", "scripts"] {
        fs::create_dir_all(backups.join(name).join("data/db")).unwrap();
        write(&backups.join(name).join("data/db"), "dump.sql");
    }
    let precious = home.path().join("precious");
    fs::create_dir(&precious).unwrap();
    write(&precious, "file");
    symlink(&precious, backups.join("pa-ecosystem-backup-20240101_020000")).unwrap();
    symlink(&precious, backups.join("pa-ecosystem-backup-20250101_020000/link")).unwrap();
    let args = ["--dirs", "--days", "90", "deployment/backups"];
    let outcome = rotate_in(home.path(), &args).expect(0);
    assert_eq!(outcome.stdout, "deployment/backups/pa-ecosystem-backup-20250101_020000\n");
    assert_eq!(
        names(&backups),
        ["pa-ecosystem-backup-20240101_020000", "pa-ecosystem-backup-20250102_020000", "scripts"]
    );
    assert_eq!(names(&precious), ["file"]);
    // A pattern that matches none of the real names is said, not passed over.
    let outcome =
        rotate_in(home.path(), &["--dirs", "--days", "90", "deployment/backups/backup-*"]).expect(1);
    assert!(outcome.stderr.contains("backup-*: nothing matches"), "{}", outcome.stderr);
}

#[test]
fn row_2_9a_dumps_older_than_thirty_days_go_and_so_many_stay() {
    let backups = scratch();
    for day in ["2025-05-01", "2025-05-02", "2025-05-03", "2025-05-04"] {
        write(backups.path(), &format!("codexdb_{day}.sql"));
    }
    // The last two dumps failed: they are empty and do not count.
    for day in ["2025-05-05", "2025-05-06"] {
        fs::write(backups.path().join(format!("codexdb_{day}.sql")), "").unwrap();
    }
    rotate_in(backups.path(), &["--days", "30", "--min-keep", "2", "codexdb_*.sql"]).expect(0);
    assert_eq!(
        names(backups.path()),
        [
            "codexdb_2025-05-03.sql",
            "codexdb_2025-05-04.sql",
            "codexdb_2025-05-05.sql",
            "codexdb_2025-05-06.sql"
        ]
    );
}

#[test]
fn row_2_9b_old_replays_go_and_the_list_of_checksums_still_verifies() {
    let replays = scratch();
    let folder = replays.path();
    for name in ["codex_replay_20250501000000.zip", "codex_replay_20250916000000.zip"] {
        write(folder, name);
    }
    pai_tests::sh("sha256sum *.zip > checksums.txt", folder).expect(0);
    crate::set_age(&folder.join("checksums.txt"), 200 * DAY);
    rotate_in(folder, &["--days", "90", "--checksums", "checksums.txt", "."]).expect(0);
    assert_eq!(names(folder), ["checksums.txt", "codex_replay_20250916000000.zip"]);
    let outcome = pai_tests::sh("sha256sum -c checksums.txt", folder).expect(0);
    assert_eq!(outcome.stdout, "codex_replay_20250916000000.zip: OK\n");
    // The check does see a file that is gone without its line.
    fs::remove_file(folder.join("codex_replay_20250916000000.zip")).unwrap();
    pai_tests::sh("sha256sum -c checksums.txt", folder).expect(1);
}

#[test]
fn row_4_6_each_config_keeps_its_newest_backups() {
    let backups = scratch();
    for name in [
        "server_20250901_100000.yaml",
        "server_20250902_100000.yaml",
        "server_20250903_100000.yaml",
        "models_20240101_100000.yaml",
    ] {
        write(backups.path(), name);
    }
    let outcome = rotate_in(backups.path(), &["--keep-last", "2", "."]).expect(0);
    assert_eq!(outcome.stdout, "./server_20250901_100000.yaml\n");
}

#[test]
fn what_the_dry_run_shows_is_what_a_run_does() {
    let folder = scratch();
    for day in 1..=30 {
        write(folder.path(), &format!("a-202508{day:02}.gz"));
        write(folder.path(), &format!("a-202508{day:02}.gz.sha256"));
        write_aged(folder.path(), &format!("plain-{day}"), day * DAY);
    }
    let args = ["--keep-daily", "3", "--keep-weekly", "2", "--older-than", "20d", "."];
    let before = names(folder.path());
    let shown = run(rotate(&args).arg("-n").current_dir(folder.path())).expect(0).stdout;
    assert_eq!(names(folder.path()), before);
    let mut shown: Vec<&str> =
        shown.lines().filter_map(|line| Some(line.strip_prefix("delete  ")?.split_once("  (")?.0)).collect();
    let done = rotate_in(folder.path(), &args).expect(0).stdout;
    let mut done: Vec<&str> = done.lines().collect();
    shown.sort_unstable();
    done.sort_unstable();
    assert!(done.len() > 20);
    assert_eq!(done, shown);
    let mut after: Vec<String> = names(folder.path()).iter().map(|name| format!("./{name}")).collect();
    after.extend(done.iter().map(ToString::to_string));
    after.sort();
    assert_eq!(after, before.iter().map(|name| format!("./{name}")).collect::<Vec<_>>());
    let again = rotate_in(folder.path(), &args).expect(0);
    assert_eq!(again.stdout, "", "a second run finds nothing to do");
}

#[test]
fn one_file_named_twice_is_one_item() {
    let folder = scratch();
    write(folder.path(), "a-20250914.gz");
    write(folder.path(), "a-20250915.gz");
    let args = ["--keep-last", "1", "a-20250914.gz", "./a-20250915.gz", ".", "a-*.gz"];
    let outcome = rotate_in(folder.path(), &args);
    // The folder is named among files, so it is not looked into; the names are looked at once.
    assert_eq!(outcome.expect(0).stdout, "a-20250914.gz\n");
    assert_eq!(names(folder.path()), ["a-20250915.gz"]);
}

#[test]
fn json_tells_what_became_of_each_item() {
    let folder = scratch();
    for name in ["a-20250914.gz", "a-20250915.gz", "a-20250914.gz.sha256"] {
        write(folder.path(), name);
    }
    let outcome = rotate_in(folder.path(), &["--keep-last", "1", "--json", "."]).expect(0);
    let records: Vec<serde_json::Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let results: Vec<_> = records
        .iter()
        .filter_map(|record| Some((record["path"].as_str()?, record["result"].as_str()?)))
        .collect();
    assert_eq!(
        results,
        [("./a-20250915.gz", "kept"), ("./a-20250914.gz", "deleted"), ("./a-20250914.gz.sha256", "deleted")]
    );
    let summary = records.last().unwrap();
    assert_eq!((summary["deleted"].as_u64(), summary["bytes"].as_u64()), (Some(2), Some(50)));
}
