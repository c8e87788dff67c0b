//! `defragment` on SQLite files, with and without sqlite-vec: smaller, whole, and every row where it was.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use pai_tests::{Outcome, command, has, repository, run, skip};

use crate::stack::Stack;
use crate::support::names;

/// The articles whose row numbers the vectors go by, as sqlite-vec's manual has it; two of three are deleted.
const ARTICLES: &str = "CREATE TABLE articles (headline TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO articles (rowid, headline) SELECT i, 'article ' || i || ' ' || hex(randomblob(200)) FROM n;
    DELETE FROM articles WHERE rowid % 3 <> 0;";

/// What a store answers; extensions are loaded first.
#[track_caller]
pub(crate) fn sqlite(file: &Path, statements: &str) -> String {
    sqlite_with(file, &[], statements)
}

#[track_caller]
fn sqlite_with(file: &Path, extensions: &[&Path], statements: &str) -> String {
    let mut sqlite3 = command("sqlite3");
    sqlite3.args(["-init", "/dev/null", "-bail", "-batch", "-cmd", ".timeout 5000"]);
    for extension in extensions {
        sqlite3.arg("-cmd").arg(format!(".load '{}'", extension.display()));
    }
    run(sqlite3.arg(file).arg(statements)).expect(0).stdout.trim_end().to_owned()
}

fn defragment(stack: &Stack, stores: &[&Path]) -> Outcome {
    run(stack.script("tasks/defragment.sh").env("SQLITE_TIMEOUT", "1").args(stores))
}

fn store(stack: &Stack, name: &str, statements: &str) -> PathBuf {
    let file = stack.path(name);
    sqlite(&file, statements);
    file
}

/// Another program that has the store open.
struct Holder(Child);

impl Holder {
    /// One that has run a statement and says its answer.
    fn new(file: &Path, statement: &str) -> Self {
        let mut sqlite3 = command("sqlite3");
        sqlite3.args(["-init", "/dev/null"]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = Self(sqlite3.spawn().unwrap());
        holder.ask(statement);
        holder
    }

    /// The first line of the answer.
    fn ask(&mut self, statement: &str) -> String {
        let stdin = self.0.stdin.as_mut().unwrap();
        writeln!(stdin, "{statement}\n.print done").unwrap();
        stdin.flush().unwrap();
        let mut first = String::new();
        for line in BufReader::new(self.0.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            if line == "done" {
                break;
            }
            first = if first.is_empty() { line } else { first };
        }
        first
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn actions(stack: &Stack) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(stack.logs().join("actions.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// sqlite-vec's library, where scripts/test.sh or pip put it.
fn sqlite_vec() -> Option<PathBuf> {
    let mut python = command("python3");
    python.env("PYTHONPATH", repository().join("target/python"));
    let outcome = run(python.args(["-c", "import sqlite_vec; print(sqlite_vec.loadable_path())"]));
    if outcome.status != Some(0) {
        skip("no sqlite-vec (python3 -m pip install --target target/python sqlite-vec)");
        return None;
    }
    Some(outcome.stdout.trim().into())
}

#[test]
fn row_3_1_a_file_gets_smaller_keeps_every_row_and_its_figures_are_recorded() {
    if !has("sqlite3") {
        return skip("no sqlite3");
    }
    let stack = Stack::new();
    let file =
        store(&stack, "vectors.db", &ARTICLES.replace("(headline", "(id INTEGER PRIMARY KEY, headline"));
    let sum = "SELECT count(*), sum(rowid), max(headline) FROM articles";
    let (before, rows) = (fs::metadata(&file).unwrap().len(), sqlite(&file, sum));
    stack.settings("VECTOR_STORES=vectors.db\n");

    let dry = run(stack.script("tasks/defragment.sh").arg("--dry-run")).expect(0);
    assert!(dry.stdout.contains("would compact"), "{}", dry.stdout);
    assert!(fs::metadata(&file).unwrap().len() == before && actions(&stack).is_empty());

    let outcome = defragment(&stack, &[]).expect(0);
    let after = fs::metadata(&file).unwrap().len();
    assert!(after < before / 2, "{before} {after}");
    assert_eq!(sqlite(&file, sum), rows);
    assert!(outcome.stdout.contains(&format!("{before} bytes before, {after} after")), "{}", outcome.stdout);
    let action = &actions(&stack)[0];
    let figures = (&action["before_bytes"], &action["after_bytes"], &action["result"], &action["task"]);
    assert_eq!(figures, (&before.into(), &after.into(), &"ok".into(), &"defragment".into()));
    assert!(action["seconds"].is_number() && action["time"].is_string() && action["target"].is_string());
}

#[test]
fn row_3_1_row_numbers_stay_where_plain_vacuum_would_change_them() {
    if !has("sqlite3") {
        return skip("no sqlite3");
    }
    let stack = Stack::new();
    let file = store(&stack, "vectors.db", ARTICLES);
    let other = stack.path("plain.db");
    fs::copy(&file, &other).unwrap();
    let sum = "SELECT count(*), sum(rowid), max(rowid) FROM articles";
    let rows = sqlite(&file, sum);
    sqlite(&other, "VACUUM");
    assert_ne!(sqlite(&other, sum), rows, "this SQLite renumbers: what the task is careful about");

    let outcome = defragment(&stack, &[&file]).expect(0);
    assert!(outcome.stderr.contains("for the row numbers of \"articles\""), "{}", outcome.stderr);
    assert_eq!(sqlite(&file, sum), rows);
    assert_eq!(
        fs::metadata(&file).unwrap().len(),
        fs::metadata(&other).unwrap().len(),
        "as small as VACUUM's"
    );
    assert_eq!(sqlite(&file, "PRAGMA freelist_count; PRAGMA integrity_check"), "0\nok");
}

#[test]
fn row_3_1_vectors_of_sqlite_vec_still_find_their_documents() {
    let Some(extension) = sqlite_vec() else { return };
    let stack = Stack::new();
    let file = stack.path("vectors.db");
    let vectors = format!(
        "{ARTICLES} CREATE VIRTUAL TABLE vectors USING vec0(embedding float[3]);
         INSERT INTO vectors (rowid, embedding) SELECT rowid, printf('[%d, %d, 1]', rowid, rowid % 7) FROM articles;
         DELETE FROM articles WHERE rowid < 2100; DELETE FROM vectors WHERE rowid < 2100;"
    );
    sqlite_with(&file, &[&extension], &vectors);
    let nearest = "SELECT v.rowid, substr(a.headline, 1, 12), distance FROM vectors AS v
        LEFT JOIN articles AS a ON a.rowid = v.rowid WHERE embedding MATCH '[2400, 6, 1]' AND k = 4";
    let found = sqlite_with(&file, &[&extension], nearest);
    assert!(found.starts_with("2400|article 2400|"), "{found}");

    let backup = run(stack.script("backup-sqlite.sh").arg("--dir").arg(stack.backups()).arg(&file)).expect(0);
    assert!(backup.stderr.contains(" rows") && !backup.stderr.contains("rror"), "{}", backup.stderr);
    // With and without the extension: its tables are tables like any others.
    defragment(&stack, &[&file]).expect(0);
    assert_eq!(sqlite_with(&file, &[&extension], nearest), found);
    let mut with = stack.script("tasks/defragment.sh");
    run(with.env("SQLITE_EXTENSIONS", &extension).arg(&file)).expect(0);
    assert_eq!(sqlite_with(&file, &[&extension], nearest), found);
    let gone =
        run(stack.script("tasks/defragment.sh").env("SQLITE_EXTENSIONS", "/nonexistent/vec0").arg(&file));
    assert!(gone.status == Some(1) && gone.stderr.contains("/nonexistent/vec0"), "{}", gone.stderr);
}

#[test]
fn row_3_1_a_program_that_has_the_store_open_loses_no_write() {
    if !has("sqlite3") {
        return skip("no sqlite3");
    }
    let stack = Stack::new();
    let keyed = ARTICLES.replace("(headline", "(id INTEGER PRIMARY KEY, headline");
    for (name, statements) in [
        ("plain.db", ARTICLES.to_owned()),
        ("keyed.db", keyed.clone()),
        ("wal.db", format!("PRAGMA journal_mode = WAL; {keyed}")),
    ] {
        let file = store(&stack, name, &statements);
        let mut service = Holder::new(&file, "SELECT count(*) FROM articles;");
        let before = fs::metadata(&file).unwrap().len();
        defragment(&stack, &[&file]).expect(0);
        assert!(fs::metadata(&file).unwrap().len() < before, "{name}");
        service.ask("INSERT INTO articles (headline) VALUES ('written by the one that had it open');");
        assert_eq!(service.ask("PRAGMA integrity_check;"), "ok", "{name}");
        drop(service);
        assert_eq!(
            sqlite(&file, "SELECT count(*) FROM articles WHERE headline LIKE 'written%'"),
            "1",
            "{name}"
        );
    }
}

#[test]
fn row_3_1_a_copy_that_is_not_the_same_is_never_written_back() {
    if !has("sqlite3") {
        return skip("no sqlite3");
    }
    let stack = Stack::new();
    let file = store(&stack, "vectors.db", ARTICLES);
    let bytes = fs::read(&file).unwrap();
    let real = run(command("bash").args(["-c", "type -P sqlite3"])).expect(0).stdout;
    // An SQLite that loses a row, one that changes a row, and one that renumbers it.
    for harm in [
        "DELETE FROM compact.articles WHERE rowid = 30;",
        "UPDATE compact.articles SET headline = 'other' WHERE rowid = 30;",
        "UPDATE compact.articles SET rowid = 3001 WHERE rowid = 30;",
    ] {
        let tampering = format!("sed \"/^ATTACH/a {harm}\" | {real}");
        let stub =
            stack.programs(&[("sqlite3", &tampering.replace(&real, &format!("{} \"$@\"", real.trim_end())))]);
        let outcome = run(stack.script_with("tasks/defragment.sh", &[&stub]).arg(&file)).expect(1);
        assert!(outcome.stderr.contains("the compacted copy is not the same"), "{harm}: {}", outcome.stderr);
        assert_eq!(sqlite(&file, "SELECT count(*), max(rowid) FROM articles"), "1000|3000", "{harm}");
        assert_eq!(fs::metadata(&file).unwrap().len(), bytes.len() as u64, "{harm}");
    }
}

#[test]
fn row_3_14_a_busy_a_damaged_and_a_missing_store_are_named_and_the_others_are_done() {
    if !has("sqlite3") {
        return skip("no sqlite3");
    }
    let stack = Stack::new();
    let (busy, good) = (store(&stack, "busy.db", ARTICLES), store(&stack, "good.db", ARTICLES));
    let wal = store(&stack, "wal.db", &format!("PRAGMA journal_mode = WAL; {ARTICLES}"));
    let damaged = store(&stack, "damaged.db", ARTICLES);
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[3 * 4096..4 * 4096].fill(0x7f);
    fs::write(&damaged, &bytes).unwrap();
    let size = fs::metadata(&good).unwrap().len();
    let _writer = Holder::new(&busy, "BEGIN EXCLUSIVE;");
    // Row numbers can only be kept while nobody else has a WAL database open.
    let _reader = Holder::new(&wal, "SELECT count(*) FROM articles;");

    let outcome = defragment(&stack, &[&busy, &damaged, Path::new("none.db"), &wal, &good]).expect(1);
    for (file, reason) in
        [(&busy, "is in use: locked for 1 s"), (&wal, "is in use: locked for 1 s"), (&damaged, "malformed")]
    {
        let told = outcome.stderr.lines().any(|line| {
            line.contains("error: ") && line.contains(&*file.to_string_lossy()) && line.contains(reason)
        });
        assert!(told, "{}: {reason}\n{}", file.display(), outcome.stderr);
    }
    assert!(outcome.stderr.contains("no such store: none.db"), "{}", outcome.stderr);
    assert_eq!(fs::read(&damaged).unwrap(), bytes, "what is damaged is left as it is");
    assert!(fs::metadata(&good).unwrap().len() < size / 2);
    let results: Vec<_> =
        actions(&stack).iter().map(|action| action["result"].as_str().unwrap().to_owned()).collect();
    assert_eq!(results, ["failed", "failed", "failed", "ok"]);
    assert!(names(&stack.home()).iter().all(|name| !name.starts_with(".defragment")), "no scratch is left");
}

#[test]
fn row_3_14_a_missing_program_and_no_store_at_all_are_told_apart() {
    let stack = Stack::new();
    let outcome = run(&mut stack.script("tasks/defragment.sh")).expect(75);
    assert!(outcome.stderr.contains("no vector store is set up (VECTOR_STORES)"), "{}", outcome.stderr);
    stack.write("vectors.db", "");
    let mut without = stack.script("tasks/defragment.sh");
    let outcome =
        run(without.env("PATH", stack.path_without(&["sqlite3"])).arg(stack.path("vectors.db"))).expect(2);
    assert!(outcome.stderr.contains("sqlite3 is not installed"), "{}", outcome.stderr);
    let mut without = stack.script("tasks/defragment.sh");
    without.env("DATABASE_SERVICE", "local").env("PATH", stack.path_without(&["psql"])).arg("postgres:x");
    let outcome = run(&mut without).expect(2);
    assert!(outcome.stderr.contains("psql is not installed"), "{}", outcome.stderr);
}
