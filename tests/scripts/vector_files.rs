//! `defragment` on index files of FAISS, hnswlib and Annoy: built anew beside the old one, proven, swapped in whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{Outcome, command, repository, run, skip};

use crate::stack::Stack;
use crate::support::names;

const STORES: [&str; 3] = [
    "faiss:data/faiss",
    "hnswlib:data/hnswlib?dimensions=32&metric=cosine",
    "annoy:data/annoy?dimensions=32",
];

/// A program for the Python that has the stores' libraries.
pub(crate) fn python() -> Command {
    let mut python = command("python3");
    python.env("PYTHONPATH", repository().join("target/python")).arg("-B");
    python
}

/// Whether these libraries are there; says SKIP if not.
pub(crate) fn has_libraries(names: &[&str]) -> bool {
    let missing: Vec<_> = names
        .iter()
        .filter(|name| {
            let found = fs::read_dir(repository().join("target/python")).into_iter().flatten().flatten();
            !found.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(**name))
        })
        .collect();
    if !missing.is_empty() {
        skip(&format!("no {missing:?} in target/python (scripts/test.sh installs them)"));
    }
    missing.is_empty()
}

/// Makes stores of these kinds in a folder, of that many vectors, three in ten of them deleted; false, after a skip, without
/// their libraries.
pub(crate) fn make(folder: &Path, count: usize, kinds: &[&str]) -> bool {
    if !has_libraries(&["numpy"]) || !has_libraries(kinds) {
        return false;
    }
    let maker = repository().join("tests/scripts/vector_makers.py");
    run(python().arg(maker).arg(folder).arg(count.to_string()).args(kinds)).expect(0);
    true
}

/// A stack with index files in data/, and settings that name them and their source.
fn stack(count: usize) -> Option<Stack> {
    let stack = Stack::new();
    fs::create_dir(stack.path("data")).unwrap();
    let kinds = ["faiss", "hnswlib", "annoy"];
    make(&stack.path("data"), count, &kinds).then_some(())?;
    let sources = kinds.map(|file| format!("data/{file}=data/live.npz")).join(";");
    stack.settings(&format!("VECTOR_STORES={}\nVECTOR_SOURCES={sources}\n", STORES.join(";")));
    Some(stack)
}

/// The task with the libraries of the tests.
pub(crate) fn task(stack: &Stack, name: &str) -> Command {
    let mut script = stack.script(name);
    script.env("PYTHONPATH", repository().join("target/python"));
    script
}

pub(crate) fn actions(stack: &Stack) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(stack.logs().join("actions.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// What the store's own library says of it.
pub(crate) fn check(stack: &Stack, store: &str) -> serde_json::Value {
    let mut python = python();
    python.arg(repository().join("scripts/stores/store.py")).args(["check", store]);
    serde_json::from_str(&run(python.current_dir(stack.home())).expect(0).stdout).unwrap()
}

fn place(stack: &Stack, store: &str) -> PathBuf {
    stack.path(store.split([':', '?']).nth(1).unwrap())
}

#[track_caller]
fn told(outcome: &Outcome, words: &str) {
    assert!(outcome.stderr.contains(words), "{words} in {}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn row_3_1_index_files_are_rebuilt_without_what_was_deleted_and_the_proof_is_recorded() {
    let Some(stack) = stack(20_000) else { return };
    let dry =
        run(task(&stack, "tasks/defragment.sh").args(["--dry-run", STORES[2]]).current_dir(stack.home()))
            .expect(0);
    assert!(dry.stdout.contains("6000 of its 20000 are no more"), "{}", dry.stdout);
    let before: Vec<_> = STORES.map(|store| fs::metadata(place(&stack, store)).unwrap().len()).into();
    assert!(actions(&stack).is_empty());

    run(&mut task(&stack, "tasks/defragment.sh")).expect(0);
    let actions = actions(&stack);
    assert_eq!(actions.len(), 3);
    for ((store, action), before) in STORES.iter().zip(&actions).zip(before) {
        let after = fs::metadata(place(&stack, store)).unwrap().len();
        let is = (&action["target"], &action["result"], &action["before_bytes"], &action["after_bytes"]);
        let target = format!("{}:{}", store.split(':').next().unwrap(), place(&stack, store).display());
        assert_eq!(is, (&target.into(), &"ok".into(), &before.into(), &after.into()));
        assert!(after < before, "{store}: {before} {after}");
        assert_eq!(
            (action["vectors_before"].as_u64(), action["vectors"].as_u64()),
            (Some(20_000), Some(14_000))
        );
        for figure in ["p50_ms_before", "p50_ms", "p95_ms_before", "p95_ms", "recall_before", "seconds"] {
            assert!(action[figure].is_number(), "{figure} in {action}");
        }
        assert!(
            action["recall"].as_f64() >= action["recall_before"].as_f64().map(|before| before - 0.01),
            "{action}"
        );
    }
    // What FAISS and Annoy cannot delete took the place of answers.
    assert!(actions[0]["recall_before"].as_f64() < Some(0.8), "{}", actions[0]);
    assert!(names(&stack.path("data")).iter().all(|name| !name.starts_with('.')), "no scratch is left");
}

#[test]
fn row_3_14_missing_and_other_libraries_unnamed_sources_and_protected_files_are_said_plainly() {
    let Some(stack) = stack(300) else { return };
    let old = fs::read(stack.path("data/annoy")).unwrap();
    stack.write("empty/none", "");
    let without = run(task(&stack, "tasks/defragment.sh").env("PYTHONPATH", stack.path("empty"))).expect(1);
    let missing: Vec<_> = without
        .stderr
        .lines()
        .filter(|line| line.contains("is not installed: python3 -m pip install '"))
        .collect();
    assert_eq!(missing.len(), 3, "{}", without.stderr);
    // Versions that are not known here, of each.
    stack.write("data/chroma/chroma.sqlite3", "");
    let versions = [
        ("annoy", "annoy", "1.8", "annoy>=1.17"),
        ("hnswlib", "hnswlib", "0.3", "hnswlib>=0.7"),
        ("faiss", "faiss", "1.6.5", "faiss-cpu>=1.7.3"),
        ("chroma", "chromadb", "0.4.9", "chromadb>=1.0"),
        ("lancedb", "lancedb", "0.3.1", "lancedb>=0.20"),
    ];
    let path = std::env::join_paths([stack.path("lib"), repository().join("target/python")]).unwrap();
    let mut others = task(&stack, "tasks/defragment.sh");
    others.env("PYTHONPATH", path).current_dir(stack.home());
    for (kind, module, version, _) in versions {
        stack.write(&format!("lib/{module}/__init__.py"), &format!("__version__ = '{version}'\n"));
        others.arg(format!("{kind}:data/{kind}?dimensions=32"));
    }
    let outcome = run(&mut others).expect(1);
    for (_, module, version, wanted) in versions {
        told(
            &outcome,
            &format!("{module} {version} is not one that is known here: python3 -m pip install '{wanted}'"),
        );
    }
    // What its file does not say, and a wrong word of it.
    for (store, why) in [
        ("annoy:data/annoy", "its file does not say its dimensions"),
        ("annoy:data/annoy?dimensions=31", "is no Annoy index of 31 dimensions"),
        ("hnswlib:data/hnswlib?dimensions=16&metric=cosine", "the source has 32 dimensions, the index 16"),
        ("hnswlib:data/hnswlib?dimensions=32&metric=far", "hnswlib has no metric far"),
        ("hnswlib:data/live.npz?dimensions=32", "names no source"),
        ("faiss:data/none", "names no source"),
    ] {
        told(&run(task(&stack, "tasks/defragment.sh").env("VECTOR_STORES", store)).expect(1), why);
    }
    // Through a link and below a protected folder.
    std::os::unix::fs::symlink(stack.path("data"), stack.path("link")).unwrap();
    let mut protected = task(&stack, "tasks/defragment.sh");
    protected.env("PROTECTED_PATHS", stack.path("data")).env("VECTOR_SOURCES", "link/annoy=data/live.npz");
    let outcome =
        run(protected.arg(format!("annoy:{}?dimensions=32", stack.path("link/annoy").display()))).expect(1);
    told(&outcome, "link/annoy is protected");
    for folder in ["chroma", "lancedb"] {
        let mut protected = task(&stack, "tasks/defragment.sh");
        protected.env("PROTECTED_PATHS", stack.path("data"));
        let outcome =
            run(protected.arg(format!("{folder}:{}", stack.path("link").join(folder).display()))).expect(1);
        told(&outcome, &format!("link/{folder} is protected"));
    }
    assert!(fs::read(stack.path("data/annoy")).unwrap() == old);
}

#[test]
fn row_3_1_a_source_may_be_a_table_and_one_that_changes_its_mind_is_read_at_one_moment() {
    let Some(stack) = stack(300) else { return };
    let table = "import json, sqlite3, sys, numpy as np\nlive = np.load('data/live.npz')\nbase = sqlite3.connect('data/v.db')\n\
        base.execute('CREATE TABLE documents (id INTEGER PRIMARY KEY, embedding)')\n\
        for n, (i, v) in enumerate(zip(live['ids'], live['vectors'])): base.execute('INSERT INTO documents VALUES (?, ?)', (int(i), v.tobytes() if n % 2 else json.dumps(v.tolist())))\n\
        base.execute('INSERT INTO documents VALUES (9999, NULL)')\nbase.commit()";
    run(python().args(["-c", table]).current_dir(stack.home())).expect(0);
    let source = |text: &str| {
        let mut defragment = task(&stack, "tasks/defragment.sh");
        run(defragment.env("VECTOR_SOURCES", format!("data/faiss={text}")).env("VECTOR_STORES", STORES[0]))
    };
    for (text, why) in [
        ("data/v.db:nothing:id:embedding", "no such table: nothing"),
        ("data/v.db:documents:id:vector", "no such column: s.vector"),
        ("data/none.db:documents:id:embedding", "no such source: data/none.db"),
        ("data/annoy:documents:id:embedding", "could not read data/annoy: file is not a database"),
        ("somewhere", "not a source of vectors: somewhere"),
    ] {
        told(&source(text).expect(1), why);
    }
    source("data/v.db:documents:id:embedding").expect(0);
    assert_eq!(check(&stack, STORES[0])["vectors"], 210);
}
