//! `defragment` on a real PostgreSQL: indexes rebuilt while they are used, leftovers found and mended.

use std::process::{Command, Stdio};

use pai_tests::rigs::postgres::{Postgres, can_run};
use pai_tests::{command, repository, run, skip};

use crate::stack::Stack;

fn defragment(stack: &Stack, postgres: &Postgres) -> Command {
    let mut script = stack.script("tasks/defragment.sh");
    script.envs(postgres.environment()).env("DATABASE_SERVICE", "local").env("DEFRAGMENT_LOCK_TIMEOUT", "1");
    script.arg("postgres:letta");
    script
}

/// A table whose index has many holes.
fn bloat(postgres: &Postgres) {
    postgres.with_ledger("letta", 20_000);
    postgres.sql("letta", "CREATE INDEX entry ON ledger (entry); UPDATE ledger SET entry = md5(entry)");
    postgres.sql("letta", "UPDATE ledger SET entry = md5(entry); DELETE FROM ledger WHERE id % 10 <> 0");
    postgres.sql("letta", "VACUUM");
}

const INVALID: &str = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";

#[test]
fn row_3_1_indexes_are_rebuilt_smaller_rows_stay_and_figures_are_recorded() {
    let Some(postgres) = Postgres::start() else { return };
    let stack = Stack::new();
    bloat(&postgres);
    let size = "SELECT sum(pg_relation_size(indexrelid)) FROM pg_index WHERE indrelid = 'ledger'::regclass";
    let rows = "SELECT count(*), sum(id), max(entry) FROM ledger";
    let number = |sql: &str| postgres.sql("letta", sql).parse::<u64>().unwrap();
    let (before, kept) = (number(size), postgres.sql("letta", rows));

    let dry = run(defragment(&stack, &postgres).arg("--dry-run")).expect(0);
    assert!(
        dry.stdout.contains("would run: psql")
            && dry.stdout.contains("REINDEX INDEX CONCURRENTLY public.entry")
    );
    assert_eq!(number(size), before);

    run(&mut defragment(&stack, &postgres)).expect(0);
    assert!(number(size) < before / 2, "{before} {}", number(size));
    assert_eq!(postgres.sql("letta", rows), kept);
    assert_eq!(number("SELECT count(*) FROM pg_stat_user_tables WHERE n_dead_tup > 0"), 0);
    let action: serde_json::Value =
        serde_json::from_str(stack.read("deployment/logs/actions.jsonl").trim_end()).unwrap();
    let figure = |key: &str| action[key].as_f64().unwrap_or_else(|| panic!("{key}: {action}"));
    assert!(figure("after_bytes") < figure("before_bytes") && figure("seconds") > 0.0, "{action}");
    assert_eq!((figure("indexes"), action["target"].as_str()), (2.0, Some("postgres:letta")));
}

#[test]
fn row_3_1_a_leftover_of_a_rebuild_that_broke_off_is_found_and_removed() {
    let Some(postgres) = Postgres::start() else { return };
    let stack = Stack::new();
    bloat(&postgres);
    // A rebuild that gives up because of an old transaction, as a server that is shut down would.
    let mut old = command("psql");
    old.args(["-X", "-q", "-d", "letta"]).envs(postgres.environment()).stdin(Stdio::piped());
    let mut old = old.spawn().unwrap();
    let mut begin = old.stdin.take().unwrap();
    std::io::Write::write_all(&mut begin, b"BEGIN; UPDATE ledger SET id = id WHERE id = 10;\n").unwrap();
    while postgres.sql("letta", "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")
        == "0"
    {}
    let mut broken = command("psql");
    broken.args(["-X", "-d", "letta", "-c", "SET lock_timeout = '100ms'"]).envs(postgres.environment());
    run(broken.args(["-c", "REINDEX INDEX CONCURRENTLY entry"])).expect(1);
    assert_eq!(postgres.sql("letta", "SELECT count(*) FROM pg_class WHERE relname = 'entry_ccnew'"), "1");

    // While it lasts the task's own rebuilds break off, too: complained of, and nothing of theirs is left.
    let held = run(&mut defragment(&stack, &postgres)).expect(1);
    assert!(held.stderr.contains("lock timeout"), "{}", held.stderr);
    let action = stack.read("deployment/logs/actions.jsonl");
    assert!(action.contains("\"result\":\"failed\""), "{action}");

    drop(begin);
    old.wait().unwrap();
    let outcome = run(&mut defragment(&stack, &postgres)).expect(0);
    assert_eq!(postgres.sql("letta", INVALID), "0", "{}", outcome.stdout);
    assert_eq!(postgres.sql("letta", "SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_cc%'"), "0");
    assert!(held.stdout.contains("entry_ccnew was left by a REINDEX that broke off"), "{}", held.stdout);
}

#[test]
fn row_3_1_an_index_that_is_not_valid_is_rebuilt_and_if_its_data_forbid_it_that_is_said() {
    let Some(postgres) = Postgres::start() else { return };
    let stack = Stack::new();
    postgres.with_ledger("letta", 100);
    postgres.sql("letta", "UPDATE ledger SET entry = 'twice' WHERE id <= 2");
    let mut broken = command("psql");
    broken.args(["-X", "-d", "letta", "-c", "CREATE UNIQUE INDEX CONCURRENTLY only_one ON ledger (entry)"]);
    run(broken.envs(postgres.environment())).expect(1);
    assert_eq!(postgres.sql("letta", INVALID), "1");

    let twice = run(&mut defragment(&stack, &postgres)).expect(1);
    assert!(twice.stderr.contains("error: database letta: not valid: public.only_one"), "{}", twice.stderr);
    assert_eq!(postgres.sql("letta", INVALID), "1", "its own leftover is gone");
    postgres.sql("letta", "DELETE FROM ledger WHERE id = 2");
    run(&mut defragment(&stack, &postgres)).expect(0);
    assert_eq!(postgres.sql("letta", INVALID), "0");
}

#[test]
fn row_3_1_a_vector_index_is_an_index_like_any_other() {
    // A build with pgvector in it, which Debian 12 does not have.
    let programs = repository().join("target/python/pgserver/pginstall/bin");
    if !programs.is_dir() || !can_run(&programs) {
        return skip("no pgvector (python3 -m pip install --target target/python pgserver)");
    }
    let postgres = Postgres::start_from(&programs);
    let stack = Stack::new();
    postgres.sql("postgres", "CREATE DATABASE letta");
    postgres.sql(
        "letta",
        "CREATE EXTENSION vector; CREATE TABLE item (id int PRIMARY KEY, embedding vector(3));
         INSERT INTO item SELECT n, ARRAY[n, n % 7, 1]::vector FROM generate_series(1, 3000) n;
         CREATE INDEX near ON item USING hnsw (embedding vector_l2_ops); DELETE FROM item WHERE id % 3 <> 0",
    );
    let nearest =
        "SET enable_seqscan = off; SELECT id FROM item ORDER BY embedding <-> '[2400, 6, 1]' LIMIT 1";
    let size = || postgres.sql("letta", "SELECT pg_relation_size('near')").parse::<u64>().unwrap();
    let before = size();
    run(&mut defragment(&stack, &postgres)).expect(0);
    assert!(size() < before / 2, "{before} {}", size());
    assert_eq!(postgres.sql("letta", nearest), "2400");
    assert_eq!(postgres.sql("letta", INVALID), "0");
}

#[test]
fn row_3_14_a_server_that_does_not_answer_or_has_no_such_database_is_told() {
    let Some(postgres) = Postgres::start() else { return };
    let stack = Stack::new();
    let none = run(&mut defragment(&stack, &postgres)).expect(1);
    assert!(none.stderr.contains("no such database: letta"), "{}", none.stderr);
    let mut away = defragment(&stack, &postgres);
    let gone = run(away.env("PGHOST", "/nonexistent")).expect(2);
    assert!(gone.stderr.contains("could not list the databases"), "{}", gone.stderr);
}
