//! `defragment` and `copy` for Chroma, `LanceDB` and Qdrant (a stand-in): proven, undone or never done, and no write lost.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use pai_tests::{Outcome, repository, run};

use crate::stack::Stack;
use crate::support::names;
use crate::vector_files::{actions, check, has_libraries, make, python, task};

/// Vectors of a store; more on demand, as in the trials.
fn made() -> usize {
    std::env::var("PAI_TEST_VECTORS")
        .map_or(2000, |count| count.parse().expect("PAI_TEST_VECTORS is a number"))
}

/// A stack with a store of vectors in data/KIND.
fn stack(kind: &str) -> Option<Stack> {
    let stack = Stack::new();
    stack.settings(&format!("VECTOR_STORES={kind}:data/{kind}\nDEFRAGMENT_QUERIES=40\n"));
    fs::create_dir(stack.path("data")).unwrap();
    make(&stack.path("data"), made(), &[kind]).then_some(stack)
}

fn copy(stack: &Stack, store: &str, to: &str) -> Outcome {
    let mut python = python();
    python.arg(repository().join("scripts/stores/store.py")).args(["copy", store, "--to", to]);
    run(python.current_dir(stack.home()))
}

#[track_caller]
fn told(outcome: &Outcome, words: &str) {
    assert!(outcome.stderr.contains(words), "{words} in {}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn row_3_1_chroma_and_lancedb_are_smaller_and_find_the_same_and_that_is_recorded() {
    for kind in ["chroma", "lancedb"] {
        let Some(stack) = stack(kind) else { continue };
        run(task(&stack, "tasks/defragment.sh").env("DEFRAGMENT_KEEP_VERSIONS", "0")).expect(0);
        let action = actions(&stack).remove(0);
        assert!(action["after_bytes"].as_u64() < action["before_bytes"].as_u64(), "{action}");
        assert!(action["recall"].as_f64() > Some(0.95) && action["vectors"] == made() * 7 / 10, "{action}");
        assert!(names(&stack.path("data")).iter().all(|name| !name.starts_with('.')), "no scratch is left");
    }
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
        ("other", "docs: 1 of its 300 vectors are others now; the snapshots of before are kept"),
        (
            "metric",
            "docs: the new one's metric is cosine, the old one's l2; the snapshots of before are kept",
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
    // Killed before each request that changes something: no point is gone, and the next run does it.
    for killed in [1, 2, 4] {
        let server = Qdrant::start("");
        let kill = format!(
            "import os, runpy, signal, sys\nsys.dont_write_bytecode = True\nsys.argv = sys.argv[2:]\nsys.path.insert(0, os.path.dirname(sys.argv[0]))\n\
             asked = []\ndef hook(event, words):\n    if event != 'urllib.Request' or words[3] == 'GET' or words[0].count('/points/'): return\n    asked.append(words)\n\
             \x20   if len(asked) == {killed}: os.kill(os.getpid(), signal.SIGKILL)\nsys.addaudithook(hook)\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
        );
        stack.write("kill.py", &kill);
        let stub = stack
            .programs(&[("killed", &format!("exec python3 {} \"$@\"", stack.path("kill.py").display()))]);
        let mut first = task(&stack, "tasks/defragment.sh");
        first.env("STORES_PYTHON", stub.join("killed")).env("DEFRAGMENT_QUERIES", "5").arg(server.store());
        run(&mut first).expect(1);
        assert_eq!(server.changes().len(), killed - 1, "{:?}", server.changes());
        assert_eq!(check(&stack, &server.store())["vectors"], 300, "killed before request {killed}");
    }
    let gone = run(task(&stack, "tasks/defragment.sh").arg("qdrant:http://127.0.0.1:1")).expect(1);
    told(&gone, "http://127.0.0.1:1 does not answer: ");
}
