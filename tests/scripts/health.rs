//! `health-check.sh`: services over HTTP, containers, disk, memory, backup age, certificates, alerts.

use std::time::Duration;

use pai_tests::rigs::engine::{Container, Engine};
use pai_tests::rigs::http::{Answer, Http, refusing_url};
use pai_tests::rigs::mail::Mail;
use pai_tests::{Outcome, command, has, run, scratch, skip};

use crate::stack::{Stack, service};

/// One check alone: its exit status and its line.
fn check(stack: &Stack, line: &str, timeout: &str) -> (Option<i32>, String) {
    stack.write("deployment/health.conf", line);
    let outcome = run(stack.script("health-check.sh").args(["--level", "deep", "--timeout", timeout]));
    let text = outcome.stdout.lines().nth(1).unwrap_or_default().to_owned();
    (outcome.status, format!("{text}{}", outcome.stderr))
}

fn run_checks(stack: &Stack, checks: &str, options: &[&str]) -> Outcome {
    stack.write("deployment/health.conf", checks);
    run(stack.script("health-check.sh").args(options))
}

#[test]
fn row_1_8a_each_way_a_service_can_be_ill_has_its_own_reason() {
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/v1/health/", Answer::new(200, "ok"));
    http.answer("/broken", Answer::new(500, "oops"));
    http.answer("/moved", Answer::redirect("/login"));
    http.answer("/login", Answer::new(200, "please log in"));
    http.answer("/wrong", Answer::new(200, "nginx default page"));
    http.answer("/slow", Answer::new(200, "ok").after(Duration::from_millis(1300)));
    http.answer("/hanging", Answer::hanging());
    let refusing = refusing_url();
    let cases = [
        ("/v1/health/", "", 0, "status 200 in"),
        ("/v1/health", "", 1, "status 404, not 200"),
        ("/broken", "", 1, "status 500, not 200"),
        ("/moved", "", 1, "redirects to"),
        ("/wrong", "body=letta", 1, "the body does not match letta"),
        ("/slow", "within=1s", 0, "slow: more than 1s"),
        ("/hanging", "", 1, "no answer within 2 s"),
        ("/broken", "status=500", 0, "status 500 in"),
    ];
    for (path, options, status, reason) in cases {
        // Whoever answers has the time it takes on a busy machine.
        let limit = if path == "/hanging" { "2" } else { "60" };
        let (got, line) = check(&stack, &format!("http letta {} {options}", http.url(path)), limit);
        assert!(got == Some(status) && line.contains(reason), "{path}: {got:?} {line}");
    }
    let (got, line) = check(&stack, &format!("http letta {refusing}"), "60");
    assert!(got == Some(1) && line.contains("connection refused"), "{got:?} {line}");
    assert_eq!(http.count("/v1/health/"), 1, "the trailing slash is kept");
    assert_eq!(http.count("/login"), 0, "a redirect is not followed");
}

#[test]
fn row_1_8b_open_webui_has_a_deep_check_that_only_the_deep_level_runs() {
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/health", Answer::new(200, "{\"status\":true}"));
    http.answer("/api/models", Answer::new(500, ""));
    let checks = format!(
        "http open-webui {}\nhttp open-webui level=deep {}\n",
        http.url("/health"),
        http.url("/api/models")
    );
    run_checks(&stack, &checks, &[]).expect(0);
    assert_eq!(http.count("/api/models"), 0);
    run_checks(&stack, &checks, &["--level", "deep"]).expect(1);
}

#[test]
fn row_1_8c_n8n_has_a_ready_check_that_sees_its_database() {
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/healthz", Answer::new(200, "{\"status\":\"ok\"}"));
    http.answer("/healthz/readiness", Answer::new(503, ""));
    let checks = format!(
        "http n8n {}\nhttp n8n level=ready {}\n",
        http.url("/healthz"),
        http.url("/healthz/readiness")
    );
    run_checks(&stack, &checks, &["--level", "live"]).expect(0);
    let ready = run_checks(&stack, &checks, &["--level", "ready"]).expect(1);
    assert!(ready.stdout.contains("status 503"), "{}", ready.stdout);
}

#[test]
fn row_1_8d_a_status_200_whose_body_says_unhealthy_is_a_failure() {
    if !has("jq") {
        return skip("no jq");
    }
    let (stack, http) = (Stack::new(), Http::start());
    let cases = [
        (r#"{"status":"healthy"}"#, 0, "status 200"),
        (r#"{"status":"degraded"}"#, 1, "status is degraded, not healthy or ok"),
        (r#"{"state":"healthy"}"#, 1, "the body has no JSON member status"),
        ("<html>", 1, "the body has no JSON member status"),
    ];
    for (body, status, reason) in cases {
        http.answer("/health", Answer::new(200, body));
        let line = format!("http health-monitor {} json=status:healthy,ok", http.url("/health"));
        let (got, line) = check(&stack, &line, "5");
        assert!(got == Some(status) && line.contains(reason), "{body}: {got:?} {line}");
    }
}

#[test]
fn row_1_7_a_container_is_judged_by_its_state_through_the_real_docker_cli() {
    let stopped = Container { running: false, ..service("n8n") };
    let Some(engine) = Engine::start([service("letta"), stopped]) else { return };
    let stack = Stack::new();
    stack.write("deployment/health.conf", "container letta\ncontainer n8n\ncontainer neo4j\n");

    let outcome = run(stack.script("health-check.sh").env("DOCKER_HOST", engine.host())).expect(1);
    let lines: Vec<&str> = outcome.stdout.lines().skip(1).collect();
    assert!(lines[0].starts_with("ok") && lines[0].contains("running"), "{}", outcome.stdout);
    assert!(lines[1].starts_with("error") && lines[1].contains("exited"), "{}", outcome.stdout);
    assert!(lines[2].contains("no container (project shop)"), "{}", outcome.stdout);
    let down = run(&mut stack.script("health-check.sh")).expect(1);
    assert!(down.stdout.contains("the docker daemon does not answer"), "{}", down.stdout);
    let path = stack.path_without(&["docker"]);
    let absent = run(stack.script("health-check.sh").env("PATH", path)).expect(1);
    assert!(absent.stdout.contains("docker is not installed"), "{}", absent.stdout);
}

#[test]
fn row_1_9_all_checks_run_though_the_first_fails_and_json_and_prometheus_say_the_same() {
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/ok", Answer::new(200, "fine"));
    let checks = format!(
        "http letta {}\nhttp n8n {}\nmemory memory warn_used=1%% fail_used=\ndisk / warn_free= fail_free= warn_used= fail_used=\n",
        refusing_url(),
        http.url("/ok")
    )
    .replace("%%", "%");
    let file = stack.path("stack.prom");
    let prometheus = file.display().to_string();
    let json = run_checks(&stack, &checks, &["--json", "--prometheus", &prometheus]).expect(1);

    let lines: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let states: Vec<&str> = lines[..4].iter().map(|line| line["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["error", "ok", "warning", "ok"], "{}", json.stdout);
    assert_eq!((&lines[4]["type"], &lines[4]["errors"]), (&"summary".into(), &1.into()));
    assert!(lines[0]["seconds"].is_number());
    let text = stack.read("stack.prom");
    assert!(text.contains("stack_health_check{check=\"http\",name=\"letta\",level=\"live\"} 0\n"), "{text}");
    assert!(text.contains("stack_health_check{check=\"http\",name=\"n8n\",level=\"live\"} 1\n"), "{text}");
    let table = run_checks(&stack, &checks, &[]).expect(1);
    assert_eq!(table.stdout.lines().count(), 5, "{}", table.stdout);
}

#[test]
fn one_that_hangs_is_ended_and_holds_up_no_other() {
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/hang", Answer::hanging());
    http.answer("/ok", Answer::new(200, ""));
    let hang = format!("http hanging {}\n", http.url("/hang")).repeat(5);
    let outcome =
        run_checks(&stack, &format!("{hang}http good {}\n", http.url("/ok")), &["--json", "--timeout", "15"]);
    assert_eq!((http.requests().len(), outcome.status), (6, Some(1)));
    assert!(outcome.stdout.contains("\"errors\":5"), "{}", outcome.stdout);
    let good = outcome.stdout.lines().find(|line| line.contains("\"good\"")).unwrap();
    assert!(good.contains("\"status\":\"ok\""), "{good}");
}

#[test]
fn row_1_31d_when_everything_hangs_the_run_still_ends_long_before_the_next_one() {
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/hang", Answer::hanging());
    let socket = stack.path("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let checks = format!("http a {0}\nhttp b {0}\ncontainer c\ncontainer d\n", http.url("/hang"));
    stack.write("deployment/health.conf", &checks);
    let health = stack.script("health-check.sh");
    let mut bounded = command("timeout");
    bounded.arg("240").arg(health.get_program()).args(["--timeout", "2"]);
    for (key, value) in health.get_envs() {
        if let Some(value) = value {
            bounded.env(key, value);
        }
    }
    let outcome = run(bounded.env("DOCKER_HOST", format!("unix://{}", socket.display()))).expect(1);
    assert!(outcome.stdout.contains("FAILED: 4 of 4 checks"), "{}", outcome.stdout);
}

#[test]
fn a_mistyped_option_type_or_level_is_never_a_pass() {
    let stack = Stack::new();
    for (checks, status) in [
        ("disk / warn_fre=1G\n", 1),
        ("memory memory fail_used=many\n", 1),
        ("memroy memory\n", 2),
        ("disk / level=life\n", 2),
        ("# nothing\n", 2),
    ] {
        assert_eq!(run_checks(&stack, checks, &[]).status, Some(status), "{checks}");
    }
}

#[test]
fn a_full_disk_full_memory_and_used_up_inodes_fail_by_their_limits() {
    let stack = Stack::new();
    for (line, status, reason) in [
        ("disk / warn_free=1T fail_free=900T", 1, "less than 900T free"),
        ("disk / warn_free=900T fail_free=", 0, "less than 900T free"),
        ("disk / warn_free= fail_free= warn_used= fail_used=0%", 1, "used at least 0%"),
        ("disk / warn_free= fail_free= warn_inodes= fail_inodes=0%", 1, "inodes used at least 0%"),
        ("disk /nonexistent", 1, "could not look at /nonexistent"),
        ("memory memory fail_used=1%", 1, "used at least 1%"),
        ("memory memory fail_used=101% warn_used=101%", 0, "MiB available"),
    ] {
        let (got, text) = check(&stack, line, "10");
        assert!(got == Some(status) && text.contains(reason), "{line}: {got:?} {text}");
    }
}

#[test]
fn the_age_of_the_last_verified_backup_is_judged_and_none_is_an_error() {
    let stack = Stack::new();
    let line = "backup backups warn_age=30h fail_age=50h";
    let (status, text) = check(&stack, line, "10");
    assert!(status == Some(1) && text.contains("no backup was ever verified"), "{text}");
    for (hours, status, reason) in [(1, 0, "1 h old"), (31, 0, "older than 30h"), (51, 1, "older than 50h")] {
        stack.backup_verified(hours * 3600);
        let (got, text) = check(&stack, line, "10");
        assert!(got == Some(status) && text.contains(reason), "{hours} h: {text}");
    }
    std::fs::remove_dir(stack.backups()).unwrap();
    assert!(check(&stack, line, "10").1.contains("is gone"));
}

#[test]
fn a_certificate_is_judged_by_its_days_and_an_unreadable_one_is_not_called_expiring() {
    if !has("openssl") {
        return skip("no openssl");
    }
    let (stack, folder) = (Stack::new(), scratch());
    for (days, status, reason) in
        [("90", 0, "days left"), ("20", 0, "ends within 30d"), ("3", 1, "ends within 7d")]
    {
        let pem = folder.path().join("cert.pem");
        run(command("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=x",
            ])
            .args(["-days", days, "-keyout", "/dev/null", "-out"])
            .arg(&pem))
        .expect(0);
        let (got, text) = check(&stack, &format!("certificate {}", pem.display()), "10");
        assert!(got == Some(status) && text.contains(reason), "{days}: {text}");
    }
    let junk = folder.path().join("junk.pem");
    std::fs::write(&junk, "junk").unwrap();
    let (status, text) = check(&stack, &format!("certificate {}", junk.display()), "10");
    assert!(status == Some(1) && text.contains("no certificate could be read"), "{text}");
}

#[test]
fn row_1_37a_piped_into_a_mail_the_first_line_is_the_verdict_in_plain_text() {
    let stack = Stack::new();
    let outcome =
        run_checks(&stack, &format!("http letta {}\nmemory memory\n", refusing_url()), &[]).expect(1);
    let first = outcome.stdout.lines().next().unwrap();
    assert!(first.ends_with("FAILED: 1 of 2 checks, error in: http letta"), "{first}");
    assert!(!outcome.stdout.contains('\x1b'));
    let good = run_checks(&stack, "memory memory warn_used= fail_used=\n", &[]).expect(0);
    assert!(good.stdout.lines().next().unwrap().ends_with("healthy: 1 check"), "{}", good.stdout);
}

#[test]
fn row_1_37b_one_mail_when_it_turns_bad_one_when_it_is_well_again() {
    let (stack, http, mail) = (Stack::new(), Http::start(), Mail::new());
    stack.write("deployment/health.conf", &format!("http n8n {}\n", http.url("/healthz")));
    let check = |status| {
        run(stack
            .script_with("health-check.sh", &[mail.folder()])
            .arg("--notify")
            .env("NOTIFY_MAIL_TO", "admin@example.com"))
        .expect(status);
        mail.letters().len()
    };
    assert_eq!(check(1), 1);
    assert_eq!(check(1), 1, "still bad: no second mail");
    http.answer("/healthz", Answer::new(200, ""));
    assert_eq!(check(0), 2, "well again");
    assert_eq!(check(0), 2);
    let body = mail.letters().iter().map(|letter| letter.body.clone()).collect::<String>();
    assert!(body.contains("status 404"), "{body}");
}

#[test]
fn row_1_37b_a_mail_program_that_fails_changes_nothing_about_the_verdict() {
    let (stack, mail) = (Stack::new(), Mail::with("exit 1"));
    stack.write("deployment/health.conf", &format!("http n8n {}\n", refusing_url()));
    let outcome = run(stack
        .script_with("health-check.sh", &[mail.folder()])
        .arg("--notify")
        .env("NOTIFY_MAIL_TO", "admin@example.com"))
    .expect(1);
    assert!(outcome.stdout.contains("connection refused"));
}
