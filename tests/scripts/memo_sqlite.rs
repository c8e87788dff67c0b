//! `sqlite-maintenance` with real sqlite3, beside writers and readers that are at work.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use pai_tests::{Outcome, command, run};

use crate::memo::{Connection, copy_of_day, count, damage, database, memo, sql, task};
use crate::stack::Stack;
use crate::support::{mode, names};

fn maintain(stack: &Stack, words: &[&str]) -> Outcome {
    run(&mut task(stack, "sqlite-maintenance", words))
}

fn copies(stack: &Stack) -> Vec<String> {
    names(&stack.backups().join("sqlite"))
}

#[test]
fn row_4_4_a_copy_beside_a_writer_has_every_row_that_was_committed_and_the_sizes_are_told() {
    let Some(stack) = memo() else { return };
    // Each number is printed when its row is committed.
    let writer = "for i in $(seq 901 9000); do echo \"INSERT INTO notes VALUES ($i, hex(randomblob(300)));\"; echo \"SELECT $i;\"; done | \
                  sqlite3 -init /dev/null -batch -cmd '.timeout 9000' \"$0\"";
    let mut writing = Command::new("bash");
    let mut writing =
        writing.args(["-c", writer]).arg(database(&stack)).stdout(Stdio::piped()).spawn().unwrap();
    let mut committed = BufReader::new(writing.stdout.take().unwrap()).lines();
    let before: u32 = committed.by_ref().nth(200).unwrap().unwrap().parse().unwrap();
    let outcome = maintain(&stack, &["backup"]).expect(0);
    let after: u32 = committed.map(|line| line.unwrap().parse().unwrap()).max().unwrap();
    writing.wait().unwrap();

    let copy = stack.backups().join("sqlite").join(&copies(&stack)[0]);
    assert_eq!(sql(&copy, "PRAGMA integrity_check"), "ok\n");
    let rows = count(&copy);
    assert!(before <= rows && rows <= after && after == 9000, "{before} {rows} {after}");
    // No row is missing between two that are there.
    assert_eq!(sql(&copy, "SELECT max(id) - min(id) + 1 - count(*) FROM notes"), "0\n");
    assert_eq!(mode(&copy), 0o600);
    let line = outcome.stdout.lines().find(|line| line.contains("pages of 4096 bytes")).unwrap();
    assert!(line.contains("pages free (") && line.contains("log "), "{line}");
}

#[test]
fn row_4_4_a_writer_that_never_pauses_does_not_keep_the_copy_of_a_big_database_from_ending() {
    let Some(stack) = memo() else { return };
    sql(
        &database(&stack),
        "INSERT INTO notes (text) SELECT hex(randomblob(2000)) FROM notes a, (SELECT 1 FROM notes LIMIT 27)",
    );
    let mut yes = Command::new("yes");
    let mut yes = yes.arg("INSERT INTO notes (text) VALUES (1);").stdout(Stdio::piped()).spawn().unwrap();
    let mut writer = Command::new("sqlite3");
    writer.args(["-init", "/dev/null", "-batch", "-cmd", ".timeout 9000"]).arg(database(&stack));
    // The last statement is cut off: nobody wants to read that.
    let mut writer = writer.stdin(yes.stdout.take().unwrap()).stderr(Stdio::null()).spawn().unwrap();
    let (backup, mut bounded) = (task(&stack, "sqlite-maintenance", &["backup"]), command("timeout"));
    bounded.arg("60").arg(backup.get_program()).args(backup.get_args());
    bounded.envs(backup.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let outcome = run(&mut bounded);
    let at_work = writer.try_wait().unwrap().is_none();
    yes.kill().unwrap();
    yes.wait().unwrap();
    writer.wait().unwrap();
    outcome.expect(0);
    assert!(at_work, "the writer wrote all the time");
}

#[test]
fn row_4_4_sizes_free_pages_and_the_log_are_those_that_sqlite_has() {
    let Some(stack) = memo() else { return };
    let mut application = Connection::open(&database(&stack));
    application.sql("DELETE FROM notes WHERE id > 300;");
    let pages = sql(
        &database(&stack),
        "SELECT page_count || ' pages of ' || page_size || ' bytes = ' || page_count * page_size || ' bytes, ' || freelist_count || ' pages free' FROM pragma_page_count, pragma_page_size, pragma_freelist_count",
    );
    let log = fs::metadata(stack.path("data/memoai.db-wal")).unwrap().len();
    let outcome = maintain(&stack, &["check"]).expect(0);
    assert!(outcome.stdout.contains(pages.trim_end()), "{pages}{}", outcome.stdout);
    assert!(log > 0 && outcome.stdout.contains(&format!(", log {log} bytes")), "{log}: {}", outcome.stdout);
    let actions = stack.logs().join("actions.jsonl");
    assert!(!actions.exists(), "looking is no action");
    maintain(&stack, &["checkpoint"]).expect(0);
    let action: serde_json::Value =
        serde_json::from_str(fs::read_to_string(actions).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!((&action["action"], &action["before_bytes"]), (&"checkpoint".into(), &log.into()));
}

#[test]
fn row_4_4_a_damaged_database_is_found_left_alone_and_its_good_copies_stay() {
    let Some(stack) = memo() else { return };
    for day in 1..=9 {
        fs::write(copy_of_day(&stack, day), "good").unwrap();
    }
    damage(&database(&stack));
    stack.settings("SQLITE_BACKUP_DAYS=0\nSQLITE_BACKUP_KEEP=1\n");
    let outcome = maintain(&stack, &[]).expect(1);
    assert!(outcome.stderr.contains("memoai.db is damaged: "), "{}", outcome.stderr);
    assert!(!outcome.stdout.contains("log emptied"), "{}", outcome.stdout);
    assert_eq!(copies(&stack).len(), 9);
    // Even if nobody checked before: the copy is.
    let unchecked = maintain(&stack, &["backup"]).expect(1);
    assert!(unchecked.stderr.contains("could not back up"), "{}", unchecked.stderr);
    assert_eq!(copies(&stack).len(), 9);
    fs::write(database(&stack), [7; 5000]).unwrap();
    assert!(maintain(&stack, &["checkpoint"]).expect(1).stderr.contains("not a database"));
}

#[test]
fn row_4_4_old_copies_go_but_the_newest_stay_and_a_compressed_one_is_whole() {
    let Some(stack) = memo() else { return };
    for day in 1..=9 {
        run(command("gzip").arg(copy_of_day(&stack, day))).expect(0);
    }
    stack.settings("SQLITE_BACKUP_GZIP=yes\nSQLITE_BACKUP_DAYS=30\nSQLITE_BACKUP_KEEP=4\n");
    let mut task = task(&stack, "sqlite-maintenance", &["backup"]);
    run(task.env("PAI_NOW", "2027-03-01T02:00:00Z")).expect(0);
    let kept = copies(&stack);
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(kept[3].starts_with("memoai_20270301-") && kept[3].ends_with(".db.gz"), "{kept:?}");
    let file = stack.path("unpacked.db");
    run(command("sh")
        .args(["-c", "gzip -dc \"$0\" >\"$1\""])
        .arg(stack.backups().join("sqlite").join(&kept[3]))
        .arg(&file))
    .expect(0);
    assert_eq!(count(&file), 900);
}

#[test]
fn row_4_10_the_log_is_emptied_and_a_reader_that_holds_it_is_told_of_and_tried_again() {
    let Some(stack) = memo() else { return };
    // The application: it keeps the log from being removed.
    let mut application = Connection::open(&database(&stack));
    let mut reader = Connection::open(&database(&stack));
    reader.sql("BEGIN; SELECT count(*) FROM notes;");
    application.sql("UPDATE notes SET text = hex(randomblob(200));");
    let log = stack.path("data/memoai.db-wal");
    let before = fs::metadata(&log).unwrap().len();

    stack.settings("CHECKPOINT_TRIES=2\nSQLITE_TIMEOUT=1\n");
    let busy = maintain(&stack, &["checkpoint"]).expect(1);
    assert!(busy.stdout.contains("frames of the log are in the database (try 2 of 2)"), "{}", busy.stdout);
    assert!(busy.stderr.contains(&format!("holds the log: it stays at {before} bytes")), "{}", busy.stderr);

    stack.settings("CHECKPOINT_TRIES=60\nSQLITE_TIMEOUT=1\n");
    let mut patient =
        task(&stack, "sqlite-maintenance", &["checkpoint"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(patient.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().contains("(try 1 of 60)"));
    drop(reader);
    assert!(lines.any(|line| line.contains(&format!("log emptied: {before} bytes before, 0 after"))));
    assert!(patient.wait().unwrap().success());
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    // As published it is passive, and leaves the file as long as it was.
    application.sql("UPDATE notes SET text = '';");
    sql(&database(&stack), "PRAGMA wal_checkpoint;");
    assert_ne!(fs::metadata(&log).unwrap().len(), 0);
}

#[test]
fn row_4_10_it_runs_on_the_host_and_does_not_apply_where_there_is_no_database() {
    let Some(stack) = memo() else { return };
    let path = stack.path_without(&["docker"]);
    run(task(&stack, "sqlite-maintenance", &["checkpoint"]).env("PATH", path)).expect(0);
    sql(&database(&stack), "PRAGMA journal_mode=delete");
    assert!(maintain(&stack, &["checkpoint"]).expect(0).stdout.contains("journal mode delete"));
    fs::remove_file(database(&stack)).unwrap();
    assert!(maintain(&stack, &[]).expect(75).stderr.contains("no SQLite database"));
    stack.settings("SQLITE_DATABASES=data/other.db\n");
    assert!(maintain(&stack, &[]).expect(1).stderr.contains("no such database"));
    assert!(!stack.path("data/other.db").exists(), "none is made");
}
