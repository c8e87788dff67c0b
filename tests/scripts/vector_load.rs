//! `stress-test` and `performance-test`: what they count is what was sent, and their limits can be broken.

use std::process::Command;
use std::time::Duration;

use pai_tests::rigs::http::{Answer, Http, refusing_url};
use pai_tests::rigs::postgres::Postgres;
use pai_tests::{Outcome, has, run, skip};
use serde_json::Value;

use crate::stack::Stack;
use crate::vector_store::sqlite;

fn ready() -> bool {
    let ready = has("python3") && has("jq");
    if !ready {
        skip("no python3 or no jq");
    }
    ready
}

fn test(stack: &Stack, which: &str, target: &str, options: &str) -> Outcome {
    run(script(stack, which).arg(target).args(options.split_whitespace()))
}

fn script(stack: &Stack, which: &str) -> Command {
    stack.script(&format!("tasks/{which}-test.sh"))
}

fn results(stack: &Stack, which: &str) -> Value {
    let name = if which == "stress" { "stress_test_results.json" } else { "performance_results.json" };
    serde_json::from_str(&stack.read(&format!("deployment/logs/{name}"))).expect("the results are JSON")
}

fn figure(results: &Value, key: &str) -> f64 {
    results["summary"][key].as_f64().unwrap_or_else(|| panic!("{key}: {}", results["summary"]))
}

#[test]
fn row_3_6_what_is_reported_is_what_the_server_counted_and_the_arithmetic_holds() {
    if !ready() {
        return;
    }
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/search", Answer::new(200, "ok").after(Duration::from_millis(20)));
    let outcome =
        test(&stack, "performance", &http.url("/search"), "--requests 60 --concurrency 6").expect(0);
    let results = results(&stack, "performance");
    assert_eq!(http.count("/search"), 60);
    let keys =
        ["total_queries", "success_count", "fail_count", "timeouts"].map(|key| &results["summary"][key]);
    assert_eq!(keys, [60, 60, 0, 0]);

    // Every figure again, from the single latencies.
    let mut latencies: Vec<f64> = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["latency"].as_f64().unwrap())
        .collect();
    latencies.sort_by(f64::total_cmp);
    assert!(latencies.len() == 60 && latencies[0] >= 0.02, "{latencies:?}");
    let mean = latencies.iter().sum::<f64>() / 60.0;
    let expected = [
        ("min_latency", latencies[0]),
        ("max_latency", latencies[59]),
        ("avg_latency", mean),
        ("p50_latency", latencies[29]),
        ("p95_latency", latencies[56]),
        ("p99_latency", latencies[59]),
        ("throughput_qps", 60.0 / results["duration"].as_f64().unwrap()),
    ];
    for (key, value) in expected {
        assert!(
            (figure(&results, key) - value).abs() < 0.01 + value * 1e-4,
            "{key}: {value} {}",
            results["summary"]
        );
    }
    // Over the time that passed, six at a time: not over the sum of the latencies.
    assert!(figure(&results, "throughput_qps") > 1.2 / mean, "{}", results["summary"]);
    assert!(outcome.stdout.contains("60 requests, 6 at a time: 0 failed, p50 "), "{}", outcome.stdout);
    let action: Value = serde_json::from_str(stack.read("deployment/logs/actions.jsonl").trim_end()).unwrap();
    assert_eq!((action["task"].as_str(), action["requests"].as_u64()), (Some("performance-test"), Some(60)));
}

#[test]
fn row_3_6_each_limit_can_be_broken_and_each_kind_of_failure_is_counted() {
    if !ready() {
        return;
    }
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/ok", Answer::new(200, "ok").after(Duration::from_millis(30)));
    http.answer("/broken", Answer::new(500, "oops"));
    http.answer("/moved", Answer::redirect("/ok"));
    http.answer("/hanging", Answer::hanging());
    let small = "--requests 8 --concurrency 4";
    let cases = [
        (http.url("/ok"), "--max-p95 0.02 --timeout 60s", "4 at a time: p95 ", "", 0),
        (
            http.url("/ok"),
            "--min-throughput 100000 --timeout 60s",
            "queries a second, less than 100000",
            "",
            0,
        ),
        (http.url("/broken"), "--timeout 60s", "8 errors, more than 0", "status 500", 8),
        (http.url("/moved"), "--max-errors 7 --timeout 60s", "8 errors, more than 7", "status 302", 8),
        (http.url("/hanging"), "--timeout 1s", "not one good answer", "timeout", 8),
        (refusing_url(), "--timeout 60s", "not one good answer", "Connection refused", 8),
    ];
    for (url, limit, complaint, kind, failed) in &cases {
        let outcome = test(&stack, "performance", url, &format!("{small} {limit}")).expect(1);
        assert!(outcome.stderr.contains(complaint), "{url} {limit}: {}", outcome.stderr);
        let results = results(&stack, "performance");
        assert_eq!(results["summary"]["errors"][kind].as_u64().unwrap_or_default(), *failed, "{url}");
        assert_eq!(results["summary"]["fail_count"], *failed, "{url}");
    }
    // The same, within the limits.
    test(
        &stack,
        "performance",
        &http.url("/broken"),
        &format!("{small} --max-errors 8 --min-throughput 0 --timeout 60s"),
    )
    .expect(1);
    test(
        &stack,
        "performance",
        &http.url("/ok"),
        &format!("{small} --max-p95 30 --min-throughput 0 --timeout 60s"),
    )
    .expect(0);
    assert_eq!(http.count("/hanging"), 8, "a query that timed out is not sent again");
    // What the time did not suffice for is missed, not passed.
    let short = test(&stack, "performance", &http.url("/ok"), "--requests 100000 --duration 1s").expect(1);
    assert!(short.stderr.contains("of 100000 queries within 1 s"), "{}", short.stderr);
    let sent = http.count("/ok");
    assert_eq!(sent as u64, 8 * 3 + results(&stack, "performance")["total_requests"].as_u64().unwrap());
}

#[test]
fn row_3_6_queries_go_out_by_post_in_turn_with_the_headers() {
    if !ready() {
        return;
    }
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/query", Answer::new(200, "[]"));
    stack.write("queries", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n");
    let mut script = script(&stack, "performance");
    script.args(["--query", &format!("@{}", stack.path("queries").display()), "--requests", "10"]);
    script.args(["--header", "Authorization: Bearer abc", "--output"]).arg(stack.path("mine.json"));
    run(script.env("LOAD_TARGET", http.url("/query"))).expect(0);
    let requests = http.requests();
    let sent = |text: &str| requests.iter().filter(|request| request.text() == text).count();
    assert_eq!((sent("{\"text\": \"one\"}"), sent("{\"text\": \"two\"}")), (5, 5));
    assert!(requests.iter().all(|request| request.method == "POST"
        && request.header("authorization") == Some("Bearer abc")
        && request.header("content-type") == Some("application/json")));
    assert!(stack.path("mine.json").exists());
}

#[test]
fn row_3_6_stores_are_asked_through_their_own_clients() {
    if !ready() || !has("sqlite3") {
        return;
    }
    let stack = Stack::new();
    let store = stack.path("store.db");
    sqlite(&store, "CREATE TABLE documents (id); INSERT INTO documents VALUES (1), (2)");
    let ask = |target: &str, query: &str| {
        let mut script = script(&stack, "performance");
        run(script.arg(target).args([
            "--query",
            query,
            "--requests",
            "12",
            "--concurrency",
            "3",
            "--min-throughput",
            "0",
        ]))
    };
    let path = store.to_str().unwrap();
    ask(path, "SELECT count(*) FROM documents").expect(0);
    assert_eq!(results(&stack, "performance")["summary"]["success_count"], 12);
    let bad = ask(path, "SELECT count(*) FROM missing").expect(1);
    assert!(bad.stdout.contains("12 x Parse error near line 1: no such table: missing"), "{}", bad.stdout);
    // A test of how fast it answers changes nothing.
    ask(path, "DELETE FROM documents").expect(1);
    assert_eq!(sqlite(&store, "SELECT count(*) FROM documents"), "2");
    assert!(ask(path, "").expect(2).stderr.contains("a store needs a --query"));

    let Some(postgres) = Postgres::start() else { return };
    postgres.sql("postgres", "CREATE SEQUENCE asked");
    let mut load = script(&stack, "performance");
    load.envs(postgres.environment()).env("DATABASE_SERVICE", "local").arg("postgres:postgres");
    load.args(["--query", "SELECT nextval('asked')", "--requests", "40", "--concurrency", "4"]);
    run(&mut load).expect(0);
    assert_eq!(postgres.sql("postgres", "SELECT last_value FROM asked"), "40", "the server's own count");
    let mut load = script(&stack, "performance");
    load.envs(postgres.environment()).env("DATABASE_SERVICE", "local").arg("postgres:postgres");
    let bad = run(load.args(["--query", "SELECT 1 / 0", "--requests", "4", "--concurrency", "2"])).expect(1);
    assert!(bad.stdout.contains("division by zero"), "{}", bad.stdout);
}

#[test]
fn row_3_5_a_stress_test_goes_up_in_stages_and_its_count_is_the_servers() {
    if !ready() {
        return;
    }
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/search", Answer::new(200, "ok"));
    let outcome =
        test(&stack, "stress", &http.url("/search"), "--requests 30 --concurrency 6 --max-p95 60").expect(0);
    let results = results(&stack, "stress");
    let stages: Vec<u64> = results["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["concurrency"].as_u64().unwrap())
        .collect();
    assert_eq!(stages, [1, 2, 4, 6]);
    assert_eq!(
        (http.count("/search"), results["total_requests"].as_u64(), results["withstood"].as_u64()),
        (120, Some(120), Some(6))
    );
    for key in ["concurrency", "start_time", "end_time", "duration", "memory_percent", "cpu_percent"] {
        assert!(results[key].is_number(), "{key}");
    }
    assert_eq!(
        (results["errors"].as_array().unwrap().len(), results["results"].as_array().unwrap().len()),
        (0, 120)
    );
    assert_eq!(outcome.stdout.lines().filter(|line| line.starts_with("30 requests")).count(), 4);
}

#[test]
fn row_3_5_it_stops_at_the_stage_that_breaks_and_says_what_was_withstood() {
    if !ready() {
        return;
    }
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/broken", Answer::new(503, "too many"));
    let outcome = test(&stack, "stress", &http.url("/broken"), "--requests 10 --concurrency 8").expect(1);
    let first = results(&stack, "stress");
    assert_eq!(
        (http.count("/broken"), first["withstood"].as_u64()),
        (10, Some(0)),
        "nothing is sent to what is broken"
    );
    assert_eq!(first["errors"].as_array().unwrap().len(), 10);
    assert!(outcome.stderr.contains("1 at a time: 10 errors, more than 0"), "{}", outcome.stderr);
    http.answer("/hanging", Answer::hanging());
    test(&stack, "stress", &http.url("/hanging"), "--requests 2 --concurrency 1 --timeout 1s").expect(1);
    assert_eq!(results(&stack, "stress")["timeouts"].as_array().unwrap().len(), 2);

    let none = run(&mut script(&stack, "stress")).expect(75);
    assert!(none.stderr.contains("LOAD_TARGET"), "{}", none.stderr);
    for bad in ["--requests 0", "--requests many", "--max-p95 fast", "--no-such-option", "--header nothing"] {
        test(&stack, "stress", "http://localhost/", bad).expect(2);
    }
    let dry = test(&stack, "stress", &http.url("/never"), "--dry-run").expect(0);
    assert!(dry.stdout.contains("would send 1000 requests") && http.count("/never") == 0, "{}", dry.stdout);
}
