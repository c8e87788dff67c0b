//! A stack with a real SQLite database, connections to it that stay open, copies of it, and damage.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use pai_tests::{command, has, run, skip};

use crate::stack::Stack;

/// A stack with `data/memoai.db` in WAL mode: 900 notes. None, after a skip, without sqlite3.
pub(crate) fn memo() -> Option<Stack> {
    if !has("sqlite3") {
        skip("no sqlite3 (package sqlite3)");
        return None;
    }
    let stack = Stack::new();
    fs::create_dir_all(stack.path("data")).unwrap();
    let notes = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 900) \
                 INSERT INTO notes (text) SELECT hex(randomblob(100)) FROM n";
    let schema = "PRAGMA journal_mode=wal; CREATE TABLE notes (id INTEGER PRIMARY KEY, text);";
    sql(&database(&stack), &format!("{schema} {notes}"));
    Some(stack)
}

pub(crate) fn database(stack: &Stack) -> PathBuf {
    stack.path("data/memoai.db")
}

pub(crate) fn sql(file: &Path, text: &str) -> String {
    run(command("sqlite3").args(["-init", "/dev/null", "-batch"]).arg(file).arg(text)).expect(0).stdout
}

/// A connection that stays open until it is dropped; what is in its transaction stays so, too.
pub(crate) struct Connection {
    pub(crate) sqlite: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Connection {
    pub(crate) fn open(file: &Path) -> Self {
        let mut sqlite = Command::new("sqlite3");
        sqlite.args(["-init", "/dev/null", "-batch"]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut sqlite = sqlite.spawn().expect("sqlite3 starts");
        let stdout = BufReader::new(sqlite.stdout.take().expect("piped"));
        Self { stdin: sqlite.stdin.take(), sqlite, stdout }
    }

    /// Runs SQL to its end.
    pub(crate) fn sql(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("open");
        writeln!(stdin, "{text}\n.print done").expect("it listens");
        let mut line = String::new();
        while line != "done\n" {
            line.clear();
            assert_ne!(self.stdout.read_line(&mut line).expect("readable"), 0, "sqlite3 ended: {text}");
        }
    }

    pub(crate) fn kill(mut self) {
        self.sqlite.kill().unwrap();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.sqlite.wait();
    }
}

pub(crate) fn task(stack: &Stack, name: &str, words: &[&str]) -> Command {
    let mut task = stack.script(&format!("tasks/{name}.sh"));
    task.args(words);
    task
}

/// Overwrites pages in the middle of a file.
pub(crate) fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let half = bytes.len() / 2 / 4096 * 4096;
    bytes[half..half + 3 * 4096].fill(0xee);
    fs::write(file, bytes).unwrap();
}

/// A copy of the database as it is now, under a name of that day.
pub(crate) fn copy_of_day(stack: &Stack, day: u32) -> PathBuf {
    let file = stack.backups().join(format!("sqlite/memoai_202611{day:02}-020000.db"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    sql(&database(stack), &format!(".backup '{}'", file.display()));
    file
}

pub(crate) fn count(file: &Path) -> u32 {
    sql(file, "SELECT count(*) FROM notes").trim().parse().unwrap()
}
