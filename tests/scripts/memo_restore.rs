//! `sqlite-restore`: which copy comes back, what becomes of the old file and its log, and what stops it.

use std::fs;

use pai_tests::{Outcome, command, run};

use crate::memo::{Connection, copy_of_day, count, damage, database, memo, sql, task};
use crate::stack::Stack;
use crate::support::{mode, names};

fn restore(stack: &Stack, words: &[&str]) -> Outcome {
    run(&mut task(stack, "sqlite-restore", words))
}

#[test]
fn row_4_18_of_a_damaged_database_the_newest_good_copy_comes_back_without_the_old_log() {
    let Some(stack) = memo() else { return };
    copy_of_day(&stack, 1);
    let good = copy_of_day(&stack, 2);
    sql(&good, "DELETE FROM notes WHERE id > 500");
    run(command("gzip").arg("-9").arg(&good)).expect(0);
    // Newer ones: torn, damaged in the middle, empty, without tables.
    damage(&copy_of_day(&stack, 3));
    let torn = copy_of_day(&stack, 4);
    run(command("gzip").arg(&torn)).expect(0);
    let torn = torn.with_extension("db.gz");
    let half = fs::read(&torn).unwrap();
    fs::write(&torn, &half[..half.len() / 2]).unwrap();
    fs::write(copy_of_day(&stack, 5), "").unwrap();
    fs::remove_file(copy_of_day(&stack, 6)).unwrap();
    sql(&stack.backups().join("sqlite/memoai_20261106-020000.db"), "PRAGMA user_version = 1");
    // The application died and left its log behind; then the disk went bad.
    let mut application = Connection::open(&database(&stack));
    application
        .sql("UPDATE notes SET text = 'from the log'; INSERT INTO notes (text) VALUES ('only in the log');");
    application.kill();
    let log = fs::read(stack.path("data/memoai.db-wal")).unwrap();
    damage(&database(&stack));
    run(command("chmod").arg("640").arg(database(&stack))).expect(0);

    stack.settings(
        "SQLITE_STOP='echo stop >>order'\nSQLITE_START='echo start >>order'\n\
         SQLITE_POST_RESTORE='sqlite3 data/memoai.db \"ALTER TABLE notes ADD COLUMN migrated\" && echo migrate >>order'\n",
    );
    let dry = restore(&stack, &["latest", "--dry-run"]).expect(0);
    assert!(dry.stdout.contains("memoai_20261102-020000.db.gz (1 tables, 500 rows)"), "{}", dry.stdout);
    restore(&stack, &["latest"]).expect(2);
    assert_eq!(fs::read(stack.path("data/memoai.db-wal")).unwrap(), log, "not without --yes");

    let outcome = restore(&stack, &["latest", "--yes"]).expect(0);
    for day in 3..=6 {
        assert!(outcome.stderr.contains(&format!("memoai_2026110{day}-")), "{day}: {}", outcome.stderr);
    }
    assert_eq!(stack.read("order"), "stop\nmigrate\nstart\n");
    let state = sql(
        &database(&stack),
        "SELECT count(*), sum(text LIKE '%log%'), count(migrated) FROM notes; PRAGMA integrity_check",
    );
    assert_eq!(state, "500|0|0\nok\n");
    assert_eq!(mode(&database(&stack)), 0o640);
    let kept = names(&stack.path("data"))
        .into_iter()
        .find(|name| name.contains(".before-") && name.ends_with("-wal"));
    assert_eq!(
        fs::read(stack.path("data").join(kept.unwrap())).unwrap(),
        log,
        "no row of the old one is thrown away"
    );
}

#[test]
fn row_4_18_the_file_that_was_replaced_can_be_brought_back_with_the_rows_of_its_log() {
    let Some(stack) = memo() else { return };
    let copy = copy_of_day(&stack, 1);
    let mut application = Connection::open(&database(&stack));
    application.sql("INSERT INTO notes (text) VALUES ('only in the log');");
    application.kill();
    assert_ne!(fs::metadata(stack.path("data/memoai.db-wal")).unwrap().len(), 0);
    stack.write("data/memoai.db-journal", "of an old crash");
    restore(&stack, &[copy.file_name().unwrap().to_str().unwrap(), "--yes"]).expect(0);
    assert_eq!(count(&database(&stack)), 900);
    assert!(!stack.path("data/memoai.db-journal").exists());
    let before = names(&stack.path("data")).into_iter().find(|name| name.contains(".before-")).unwrap();
    let before = stack.path("data").join(before);
    fs::remove_file(format!("{}-journal", before.display())).unwrap();
    restore(&stack, &[before.to_str().unwrap(), "--yes"]).expect(0);
    assert_eq!(count(&database(&stack)), 901);
    // A database that is gone altogether comes back, too.
    fs::remove_file(database(&stack)).unwrap();
    restore(&stack, &["data/memoai.db", "latest", "--yes"]).expect(0);
    assert_eq!(count(&database(&stack)), 900);
}

#[test]
fn row_4_18_a_database_in_use_is_not_replaced_and_what_was_stopped_is_started_again() {
    let Some(stack) = memo() else { return };
    copy_of_day(&stack, 1);
    let mut application = Connection::open(&database(&stack));
    application.sql("INSERT INTO notes (text) VALUES ('newest');");
    stack.settings("SQLITE_START='echo start >>order'\n");
    let refused = restore(&stack, &["latest", "--yes"]).expect(2);
    let process = application.sqlite.id();
    assert!(refused.stderr.contains(&format!("in use by process {process}: ")), "{}", refused.stderr);
    assert_eq!(stack.read("order"), "start\n");
    assert_eq!(count(&database(&stack)), 901);
    assert!(
        names(&stack.path("data")).iter().all(|name| !name.contains("before") && !name.contains("restoring"))
    );
}

#[test]
fn row_4_18_without_a_good_copy_nothing_changes_and_a_failed_migration_is_a_failure() {
    let Some(stack) = memo() else { return };
    restore(&stack, &["latest", "--yes"]).expect(2);
    let copy = copy_of_day(&stack, 1);
    damage(&copy);
    let before = fs::read(database(&stack)).unwrap();
    assert!(
        restore(&stack, &["latest", "--yes"]).expect(2).stderr.contains("no good copy: nothing was changed")
    );
    restore(&stack, &[copy.to_str().unwrap(), "--yes"]).expect(2);
    assert_eq!(fs::read(database(&stack)).unwrap(), before);
    assert_eq!(names(&stack.path("data")).iter().filter(|name| name.starts_with('.')).count(), 0);

    copy_of_day(&stack, 2);
    stack.settings("PROTECTED_PATHS=data\n");
    assert!(restore(&stack, &["latest", "--yes"]).expect(2).stderr.contains("memoai.db is protected (data)"));
    stack.settings("SQLITE_POST_RESTORE='exit 3'\nSQLITE_START='echo start >>order'\n");
    let failed = restore(&stack, &["latest", "--yes"]).expect(1);
    assert!(failed.stderr.contains("exit 3: exit 3 (SQLITE_POST_RESTORE)"), "{}", failed.stderr);
    assert!(!stack.path("order").exists(), "no application on an unmigrated database");
    stack.settings("SQLITE_STOP='exit 4'\n");
    restore(&stack, &["latest", "--yes"]).expect(2);
}

#[test]
fn row_4_18_a_newer_copy_that_is_no_database_and_has_a_log_is_named_and_passed_over() {
    let Some(stack) = memo() else { return };
    let good = copy_of_day(&stack, 1);
    let bad = copy_of_day(&stack, 2);
    fs::write(&bad, "no database").unwrap();
    fs::write(bad.with_extension("db-wal"), "no log").unwrap();
    let outcome = restore(&stack, &["latest", "--dry-run"]).expect(0);
    assert!(outcome.stderr.contains(&format!("not used: {}", bad.display())), "{}", outcome.stderr);
    assert!(outcome.stdout.contains(&format!("from {}", good.display())), "{}", outcome.stdout);
}
