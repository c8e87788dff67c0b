//! `defragment` on index files of FAISS, hnswlib and Annoy: built anew beside the old one, proven, swapped in whole.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use pai_tests::{Outcome, command, repository, run, scratch, skip};

use crate::stack::Stack;
use crate::support::names;

const STORES: [&str; 3] = [
    "faiss:data/f.faiss",
    "hnswlib:data/h.bin?dimensions=32&metric=cosine",
    "annoy:data/a.ann?dimensions=32",
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

/// A folder of index files of that many vectors, made once.
fn files(count: usize, once: &'static OnceLock<Option<tempfile::TempDir>>) -> Option<&'static Path> {
    let made = once.get_or_init(|| {
        if !has_libraries(&["faiss", "hnswlib", "annoy"]) {
            return None;
        }
        let folder = scratch();
        let maker = repository().join("tests/scripts/vector_files.py");
        run(python().arg(maker).arg(folder.path()).arg(count.to_string())).expect(0);
        Some(folder)
    });
    made.as_ref().map(tempfile::TempDir::path)
}

/// A stack with these files in data/, and settings that name them and their source.
fn stack_of(from: &Path, source: &str) -> Stack {
    let stack = Stack::new();
    fs::create_dir(stack.path("data")).unwrap();
    for name in names(from) {
        fs::copy(from.join(&name), stack.path("data").join(&name)).unwrap();
    }
    let sources = ["f.faiss", "h.bin", "a.ann"].map(|file| format!("data/{file}=data/{source}")).join(";");
    stack.settings(&format!("VECTOR_STORES={}\nVECTOR_SOURCES={sources}\n", STORES.join(";")));
    stack
}

fn stack(source: &str) -> Option<Stack> {
    static FILES: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    Some(stack_of(files(2000, &FILES)?, source))
}

fn small_stack() -> Option<Stack> {
    static FILES: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    Some(stack_of(files(300, &FILES)?, "live.npz"))
}

/// The task with the libraries of the tests.
pub(crate) fn task(stack: &Stack, name: &str) -> Command {
    let mut script = stack.script(name);
    script.env("PYTHONPATH", repository().join("target/python"));
    script
}

/// The task with a Python that first runs `harm`, with `scripts/stores` to import from.
pub(crate) fn tampered(stack: &Stack, harm: &str) -> Command {
    let stores = repository().join("scripts/stores");
    let text = format!(
        "import runpy, sys\nsys.dont_write_bytecode = True\nsys.path.insert(0, '{}')\nsys.argv = sys.argv[2:]\n{harm}\nrunpy.run_path(sys.argv[0], run_name='__main__')\n",
        stores.display()
    );
    stack.write("tampered.py", &text);
    let python = format!("exec python3 {} \"$@\"", stack.path("tampered.py").display());
    let stub = stack.programs(&[("tampered-python", &python)]);
    let mut script = task(stack, "tasks/defragment.sh");
    script.env("STORES_PYTHON", stub.join("tampered-python"));
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
    let Some(stack) = stack("live.npz") else { return };
    let dry = run(task(&stack, "tasks/defragment.sh").arg("--dry-run")).expect(0);
    assert!(dry.stdout.contains("600 of its 2000 are no more"), "{}", dry.stdout);
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
        assert_eq!((action["vectors_before"].as_u64(), action["vectors"].as_u64()), (Some(2000), Some(1400)));
        for figure in ["p50_ms_before", "p50_ms", "p95_ms_before", "p95_ms", "recall_before", "seconds"] {
            assert!(action[figure].is_number(), "{figure} in {action}");
        }
        assert!(action["recall"].as_f64() > Some(0.9), "{action}");
        let found = check(&stack, store);
        assert_eq!((found["vectors"].as_u64(), found["dimensions"].as_u64()), (Some(1400), Some(32)));
    }
    // What FAISS and Annoy cannot delete took the place of answers.
    assert!(actions[0]["recall_before"].as_f64() < Some(0.8), "{}", actions[0]);
    assert!(names(&stack.path("data")).iter().all(|name| !name.starts_with('.')), "no scratch is left");
}

#[test]
fn row_3_1_an_index_that_is_not_as_good_never_takes_the_place_of_the_old_one() {
    let Some(stack) = stack("live.npz") else { return };
    let old: Vec<_> = STORES.map(|store| fs::read(place(&stack, store)).unwrap()).into();
    let unchanged = |why: &str| {
        for (store, old) in STORES.iter().zip(&old) {
            assert!(fs::read(place(&stack, store)).unwrap() == *old, "{why}: {store}");
        }
        assert!(names(&stack.path("data")).iter().all(|name| !name.starts_with('.')), "{why}: scratch");
    };
    // Sources that are another's, or that somebody emptied.
    let sources = |source: &str| {
        STORES.map(|store| format!("{}=data/{source}", store.split([':', '?']).nth(1).unwrap())).join(";")
    };
    for (source, why) in [("others.npz", "are others in the source"), ("few.npz", "the source lacks")] {
        let outcome =
            run(task(&stack, "tasks/defragment.sh").env("VECTOR_SOURCES", sources(source))).expect(1);
        assert_eq!(outcome.stderr.matches(why).count(), 3, "{source}: {}", outcome.stderr);
        unchanged(source);
    }
    // Libraries that lose vectors, mix them up, measure otherwise, build a graph that finds less, or write only a part.
    let build = "import proof, faiss_store, hnswlib_store, annoy_store\ndef wrap(cls, harm):\n    build = cls.build\n    cls.build = lambda self, live, path: harm(self, build, live, path)\n";
    let all = |harm: &str| {
        format!(
            "{build}{harm}\nfor module in (faiss_store, hnswlib_store, annoy_store): wrap(module.Store, harm)"
        )
    };
    let less = "import source\ndef harm(self, build, live, path): build(self, source.Vectors(live.ids[:-50], live.vectors[:-50]), path)";
    let mixed = "import source\ndef harm(self, build, live, path): build(self, source.Vectors(live.ids, live.vectors[::-1]), path)";
    let cut = "import os\ndef harm(self, build, live, path):\n    build(self, live, path)\n    os.truncate(path, 20000)";
    let metric = "def harm(self, build, live, path):\n    import faiss, hnswlib\n    if hasattr(self, 'inner'): self.index = faiss.IndexIDMap2(faiss.IndexHNSWFlat(32, 16, faiss.METRIC_INNER_PRODUCT)); faiss.write_index(self.index, self.place + '.ip'); self.place += '.ip'\n    if hasattr(self, 'name'): self.name = 'euclidean'\n    if hasattr(self, 'options'): self.metric = 'l2'\n    build(self, live, path)\n    self.metric = {'f': 'l2', 'h': 'cosine', 'a': 'cosine'}[os.path.basename(self.place)[0]]\nimport os";
    let blind = "def harm(self, build, live, path): build(self, live, path)\nask = proof.measure\ndef measure(store, truth):\n    if os.path.basename(store.place) == 'new':\n        good = store.query\n        store.query = lambda vector, count: good(vector, count)[:8]\n    return ask(store, truth)\nproof.measure = measure\nimport os";
    let (three, one) = (STORES.join(";"), STORES[1]);
    for (harm, why, stores, times) in [
        (less, "the new one lacks 50 of 1400 vectors", &*three, 3),
        (mixed, "of the new one's vectors are not the source's", one, 1),
        (cut, "the new one could not be made", one, 1),
        (metric, "the old one stays", &*three, 3),
        (blind, "the new one's recall is", one, 1),
    ] {
        let outcome = run(tampered(&stack, &all(harm)).env("VECTOR_STORES", stores)).expect(1);
        assert!(outcome.stderr.matches(why).count() == times, "{harm}: {}", outcome.stderr);
        let _ = fs::remove_file(stack.path("data/f.faiss.ip"));
        unchanged(harm);
    }
    assert!(actions(&stack).iter().all(|action| action["result"] == "failed"));
}

#[test]
fn row_3_1_what_another_program_writes_to_an_index_file_meanwhile_stays() {
    let Some(stack) = small_stack() else { return };
    let file = stack.path("data/h.bin");
    // One that has it open to write.
    let mut writer = fs::OpenOptions::new().append(true).open(&file).unwrap();
    let outcome = run(task(&stack, "tasks/defragment.sh").env("VECTOR_STORES", STORES[1])).expect(1);
    told(&outcome, "another program writes to it; nothing was changed");
    writer.write_all(b"").unwrap();
    drop(writer);
    // One that replaces it, and one that writes into it, while the new one is built; and one at the very last moment.
    let mid = "import hnswlib_store\nbuild = hnswlib_store.Store.build\ndef harm(self, live, path):\n    build(self, live, path)\n    HARM\nhnswlib_store.Store.build = harm";
    let last = "import swap, os, shutil\nexchange = swap.exchange\ndef late(one, other):\n    swap.exchange = exchange\n    HARM\n    exchange(one, other)\nself = type('s', (), {'place': 'data/h.bin'})\nswap.exchange = late";
    let replace = "import shutil, os; shutil.copy(self.place, self.place + '.part'); os.replace(self.place + '.part', self.place)";
    let write = "os.system('printf x >>' + self.place) if 'os' in globals() else __import__('os').system('printf x >>' + self.place)";
    let good = fs::read(&file).unwrap();
    for (at, write) in [(mid, replace), (mid, write), (last, replace)] {
        let mut bytes = fs::read(&file).unwrap();
        if write.contains("printf") {
            bytes.push(b'x');
        }
        let outcome =
            run(tampered(&stack, &at.replace("HARM", write)).env("VECTOR_STORES", STORES[1])).expect(1);
        told(&outcome, "was written to meanwhile; nothing was changed");
        assert!(fs::read(&file).unwrap() == bytes, "what the other program wrote");
        fs::write(&file, &good).unwrap();
    }
}

#[test]
fn row_3_1_a_rebuild_that_is_killed_at_any_step_leaves_the_old_file_or_the_new_one() {
    let Some(stack) = small_stack() else { return };
    let (file, old) = (stack.path("data/h.bin"), fs::read(stack.path("data/h.bin")).unwrap());
    // Before each step that changes a name or opens a file to write.
    let harm = "import os, signal, numpy\nsteps = [0]\ndef hook(event, words):\n    if event in ('os.mkdir', 'os.rename', 'os.remove', 'os.rmdir', 'os.chmod') or event == 'ctypes.dlsym' and words[1] == 'renameat2' or event == 'open' and isinstance(words[2], int) and words[2] & 3:\n        steps[0] += 1\n        if steps[0] == int(os.environ['KILL_AT']): os.kill(os.getpid(), signal.SIGKILL)\nsys.addaudithook(hook)";
    let (mut steps, mut news) = (0, 0);
    loop {
        assert!(steps < 40, "it never ends well");
        steps += 1;
        fs::write(&file, &old).unwrap();
        let mut defragment = tampered(&stack, harm);
        let outcome = run(defragment.env("VECTOR_STORES", STORES[1]).env("KILL_AT", steps.to_string()));
        if outcome.status == Some(0) {
            break;
        }
        assert_eq!(outcome.status, Some(1), "step {steps}: {}", outcome.stderr);
        if fs::read(&file).unwrap() != old {
            news += 1;
            assert_eq!(check(&stack, STORES[1])["vectors"], 210, "step {steps}");
        }
    }
    assert!(steps > 6 && news > 0, "{steps} steps, {news} of them after the swap");
    assert_eq!(names(&stack.path("data")).iter().filter(|name| name.starts_with('.')).count(), 0);
}

#[test]
fn row_3_1_a_full_disk_and_a_folder_that_cannot_be_written_leave_the_old_file() {
    let Some(stack) = small_stack() else { return };
    let line = "mount -t tmpfs -o size=160k none disk || exit 99; cp -a data/* disk/ || exit 98; cp disk/h.bin before
        \"$0\" 'hnswlib:disk/h.bin?dimensions=32&metric=cosine'; echo full $?; cmp before disk/h.bin && ls -A disk
        STORES_PYTHON=./no-look; \"$0\" 'hnswlib:disk/h.bin?dimensions=32&metric=cosine'; echo filled $?; cmp before disk/h.bin && ls -A disk
        mount -o remount,ro disk; \"$0\" 'hnswlib:disk/h.bin?dimensions=32&metric=cosine'; echo read-only $?; cmp before disk/h.bin";
    fs::create_dir(stack.path("disk")).unwrap();
    for file in ["f.faiss", "a.ann", "others.npz", "few.npz"] {
        fs::remove_file(stack.path("data").join(file)).unwrap();
    }
    // One that does not look at the free space first.
    let blind = tampered(&stack, "import rebuild\nrebuild.swap.room = lambda folder, needed: None");
    let stub = blind.get_envs().find(|(key, _)| *key == "STORES_PYTHON").unwrap().1.unwrap();
    std::os::unix::fs::symlink(stub, stack.path("no-look")).unwrap();
    let defragment = task(&stack, "tasks/defragment.sh");
    let mut bash = command("unshare");
    bash.args(["--mount", "bash", "-c", &line.replace("STORES_PYTHON=", "export STORES_PYTHON=")]);
    bash.arg(defragment.get_program())
        .envs(defragment.get_envs().filter_map(|(key, value)| Some((key, value?))));
    bash.env("VECTOR_SOURCES", "disk/h.bin=data/live.npz").current_dir(stack.home());
    let outcome = run(&mut bash);
    if outcome.status == Some(99) || outcome.stderr.contains("unshare failed") {
        return skip("no file system of one's own here (needs root)");
    }
    assert_eq!(
        outcome.stdout, "full 1\nh.bin\nlive.npz\nfilled 1\nh.bin\nlive.npz\nread-only 1\n",
        "{}",
        outcome.stderr
    );
    for why in ["bytes free in", "no room is left for it", "could not write in"] {
        told(&outcome, why);
    }
}

#[test]
fn row_3_14_missing_and_other_libraries_unnamed_sources_and_protected_files_are_said_plainly() {
    let Some(stack) = small_stack() else { return };
    let old = fs::read(stack.path("data/a.ann")).unwrap();
    stack.write("empty/none", "");
    let without = run(task(&stack, "tasks/defragment.sh").env("PYTHONPATH", stack.path("empty"))).expect(1);
    let missing: Vec<_> = without
        .stderr
        .lines()
        .filter(|line| line.contains("is not installed: python3 -m pip install '"))
        .collect();
    assert_eq!(missing.len(), 3, "{}", without.stderr);
    // A version that is not known here.
    stack.write("lib/annoy/__init__.py", "__version__ = '1.8'\n");
    let path = std::env::join_paths([stack.path("lib"), repository().join("target/python")]).unwrap();
    let outcome =
        run(task(&stack, "tasks/defragment.sh").env("PYTHONPATH", path).env("VECTOR_STORES", STORES[2]))
            .expect(1);
    told(&outcome, "annoy 1.8 is not one that is known here: python3 -m pip install 'annoy>=1.17'");
    // What its file does not say, and a wrong word of it.
    for (store, why) in [
        ("annoy:data/a.ann", "its file does not say its dimensions"),
        ("annoy:data/a.ann?dimensions=31", "is no Annoy index of 31 dimensions"),
        ("hnswlib:data/h.bin?dimensions=16&metric=cosine", "the source has 32 dimensions, the index 16"),
        ("hnswlib:data/h.bin?dimensions=32&metric=far", "hnswlib has no metric far"),
        ("hnswlib:data/live.npz?dimensions=32", "names no source"),
        ("faiss:data/none", "names no source"),
    ] {
        told(&run(task(&stack, "tasks/defragment.sh").env("VECTOR_STORES", store)).expect(1), why);
    }
    // Through a link and below a protected folder.
    std::os::unix::fs::symlink(stack.path("data"), stack.path("link")).unwrap();
    let mut protected = task(&stack, "tasks/defragment.sh");
    protected.env("PROTECTED_PATHS", stack.path("data")).env("VECTOR_SOURCES", "link/a.ann=data/live.npz");
    let outcome =
        run(protected.arg(format!("annoy:{}?dimensions=32", stack.path("link/a.ann").display()))).expect(1);
    told(&outcome, "link/a.ann is protected");
    assert!(fs::read(stack.path("data/a.ann")).unwrap() == old);
}

#[test]
fn row_3_1_a_source_may_be_a_table_and_one_that_changes_its_mind_is_read_at_one_moment() {
    let Some(stack) = small_stack() else { return };
    let table = "import json, sqlite3, sys, numpy as np\nlive = np.load('data/live.npz')\nbase = sqlite3.connect('data/v.db')\n\
        base.execute('CREATE TABLE documents (id INTEGER PRIMARY KEY, embedding)')\n\
        for n, (i, v) in enumerate(zip(live['ids'], live['vectors'])): base.execute('INSERT INTO documents VALUES (?, ?)', (int(i), v.tobytes() if n % 2 else json.dumps(v.tolist())))\n\
        base.execute('INSERT INTO documents VALUES (9999, NULL)')\nbase.commit()";
    run(python().args(["-c", table]).current_dir(stack.home())).expect(0);
    let source = |text: &str| {
        let mut defragment = task(&stack, "tasks/defragment.sh");
        run(defragment.env("VECTOR_SOURCES", format!("data/f.faiss={text}")).env("VECTOR_STORES", STORES[0]))
    };
    for (text, why) in [
        ("data/v.db:nothing:id:embedding", "no such table: nothing"),
        ("data/v.db:documents:id:vector", "no such column: s.vector"),
        ("data/none.db:documents:id:embedding", "no such source: data/none.db"),
        ("data/a.ann:documents:id:embedding", "could not read data/a.ann: file is not a database"),
        ("somewhere", "not a source of vectors: somewhere"),
    ] {
        told(&source(text).expect(1), why);
    }
    source("data/v.db:documents:id:embedding").expect(0);
    assert_eq!(check(&stack, STORES[0])["vectors"], 210);
}
