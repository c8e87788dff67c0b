//! `defragment` and `copy` for Chroma, `LanceDB` and Qdrant (a stand-in): proven, undone or never done, and no write lost.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use pai_tests::{Outcome, repository, run};

use crate::stack::Stack;
use crate::support::names;
use crate::vector_files::{actions, check, has_libraries, python, tampered, task};

/// A stack with a store in data/KIND.
fn stack(kind: &str, library: &str) -> Option<Stack> {
    if !has_libraries(&[library, "numpy"]) {
        return None;
    }
    let stack = Stack::new();
    stack.settings(&format!("VECTOR_STORES={kind}:data/{kind}\nDEFRAGMENT_QUERIES=40\n"));
    fs::create_dir(stack.path("data")).unwrap();
    run(python()
        .arg(repository().join("tests/scripts/vector_services.py"))
        .arg(kind)
        .arg(stack.path("data").join(kind)))
    .expect(0);
    Some(stack)
}

/// A program that has the store open, and adds 50 vectors when it is told to.
struct Writer(Child, BufReader<ChildStdout>);

impl Writer {
    fn start(stack: &Stack, kind: &str) -> Self {
        let mut python = python();
        python
            .arg(repository().join("tests/scripts/vector_services.py"))
            .arg(kind)
            .arg(stack.path("data").join(kind));
        let mut child = python.arg("write").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut writer = Self(child, output);
        writer.wait("open");
        writer
    }

    fn wait(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            assert_ne!(self.1.read_line(&mut line).unwrap(), 0, "it ended before it said {word}");
        }
    }

    fn go(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    fn end(mut self) {
        self.wait("done");
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn defragment(stack: &Stack) -> Outcome {
    run(&mut task(stack, "tasks/defragment.sh"))
}

fn copy(stack: &Stack, store: &str, to: &str) -> Outcome {
    let mut python = python();
    python.arg(repository().join("scripts/stores/store.py")).args(["copy", store, "--to", to]);
    run(python.current_dir(stack.home()))
}

/// Each file below a folder with its bytes.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            all.extend(content(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            all.push((name, fs::read(path).unwrap()));
        }
    }
    all
}

#[track_caller]
fn told(outcome: &Outcome, words: &str) {
    assert!(outcome.stderr.contains(words), "{words} in {}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn row_3_1_chroma_is_vacuumed_as_a_proven_copy_and_only_while_nobody_has_it_open() {
    let Some(stack) = stack("chroma", "chromadb") else { return };
    let mut writer = Writer::start(&stack, "chroma");
    told(&defragment(&stack).expect(1), "is in use by process");
    // A copy of a folder that somebody writes to is not made at all.
    told(&copy(&stack, "chroma:data/chroma", "copy").expect(2), "is in use by process");
    assert!(!stack.path("copy").exists());
    writer.go();
    writer.end();

    let before = content(&stack.path("data/chroma"));
    let harm = "import chroma_store\nvacuum = chroma_store.vacuum\ndef lossy(folder):\n    vacuum(folder)\n    chroma_store.opened(folder, lambda store: store.collections[0].collection.delete(ids=['700', '701']))\nchroma_store.vacuum = lossy";
    told(
        &run(&mut tampered(&stack, harm)).expect(1),
        "docs lacks 2 of the 1450 vectors that were there before",
    );
    assert!(content(&stack.path("data/chroma")) == before, "the old one is what it was");
    assert_eq!(names(&stack.path("data")), ["chroma"]);

    defragment(&stack).expect(0);
    let all = actions(&stack);
    let action = all.last().unwrap();
    assert!(action["after_bytes"].as_u64() < action["before_bytes"].as_u64(), "{action}");
    assert!(action["recall"].as_f64() > Some(0.95) && action["vectors"] == 1450, "{action}");
    assert_eq!(names(&stack.path("data")), ["chroma"]);
    assert_eq!(check(&stack, "chroma:data/chroma")["vectors"], 1450);
    // The documented way to a copy: the service is stopped, and the copy is a store.
    copy(&stack, "chroma:data/chroma", "copy").expect(0);
    assert_eq!(check(&stack, "chroma:copy")["vectors"], 1450);
}

#[test]
fn row_3_1_lancedb_is_compacted_while_others_write_and_no_row_is_lost() {
    let Some(stack) = stack("lancedb", "lancedb") else { return };
    // Tried on a copy first: a library that loses rows never sees the real one.
    let before = content(&stack.path("data/lancedb"));
    let harm = "import lancedb_store\ncompact = lancedb_store.Store.compact\ndef lossy(self):\n    compact(self)\n    self.tables[0].table.delete('id = 700')\nlancedb_store.Store.compact = lossy";
    told(
        &run(&mut tampered(&stack, harm)).expect(1),
        "docs lacks 1 of the 1400 vectors that were there before",
    );
    assert!(content(&stack.path("data/lancedb")) == before, "the real one is what it was");
    assert_eq!(names(&stack.path("data")), ["lancedb"]);

    let mut writer = Writer::start(&stack, "lancedb");
    writer.go();
    defragment(&stack).expect(0);
    writer.end();
    assert_eq!(check(&stack, "lancedb:data/lancedb")["vectors"], 1450);
    // Killed in the middle of the real one: every row is there, and the next run does it.
    let harm = "import lancedb_store, os, signal\nforget = lancedb_store.Store.forget\ndef killed(self, days):\n    if '.defragment' not in self.place: os.kill(os.getpid(), signal.SIGKILL)\n    forget(self, days)\nlancedb_store.Store.forget = killed";
    run(&mut tampered(&stack, harm)).expect(1);
    assert_eq!(check(&stack, "lancedb:data/lancedb")["vectors"], 1450);
    run(task(&stack, "tasks/defragment.sh").env("DEFRAGMENT_KEEP_VERSIONS", "0")).expect(0);
    let all = actions(&stack);
    let action = all.last().unwrap();
    assert!(action["after_bytes"].as_u64() < action["before_bytes"].as_u64(), "{action}");
    let found = check(&stack, "lancedb:data/lancedb");
    assert!(found["vectors"] == 1450 && found["versions"]["docs"].as_u64() < Some(4), "{found}");
    assert_eq!(names(&stack.path("data")), ["lancedb"]);
    copy(&stack, "lancedb:data/lancedb", "copy").expect(0);
    assert_eq!(check(&stack, "lancedb:copy")["vectors"], 1450);
}

/// The stand-in for a Qdrant server; it is none, and says how it is called.
struct Qdrant(Child, tempfile::TempDir);

impl Qdrant {
    fn start(harm: &str) -> Self {
        let folder = pai_tests::scratch();
        if !harm.is_empty() {
            fs::write(folder.path().join("harm"), harm).unwrap();
        }
        let server = python()
            .arg(repository().join("tests/scripts/qdrant_stand_in.py"))
            .arg(folder.path())
            .spawn()
            .unwrap();
        let (server, limit) = (Self(server, folder), Instant::now() + Duration::from_secs(60));
        while !server.1.path().join("port").exists() {
            assert!(Instant::now() < limit, "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn store(&self) -> String {
        format!("qdrant:http://127.0.0.1:{}", fs::read_to_string(self.1.path().join("port")).unwrap())
    }

    /// Its calls that change something, and whether they came with the key.
    fn changes(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.1.path().join("calls")).unwrap_or_default();
        let changes = |line: &&str| {
            ["PATCH", "DELETE"].iter().any(|one| line.starts_with(one)) || line.contains("/snapshots ")
        };
        calls.lines().filter(changes).map(str::to_owned).collect()
    }
}

impl Drop for Qdrant {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn row_3_1_qdrant_is_told_to_optimize_after_a_snapshot_that_stays_if_it_is_worse() {
    if !has_libraries(&["numpy"]) {
        return;
    }
    let (stack, path) = (Stack::new(), "/collections/docs");
    let run_on = |server: &Qdrant| {
        run(task(&stack, "tasks/defragment.sh")
            .env("QDRANT_API_KEY", "key")
            .env("DEFRAGMENT_QUERIES", "40")
            .arg(server.store()))
    };
    let server = Qdrant::start("");
    run_on(&server).expect(0);
    let expected = [
        format!("POST {path}/snapshots key"),
        format!("PATCH {path} key"),
        format!("POST {path}/snapshots key"),
        format!("DELETE {path}/snapshots/docs-1.snapshot key"),
        format!("DELETE {path}/snapshots/docs-0.snapshot key"),
    ];
    assert_eq!(server.changes(), expected);
    let action = actions(&stack).remove(0);
    assert_eq!(
        (action["vectors"].as_u64(), action["recall"].as_f64(), &action["result"]),
        (Some(300), Some(1.0), &"ok".into())
    );
    copy(&stack, &server.store(), "copy").expect(0);
    assert_eq!(stack.read("copy/docs.snapshot"), "a snapshot");

    for (harm, why) in [
        (
            "lose",
            "docs lacks 1 of the 300 vectors that were there before; the snapshots of before are kept (docs: docs-0.snapshot)",
        ),
        (
            "blind",
            "the new one's recall is 0.500, the old one's 1.000; the snapshots of before are kept (docs: docs-0.snapshot)",
        ),
        ("red", "the optimizer of docs failed: {\"error\": \"no space\"}; the snapshots of before are kept"),
    ] {
        let server = Qdrant::start(harm);
        told(&run_on(&server).expect(1), why);
        assert_eq!(server.changes(), expected[..2], "{harm}: the snapshot stays");
    }
    let gone = run(task(&stack, "tasks/defragment.sh").arg("qdrant:http://127.0.0.1:1")).expect(1);
    told(&gone, "http://127.0.0.1:1 does not answer: ");
}
