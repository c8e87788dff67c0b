//! `maintenance-report`: built from real records, honest about what is missing, readable on a phone.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pai_tests::rigs::browser;
use pai_tests::{Outcome, command, has, run, sh, skip, wait_until};

use crate::stack::Stack;
use crate::support::names;

fn report(stack: &Stack, arguments: &[&str]) -> Outcome {
    run(stack.script("tasks/maintenance-report.sh").args(arguments))
}

fn text(stack: &Stack) -> String {
    stack.read("deployment/logs/maintenance_report.txt")
}

/// The lines of a part of the report, without its title.
fn part(text: &str, title: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| !line.starts_with(title)).skip(1);
    lines.take_while(|line| line.starts_with(' ')).map(|line| line.trim().to_owned()).collect()
}

/// Hourly figures up to now: memory that leaks, a flat disk.
fn figures(stack: &Stack) {
    // One look at the clock: a slow machine must not move the points.
    let script = "echo timestamp,memory_mb,cpu_percent,disk_percent,bytes_sent,bytes_recv,gpu_load,gpu_mem; now=$(date +%s); \
                  for hour in {100..0}; do echo \"$(date -Iseconds -d @$((now - hour * 3600))),$((600 - hour + hour % 3)),$((hour % 7)),42.50,1,2,,\"; done";
    stack.write(
        "deployment/logs/usage_metrics_log.csv",
        &run(command("bash").args(["-c", script])).expect(0).stdout,
    );
}

#[test]
fn row_3_7_an_empty_stack_gets_a_report_that_names_every_missing_input() {
    let stack = Stack::new();
    report(&stack, &["--dry-run"]).expect(0);
    assert!(!stack.logs().join("maintenance_report.txt").exists());
    report(&stack, &[]).expect(0);
    let text = text(&stack);
    let mut lines = text.lines();
    let first = lines.next().unwrap();
    let time = first.strip_prefix("Maintenance Report - Generated ").expect(first);
    run(command("date").args(["-d", time])).expect(0);
    assert_eq!(lines.next(), Some("=".repeat(60).as_str()));
    let missing = part(&text, "Missing Inputs").join("\n");
    for input in [
        "maintenance.jsonl",
        "actions.jsonl",
        "usage_metrics_log.csv",
        "backups: none in",
        "stress_test_results.json",
        "performance_results.json",
        "no logs like",
    ] {
        assert!(missing.contains(input), "{input} in {missing}");
    }
    assert_eq!(part(&text, "Needs a look"), ["nothing"]);
}

#[test]
fn row_3_7_the_report_tells_of_real_runs_their_failures_metrics_and_backups() {
    let stack = Stack::new();
    let tasks = stack.path("tasks");
    fs::create_dir_all(&tasks).unwrap();
    stack.write("tasks/good.sh", "#!/bin/sh\ntrue\n");
    stack.write("tasks/bad.sh", "#!/bin/sh\necho 'bad: error: no <b>room</b> & \"time\"' >&2\nexit 2\n");
    sh("chmod 755 good.sh bad.sh", &tasks).expect(0);
    let mut maintenance = stack.script("maintenance.sh");
    run(maintenance.args(["good", "bad", "--folder"]).arg(&tasks)).expect(2);
    figures(&stack);
    stack.write("deployment/backups/old-dump.sql", "0123456789");
    run(command("touch").args(["-d", "50 hours ago"]).arg(stack.backups().join("old-dump.sql"))).expect(0);
    let file = stack.path("report.html");
    run(stack
        .script("tasks/maintenance-report.sh")
        .env("TREND_MEMORY_LIMIT", "1000")
        .arg("--html")
        .arg(&file))
    .expect(0);
    let (text, html) = (text(&stack), fs::read_to_string(&file).unwrap());
    let runs = part(&text, "Last Run of Each Task").join("\n");
    assert!(runs.contains("good") && runs.contains("ok") && runs.contains("failed"), "{runs}");
    let attention = part(&text, "Needs a look").join("\n");
    for found in [
        "bad failed",
        "no <b>room</b> & \"time\"",
        "memory_mb grows: +1 MB a sample, +24 MB a day; 1000 MB in about 17 days (101 points since",
        "is 2 d old: old-dump.sql",
    ] {
        assert!(attention.contains(found), "{found} in {attention}");
    }
    assert!(!attention.contains("autocorrelation"), "for --verbose: {attention}");
    let metrics = part(&text, "Metrics");
    let memory: Vec<&str> =
        metrics.iter().find(|line| line.starts_with("memory_mb")).unwrap().split_whitespace().collect();
    assert_eq!(memory, ["memory_mb", "501", "600", "550.99", "600", "101"]);
    assert!(part(&text, "Backups").join("\n").contains("old-dump.sql"), "{text}");
    // What others wrote into the records is text, not HTML.
    assert!(html.contains("no &lt;b&gt;room&lt;/b&gt; &amp;") && !html.contains("<b>room"), "{html}");
    // The report is an action, too.
    let recorded = stack.read("deployment/logs/actions.jsonl");
    let last: serde_json::Value = serde_json::from_str(recorded.lines().last().unwrap()).unwrap();
    assert_eq!((last["task"].as_str(), last["result"].as_str()), (Some("maintenance-report"), Some("ok")));
    report(&stack, &[]).expect(0);
    assert!(
        part(&crate::report::text(&stack), "Recent Maintenance Actions")
            .join("\n")
            .contains("maintenance-report")
    );
}

#[test]
fn row_3_7_one_cause_of_many_failures_is_told_once_and_stores_have_their_sizes_over_time() {
    let stack = Stack::new();
    let mut records = String::new();
    let daemon =
        "the docker daemon does not answer: Cannot connect to the Docker daemon at unix:///x. Is it running?";
    for (task, why) in [
        ("health-check", daemon.to_owned()),
        ("image-update", daemon.to_owned()),
        ("docker-cleanup", format!("could not look: {daemon}")),
        ("database-maintenance", "dial unix /var/run/docker.sock: connect: no such file".to_owned()),
        ("security-review", daemon.to_owned()),
        ("certificate-check", "certificate of x ends in 3 days".to_owned()),
    ] {
        writeln!(
            records,
            "{{\"type\":\"task\",\"time\":\"2026-11-21T02:00:00+00:00\",\"task\":\"{task}\",\"mode\":\"real\",\"status\":\"failed\",\"exit\":2,\"seconds\":1.5,\"reason\":\"error: exit 2: {why}\"}}"
        )
        .unwrap();
    }
    stack.write("deployment/logs/maintenance.jsonl", &records);
    let mut actions = String::new();
    for (day, before, after) in [(14, 5000, 3000), (21, 6000, 3072), (28, 7000, 4096)] {
        writeln!(
            actions,
            "{{\"time\":\"2026-11-{day}T02:00:04+00:00\",\"task\":\"defragment\",\"target\":\"faiss:/srv/<a>.faiss\",\"action\":\"rebuild\",\"result\":\"ok\",\"before_bytes\":{before},\"after_bytes\":{after},\"vectors\":1400,\"p95_ms_before\":2.5,\"p95_ms\":1.25,\"recall_before\":0.71,\"recall\":0.99}}"
        )
        .unwrap();
    }
    stack.write("deployment/logs/actions.jsonl", &actions);
    let file = stack.path("report.html");
    report(&stack, &["--html", file.to_str().unwrap()]).expect(0);
    let (text, html) = (text(&stack), fs::read_to_string(&file).unwrap());
    let mut attention = part(&text, "Needs a look");
    attention.sort();
    assert_eq!(attention.len(), 2, "{attention:?}");
    assert_eq!(
        attention[0],
        "certificate-check failed (2026-11-21 02:00): exit 2: certificate of x ends in 3 days"
    );
    let five = ["health-check", "image-update", "docker-cleanup", "database-maintenance", "security-review"];
    assert!(attention[1].starts_with("the docker daemon does not answer; for this reason 5 tasks failed: "));
    assert!(five.iter().all(|task| attention[1].contains(task)), "{attention:?}");
    let stores = part(&text, "Vector Stores");
    assert!(
        stores[1].contains("11-14 2.9KB, 11-21 3KB, 11-28 4KB") && stores[1].contains("71 %"),
        "{stores:?}"
    );
    assert!(
        html.contains("faiss:/srv/&lt;a&gt;.faiss: 7000 bytes before, 4096 after</title>")
            && !html.contains("<a>"),
        "{html}"
    );
}

#[test]
fn row_3_7_broken_records_are_counted_and_rotated_ones_are_read() {
    let stack = Stack::new();
    let record = |task: &str, day: u32| {
        format!(
            "{{\"type\":\"task\",\"time\":\"2026-11-{day:02}T02:00:00+00:00\",\"task\":\"{task}\",\"mode\":\"real\",\"status\":\"ok\",\"exit\":0,\"seconds\":1.5,\"reason\":\"\"}}\n"
        )
    };
    stack.write(
        "deployment/logs/maintenance.jsonl",
        &format!("{}not json\n{{\"type\":", record("defragment", 20)),
    );
    stack.write("deployment/logs/maintenance.jsonl-20261101-020000", &record("disaster-recovery-test", 1));
    sh("gzip maintenance.jsonl-20261101-020000", &stack.logs()).expect(0);
    stack.write("deployment/logs/performance_results.json", "{ cut");
    report(&stack, &[]).expect(0);
    let text = text(&stack);
    let runs = part(&text, "Last Run of Each Task").join("\n");
    assert!(runs.contains("defragment") && runs.contains("disaster-recovery-test"), "{runs}");
    let missing = part(&text, "Missing Inputs").join("\n");
    assert!(missing.contains("maintenance.jsonl: 2 lines are not JSON"), "{missing}");
    assert!(missing.contains("performance_results.json: not the JSON it should be"), "{missing}");
}

#[test]
fn row_3_7_the_page_needs_nothing_beside_it_and_a_phone_can_show_it() {
    if !has("gnuplot") {
        return skip("no gnuplot (package gnuplot-nox)");
    }
    let stack = Stack::new();
    figures(&stack);
    let long = "/srv/a-folder-with-a-very-long-name/that-no-line-of-a-phone-has-room-for/".repeat(3);
    stack.write(
        "deployment/logs/actions.jsonl",
        &format!("{{\"time\":\"{}\",\"task\":\"defragment\",\"target\":\"{long}\",\"action\":\"vacuum\",\"result\":\"ok\",\"before_bytes\":1}}\n",
            run(command("date").arg("-Iseconds")).stdout.trim()),
    );
    let file = stack.path("report.html");
    report(&stack, &["--html", file.to_str().unwrap()]).expect(0);
    let html = fs::read_to_string(&file).unwrap();
    assert_eq!(html.matches("<svg").count(), 2, "memory and disk");
    for outside in ["http://", "https://", "<link rel=\"stylesheet", "<script", "url("] {
        let found = html.replace("http://www.w3.org/", "");
        assert!(!found.contains(outside), "{outside}");
    }
    let Some(page) = browser::open(&html, 400) else { return };
    assert_eq!((page.width, page.needed), (400, 400), "no scrolling sideways");
    assert_eq!(page.console, [""; 0]);
    // The browser would tell.
    let bad = "<body><div style='width:650px'>wide</div><script>console.error('trouble')</script></body>";
    let bad = browser::open(bad, 400).expect("it was there a moment ago");
    assert!(bad.needed > 640 && bad.console.len() == 1, "{bad:?}");
}

#[test]
fn row_4_14a_times_and_failures_of_model_calls_are_counted_by_patterns() {
    let stack = Stack::new();
    let today = run(command("date").arg("+%F")).stdout;
    let mut log = String::new();
    for call in 1..=100 {
        writeln!(log, "{} 10:00:00 INFO LLM processing_time_ms={}0 tokens=7", today.trim(), call * 2)
            .unwrap();
    }
    writeln!(log, "{} 10:00:01 ERROR LLM call failed: timeout", today.trim()).unwrap();
    log += "2020-01-01 10:00:00 ERROR LLM call failed: long ago\nINFO nothing to see\n";
    stack.write("deployment/logs/backend.log", &log);
    report(&stack, &[]).expect(0);
    let found = part(&text(&stack), "Calls of Language Models");
    let cells: Vec<&str> = found[1].split_whitespace().collect();
    assert_eq!(cells, ["101", "1", "1.0", "%", "1.000", "s", "1.900", "s", "1.980", "s", "2.000", "s"]);
    // Other logs, other words; too many failures need a look.
    stack.write("logs/frontend.txt", "answered after 2.5 s\nanswered after 0.5 s\nGAVE UP\n");
    stack.settings(&format!(
        "REPORT_LOGS=logs/*.txt;{}/gone/*.log\nLLM_TIME_PATTERN='answered after '\nLLM_ERROR_PATTERN='gave up'\n",
        stack.home().display()
    ));
    report(&stack, &[]).expect(0);
    let text = text(&stack);
    let cells: Vec<String> =
        part(&text, "Calls of Language Models")[1].split_whitespace().map(str::to_owned).collect();
    assert_eq!(cells[..5], ["3", "1", "33.3", "%", "0.500"]);
    assert!(
        part(&text, "Needs a look").join("\n").contains("33.3 % of 3 calls of language models failed"),
        "{text}"
    );
}

#[test]
fn row_3_12_every_task_of_a_run_leaves_one_json_line() {
    let stack = Stack::new();
    run(stack
        .script("maintenance.sh")
        .args(["metrics", "trend-analysis", "maintenance-report"])
        .env("METRICS_INTERVAL", "0.1"))
    .expect(0);
    let outcomes = stack.outcomes();
    let expected = [("metrics", "ok"), ("trend-analysis", "skipped"), ("maintenance-report", "ok")];
    assert_eq!(outcomes, expected.map(|(task, state)| (task.to_owned(), state.to_owned())));
    let reason = stack.records()[1]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("too few points: 1 of at least 20"), "{reason}");
}

#[test]
fn row_3_3_logs_of_ten_megabytes_go_to_the_archive_and_a_live_writer_loses_no_line() {
    let stack = Stack::new();
    stack.settings("LOG_WRITERS=reopen\nLOG_ARCHIVE=archive\nLOG_KEEP=50\n");
    stack.write("deployment/logs/small.log", "stays\n");
    let (log, stop) = (stack.logs().join("app.log"), AtomicBool::new(false));
    let line = "x".repeat(60_000);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut log = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
                writeln!(log, "{number} {line}").unwrap();
                number += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            number
        });
        for minute in 0..3 {
            wait_until("the log has ten megabytes", || {
                fs::metadata(&log).is_ok_and(|file| file.len() >= 10 << 20)
            });
            let now = format!("2026-11-21T02:{minute:02}:00Z");
            run(stack.script("tasks/log-rotation.sh").env("PAI_NOW", now)).expect(0);
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    // A copy that the writer had open just when it was to be compressed waits for the next run.
    run(stack.script("tasks/log-rotation.sh").env("PAI_NOW", "2026-11-21T02:03:00Z")).expect(0);
    let archived = names(&stack.logs().join("archive"));
    assert!(archived.len() >= 3 && archived[0] == "app.log-20261121-020000.gz", "{archived:?}");
    assert!(archived.iter().all(|name| name.ends_with(".gz")), "{archived:?}");
    assert_eq!(names(&stack.logs()).iter().filter(|name| name.starts_with("small")).count(), 1);
    let seen = sh(
        "{ zcat -f archive/app.log-*; cat app.log; } | cut -d' ' -f1 | sort -n | uniq -c | awk '$1 != 1 || $2 != NR - 1 { print \"bad\", $0 } END { print NR }'",
        &stack.logs(),
    );
    assert_eq!(seen.expect(0).stdout, format!("{written}\n"), "each line once");
}

#[test]
fn row_3_13_the_folders_of_logs_and_their_patterns_are_settings() {
    let stack = Stack::new();
    for path in ["logs/a.log", "DATA/logs/b.txt", "D:/GUI/logs/c c.log", "D:/GUI/logs/d.json"] {
        stack.write(path, &"line\n".repeat(1000));
    }
    let data = stack.path("DATA/logs");
    stack.settings(&format!(
        "LOG_FOLDERS=logs;{};D:/GUI/logs;nowhere\nLOG_PATTERNS=*.log;*.txt\nLOG_ROTATE_SIZE=1K\n",
        data.display()
    ));
    let outcome = run(stack.script("tasks/log-rotation.sh").env("PAI_NOW", "2026-11-21T02:00:00Z")).expect(1);
    assert!(
        outcome.stderr.contains("no such folder of logs") && outcome.stderr.contains("/nowhere"),
        "{}",
        outcome.stderr
    );
    let copy = |name: &str| format!("{name}-20261121-020000.gz");
    assert_eq!(names(&stack.path("logs")), ["a.log".to_owned(), copy("a.log")]);
    assert_eq!(names(&data), ["b.txt".to_owned(), copy("b.txt")]);
    assert_eq!(
        names(&stack.path("D:/GUI/logs")),
        ["c c.log".to_owned(), copy("c c.log"), "d.json".to_owned()]
    );
    let bad = run(stack.script("tasks/log-rotation.sh").env("LOG_WRITERS", "maybe")).expect(2);
    assert!(bad.stderr.contains("LOG_WRITERS is keep or reopen"), "{}", bad.stderr);
}
