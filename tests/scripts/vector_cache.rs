//! `cache-rebuild`: the most accessed documents, in a file that is swapped in whole or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use pai_tests::{Outcome, command, has, run, skip};

use crate::stack::Stack;
use crate::support::{mode, names};
use crate::vector_store::sqlite;

/// A stack with a store of 500 documents.
fn stack() -> Option<Stack> {
    if !has("sqlite3") {
        skip("no sqlite3");
        return None;
    }
    let stack = Stack::new();
    fs::create_dir(stack.path("cache")).unwrap();
    sqlite(
        &stack.path("store.db"),
        "CREATE TABLE documents (id INTEGER PRIMARY KEY, body TEXT); CREATE INDEX body ON documents (body);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO documents SELECT i, 'body ' || i FROM n;",
    );
    stack.write("access.csv", "time,document_id,query\n1,7,\"a, b\"\n2,7,x\n3,3,\"say \"\"hi\"\"\"\n4,,y\n5,900,z\n6,900,z\n7,900,z\n");
    stack.write(
        "access.jsonl",
        "{\"document_id\":7}\n{\"document_id\":\"3\"}\nnot json\n{\"other\":1}\n{\"document_id\":12}\n",
    );
    Some(stack)
}

fn rebuild(stack: &Stack, settings: &[(&str, &str)]) -> Outcome {
    stack.settings(
        "CACHE_LOGS=access.csv;access.jsonl\nCACHE_SOURCE=store.db\nCACHE_FILE=cache/hot.db\nCACHE_SIZE=2\n",
    );
    run(stack.script("tasks/cache-rebuild.sh").envs(settings.iter().copied()))
}

fn cache(stack: &Stack) -> PathBuf {
    stack.path("cache/hot.db")
}

#[test]
fn row_3_2_the_cache_has_the_most_accessed_documents_of_all_logs() {
    let Some(stack) = stack() else { return };
    let outcome = rebuild(&stack, &[]).expect(0);
    assert_eq!(sqlite(&cache(&stack), "SELECT * FROM cache_ranking"), "1|7|3\n2|3|2");
    assert_eq!(sqlite(&cache(&stack), "SELECT * FROM documents"), "3|body 3\n7|body 7");
    assert_eq!(
        sqlite(&cache(&stack), "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE INDEX%'"),
        "body"
    );
    for told in
        ["/access.csv name no document", "2 of 5 lines of ", "1 documents of the logs are not in the store"]
    {
        assert!(outcome.stdout.contains(told), "{told}\n{}", outcome.stdout);
    }
    let action: serde_json::Value =
        serde_json::from_str(stack.read("deployment/logs/actions.jsonl").trim_end()).unwrap();
    assert_eq!((action["task"].as_str(), action["documents"].as_u64()), (Some("cache-rebuild"), Some(2)));

    // The logs go on; one that has the old cache open keeps it.
    let size = fs::metadata(cache(&stack)).unwrap().len();
    let old = fs::File::open(cache(&stack)).unwrap();
    stack.write("access.jsonl", &"{\"document_id\":400}\n".repeat(9));
    fs::set_permissions(cache(&stack), fs::Permissions::from_mode(0o640)).unwrap();
    rebuild(&stack, &[]).expect(0);
    assert_eq!(mode(&cache(&stack)), 0o640, "who could read the old one can read this");
    assert_eq!(sqlite(&cache(&stack), "SELECT group_concat(document) FROM cache_ranking"), "400,7");
    assert_eq!(old.metadata().unwrap().len(), size);
    assert_eq!(names(&stack.path("cache")), ["hot.db"]);
}

#[test]
fn row_3_2_after_any_failure_the_old_cache_is_what_it_was() {
    let Some(stack) = stack() else { return };
    rebuild(&stack, &[]).expect(0);
    let before = fs::read(cache(&stack)).unwrap();
    stack.write("empty.csv", "document_id\n");
    stack.write("strangers.csv", "document_id\n901\n902\n");
    stack.write("notes.txt", "not a database, but long enough to be taken for one by its size alone\n");
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[("CACHE_LOGS", "none.csv")], "could not read the access log none.csv"),
        (&[("CACHE_LOGS", "empty.csv")], "not one document of the logs is in the store"),
        (&[("CACHE_LOGS", "strangers.csv")], "not one document of the logs is in the store"),
        (&[("CACHE_FIELD", "doc")], "no such column: line.doc"),
        (&[("CACHE_TABLES", "nothing:id")], "has no table nothing"),
        (&[("CACHE_TABLES", "documents:key")], "no such column: s.key"),
        (&[("CACHE_SOURCE", "notes.txt")], "file is not a database"),
        (&[("CACHE_SIZE", "all")], "not a number of documents: all"),
    ];
    for (settings, reason) in cases {
        let outcome = rebuild(&stack, settings).expect(2);
        assert!(outcome.stderr.contains(reason), "{settings:?}: {}", outcome.stderr);
        assert_eq!(fs::read(cache(&stack)).unwrap(), before, "{settings:?}");
    }
    // Ended in the middle.
    stack.write("long.csv", &format!("document_id\n{}", "7\n".repeat(2_000_000)));
    let mut killed = command("timeout");
    killed.args(["-s", "KILL", "0.2"]).arg(stack.script("tasks/cache-rebuild.sh").get_program());
    killed.envs(
        stack.script("tasks/cache-rebuild.sh").get_envs().filter_map(|(key, value)| Some((key, value?))),
    );
    run(killed.env("CACHE_LOGS", "long.csv"));
    assert_eq!(fs::read(cache(&stack)).unwrap(), before);
    // Somebody made a WAL database of it: SQLite would apply the old log to the new file.
    fs::write(stack.path("cache/hot.db-wal"), "").unwrap();
    let outcome = rebuild(&stack, &[]).expect(2);
    assert!(outcome.stderr.contains("somebody writes to the cache"), "{}", outcome.stderr);
    let failed = stack.read("deployment/logs/actions.jsonl").matches("\"result\":\"failed\"").count();
    assert!(failed >= 5, "{failed}");
}

#[test]
fn row_3_2_a_command_of_ones_own_gets_the_documents_of_another_store() {
    let Some(stack) = stack() else { return };
    let into = format!("cat >{}", stack.path("got").display());
    rebuild(&stack, &[("CACHE_COMMAND", &into), ("CACHE_SOURCE", ""), ("CACHE_FILE", "")]).expect(0);
    // The store is not asked: a document that is gone is its command's business. Equals are in order of name.
    assert_eq!(stack.read("got"), "7\n900\n");
    let failed = rebuild(&stack, &[("CACHE_COMMAND", "exit 3")]).expect(2);
    assert!(failed.stderr.contains("CACHE_COMMAND: exit 3"), "{}", failed.stderr);
    let dry = run(stack.script("tasks/cache-rebuild.sh").arg("--dry-run")).expect(0);
    assert!(dry.stdout.contains("would take the 2 most accessed documents"), "{}", dry.stdout);
    assert!(!cache(&stack).exists());
    let none = run(&mut Stack::new().script("tasks/cache-rebuild.sh")).expect(75);
    assert!(none.stderr.contains("no access log is set up"), "{}", none.stderr);
}
