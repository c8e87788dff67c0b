//! `backup-sqlite.sh` beside a writer, and with databases that are none.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use pai_tests::{has, run, scratch, skip};

use crate::support::{mode, names, script};

#[test]
fn an_sqlite_backup_taken_beside_a_writer_has_every_row_that_was_committed_before() {
    if !has("sqlite3") {
        return skip("no sqlite3 (package sqlite3)");
    }
    let folder = scratch();
    let database = folder.path().join("memo's.db");
    let sql = |file: &Path, text: &str| {
        run(Command::new("sqlite3").arg("-batch").arg(file).arg(text)).expect(0).stdout
    };
    sql(
        &database,
        "PRAGMA journal_mode=wal; CREATE TABLE notes (id INTEGER PRIMARY KEY, text); CREATE TABLE \"odd \"\"name\" (a);",
    );
    let writer = "for i in $(seq 1 400); do echo \"INSERT INTO notes (text) VALUES (hex(randomblob(400)));\"; done | sqlite3 -cmd '.timeout 5000' \"$0\" >&2; \
                  echo begun; for i in $(seq 1 5000); do echo 'INSERT INTO notes (text) VALUES (1);'; done | sqlite3 -cmd '.timeout 5000' \"$0\"";
    let mut writing = Command::new("bash")
        .args(["-c", writer])
        .arg(&database)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut begun = [0; 5];
    std::io::Read::read_exact(writing.stdout.as_mut().expect("piped"), &mut begun)
        .expect("the writer begins");
    let outcome = run(script("backup-sqlite.sh").arg(&database)).expect(0);
    let copy = Path::new(outcome.stdout.trim_end());

    assert_eq!(sql(copy, "PRAGMA integrity_check"), "ok\n");
    let rows: u32 = sql(copy, "SELECT count(*) FROM notes").trim().parse().expect("a number");
    assert!(rows >= 400, "{rows}");
    assert_eq!((mode(copy), mode(copy.parent().expect("a folder"))), (0o600, 0o700));
    assert_eq!(names(copy.parent().expect("a folder")).len(), 1);
    writing.kill().ok();
    writing.wait().expect("it ends");
}

#[test]
fn a_missing_empty_or_damaged_sqlite_database_is_an_error_and_the_others_are_still_backed_up() {
    if !has("sqlite3") {
        return skip("no sqlite3 (package sqlite3)");
    }
    let folder = scratch();
    let good = folder.path().join("good.db");
    let build = "CREATE TABLE t (a); CREATE INDEX i ON t (a); \
                 INSERT INTO t SELECT hex(randomblob(200)) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 900) SELECT i FROM n)";
    run(Command::new("sqlite3").arg(&good).arg(build)).expect(0);
    run(Command::new("sqlite3").arg(folder.path().join("empty.db")).arg("PRAGMA user_version = 1")).expect(0);
    fs::write(folder.path().join("junk.db"), [7; 5000]).expect("written");
    let mut damaged = fs::read(&good).expect("a database");
    let half = damaged.len() / 2;
    damaged[half..half + 5000].fill(0xee);
    fs::write(folder.path().join("damaged.db"), damaged).expect("written");

    let mut backup = script("backup-sqlite.sh");
    backup.current_dir(folder.path()).args([
        "--dir",
        "out",
        "--gzip",
        "missing.db",
        "empty.db",
        "junk.db",
        "damaged.db",
        "good.db",
    ]);
    let outcome = run(&mut backup).expect(1);
    for name in ["missing.db", "empty.db", "junk.db", "damaged.db"] {
        assert!(outcome.stderr.contains(&format!("could not back up {name}")), "{name}: {}", outcome.stderr);
    }
    let kept = names(&folder.path().join("out"));
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].starts_with("good_") && kept[0].ends_with(".db.gz"));
    assert!(!folder.path().join("missing.db").exists(), "no empty database is made");
    run(script("backup-sqlite.sh").current_dir(folder.path()).args(["--dir", "out", "missing.db"])).expect(2);
}
