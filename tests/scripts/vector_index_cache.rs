//! `cache-rebuild` with an index of the most accessed documents' vectors, and `cache-query`.

use std::fs;

use pai_tests::{Outcome, run};

use crate::stack::Stack;
use crate::support::names;
use crate::vector_files::{actions, has_libraries, python, task};

/// A stack with 300 documents, the odd ones of 1 to 599; the logs know of two days, and of documents that are no more.
fn stack() -> Option<Stack> {
    if !has_libraries(&["annoy", "hnswlib", "usearch", "numpy"]) {
        return None;
    }
    let stack = Stack::new();
    for folder in ["data", "cache"] {
        fs::create_dir(stack.path(folder)).unwrap();
    }
    let maker = "import numpy as np, sqlite3\nvectors = np.random.default_rng(3).standard_normal((300, 16)).astype('f4')\n\
        base = sqlite3.connect('data/v.db')\nbase.execute('CREATE TABLE documents (id INTEGER PRIMARY KEY, embedding BLOB)')\n\
        base.executemany('INSERT INTO documents VALUES (?, ?)', [(2 * n + 1, v.tobytes()) for n, v in enumerate(vectors)])\nbase.commit()";
    run(python().args(["-c", maker]).current_dir(stack.home())).expect(0);
    // The first day asks for 1, 3, 5 ...; the last one for 101, 103, ... and twice for 4, which is gone.
    let mut log = "time,document_id\n".to_owned();
    for (day, first) in [(20, 1), (21, 101)] {
        for number in 0..20 {
            let line = format!("2026-11-{day}T10:{number:02}:00Z,{}\n", first + 2 * number);
            log += &line.repeat(if day == 20 { 2 } else { 1 });
        }
    }
    log += "2026-11-21T11:00:00Z,4\n2026-11-21T11:00:01Z,4\n";
    stack.write("access.csv", &log);
    stack.settings(
        "CACHE_KIND=annoy\nCACHE_LOGS=access.csv\nCACHE_SOURCE=data/v.db:documents:id:embedding\nCACHE_FILE=cache/hot.json\nCACHE_SIZE=20\n",
    );
    Some(stack)
}

fn rebuild(stack: &Stack, settings: &[(&str, &str)]) -> Outcome {
    run(task(stack, "tasks/cache-rebuild.sh").envs(settings.iter().copied()))
}

fn query(stack: &Stack, words: &[&str]) -> String {
    run(task(stack, "tasks/cache-query.sh").args(words)).expect(0).stdout
}

fn cache(stack: &Stack) -> serde_json::Value {
    serde_json::from_str(&stack.read("cache/hot.json")).unwrap()
}

#[test]
fn row_3_2_the_cache_is_an_index_of_the_most_accessed_documents_and_its_hit_rate_is_told() {
    let Some(stack) = stack() else { return };
    let dry = run(task(&stack, "tasks/cache-rebuild.sh").arg("--dry-run")).expect(0);
    assert!(dry.stdout.contains("would be the 20 most accessed documents (40 accesses)"), "{}", dry.stdout);
    assert!(names(&stack.path("cache")).is_empty());

    let outcome = rebuild(&stack, &[]).expect(0);
    assert!(outcome.stdout.contains("1 documents of the logs are not in the store"), "{}", outcome.stdout);
    let first = cache(&stack);
    let expected: Vec<_> = (0..20).map(|number| 2 * number + 1).collect();
    let mut ids: Vec<_> = first["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!((first["kind"].as_str(), first["metric"].as_str()), (Some("annoy"), Some("angular")));
    // As its readers do: the JSON file first, then the index it names.
    let reader = "import json, annoy\nsaid = json.load(open('cache/hot.json'))\nindex = annoy.AnnoyIndex(said['dimensions'], said['metric'])\n\
        index.load('cache/' + said['index'])\nprint(said['ids'][index.get_nns_by_item(said['ids'].index(7), 1)[0]], index.get_n_items())";
    assert_eq!(run(python().args(["-c", reader]).current_dir(stack.home())).expect(0).stdout, "7 20\n");
    assert_eq!(query(&stack, &["--id", "7", "--count", "1"]), "7\n");

    // Of each other kind; forty now, so that the last day's documents are in it. The index before it stays one run more.
    for kind in ["hnswlib", "usearch", "annoy"] {
        rebuild(&stack, &[("CACHE_KIND", kind), ("CACHE_SIZE", "40")]).expect(0);
        assert_eq!(cache(&stack)["kind"], kind);
        assert_eq!(query(&stack, &["--id", "105", "--count", "1"]), "105\n", "{kind}");
        assert_eq!(names(&stack.path("cache")).len(), 4, "{:?}", names(&stack.path("cache")));
    }
    let records = actions(&stack);
    let rates: Vec<_> =
        records.iter().map(|one| (one["hits_before"].as_f64(), one["hits"].as_f64())).collect();
    // 20 of the last day's 22 accesses can be answered.
    assert_eq!(
        rates,
        [
            (None, Some(0.0)),
            (Some(0.0), Some(0.9091)),
            (Some(0.9091), Some(0.9091)),
            (Some(0.9091), Some(0.9091))
        ]
    );
    rebuild(&stack, &[]).expect(0);
    let told = query(&stack, &[]);
    assert!(told.contains("22 accesses of 21 documents\nbefore: hit rate 90.9 %"), "{told}");
    assert!(told.contains("\nnow: hit rate 0.0 %"), "{told}");
}

#[test]
fn row_3_2_a_new_index_that_is_not_good_or_cannot_be_made_leaves_the_old_cache() {
    let Some(stack) = stack() else { return };
    rebuild(&stack, &[]).expect(0);
    let old = (names(&stack.path("cache")), stack.read("cache/hot.json"));
    stack.write("strangers.csv", "document_id\n2\n4\n");
    // An Annoy that loses a document, and one that turns vectors round.
    for (harm, why) in [
        ("write(path, numbers[1:], vectors[1:], metric)", "the new one lacks 1 of 20 vectors"),
        ("write(path, numbers, -vectors, metric)", "100 % of the new one's vectors are not the source's"),
    ] {
        let text = format!(
            "import os, sys, runpy\nsys.dont_write_bytecode = True\nsys.argv = sys.argv[2:]\nsys.path.insert(0, os.path.dirname(sys.argv[0]))\n\
             import annoy_store\nwrite = annoy_store.write\nannoy_store.write = lambda path, numbers, vectors, metric: {harm}\n\
             runpy.run_path(sys.argv[0], run_name='__main__')\n"
        );
        stack.write("harm.py", &text);
        let stub = stack
            .programs(&[("harmful", &format!("exec python3 {} \"$@\"", stack.path("harm.py").display()))]);
        let outcome = rebuild(&stack, &[("STORES_PYTHON", stub.join("harmful").to_str().unwrap())]).expect(1);
        assert!(outcome.stderr.contains(why), "{}", outcome.stderr);
        assert_eq!((names(&stack.path("cache")), stack.read("cache/hot.json")), old);
    }
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("CACHE_KIND", "tree")], "CACHE_KIND is sqlite, annoy, hnswlib or usearch: tree"),
        (
            &[("CACHE_LOGS", "strangers.csv")],
            "not one document of the logs is in the store; the old cache stays",
        ),
        (&[("CACHE_SOURCE", "data/v.db:nothing:id:embedding")], "no such table: nothing"),
        (&[("CACHE_SOURCE", "data/none.db:documents:id:embedding")], "no such source: data/none.db"),
        (&[("PROTECTED_PATHS", "cache")], "is protected (cache)"),
        (&[("PYTHONPATH", "/nonexistent")], "numpy is not installed: python3 -m pip install 'numpy"),
    ];
    for (settings, why) in cases {
        let outcome = rebuild(&stack, settings).expect(2);
        assert!(outcome.stderr.contains(why), "{settings:?}: {}", outcome.stderr);
        assert_eq!((names(&stack.path("cache")), stack.read("cache/hot.json")), old, "{settings:?}");
    }
    assert!(actions(&stack).iter().skip(1).all(|one| one["result"] == "failed"));
    let gone = run(task(&stack, "tasks/cache-query.sh").args(["--id", "4"])).expect(2);
    assert!(gone.stderr.contains("cache-query: error: not in the cache: 4"), "{}", gone.stderr);
}

#[test]
fn row_3_2_a_reader_of_the_cache_finds_an_index_that_belongs_to_it_at_every_moment() {
    let Some(stack) = stack() else { return };
    // Before every step that gives a file a name, what a reader finds is whole.
    let harm = "import json, os, sys, runpy\nsys.dont_write_bytecode = True\nsys.argv = sys.argv[2:]\nsys.path.insert(0, os.path.dirname(sys.argv[0]))\nimport hashlib\n\
        def look(event, words):\n    if event not in ('os.rename', 'os.remove', 'os.link') or not os.path.exists('cache/hot.json'): return\n\
        \x20   said = json.load(open('cache/hot.json'))\n    digest = hashlib.sha256(open('cache/' + said['index'], 'rb').read()).hexdigest()\n\
        \x20   assert digest[:12] in said['index'], said['index']\n    open('looked', 'a').write('x')\n\
        sys.addaudithook(look)\nrunpy.run_path(sys.argv[0], run_name='__main__')\n";
    stack.write("look.py", harm);
    let stub =
        stack.programs(&[("looking", &format!("exec python3 {} \"$@\"", stack.path("look.py").display()))]);
    for size in ["20", "25", "30"] {
        rebuild(&stack, &[("CACHE_SIZE", size), ("STORES_PYTHON", stub.join("looking").to_str().unwrap())])
            .expect(0);
    }
    assert!(stack.read("looked").len() >= 8, "{}", stack.read("looked"));
}
