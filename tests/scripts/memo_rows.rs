//! What the coach's maintenance guide documents and the stack's scripts do, and the page and examples about it.

use std::fs;

use pai_tests::rigs::engine::{Container, Engine};
use pai_tests::rigs::http::{Answer, Http};
use pai_tests::{Outcome, command, has, repository, run, sh, skip};
use serde_json::json;

use crate::stack::{Stack, service};
use crate::support::names;

fn health(stack: &Stack, lines: &str) -> Outcome {
    stack.write("deployment/health.conf", lines);
    run(&mut stack.script("health-check.sh"))
}

#[test]
fn row_4_1_the_body_of_health_and_the_state_of_each_container_decide() {
    if !has("jq") {
        return skip("no jq");
    }
    let stopped = Container { running: false, ..service("vue-frontend") };
    let Some(engine) = Engine::start([service("backend"), service("traefik"), stopped]) else { return };
    let (stack, http) = (Stack::new(), Http::start());
    let line = format!("http backend {} json=status:healthy\n", http.url("/health"));
    http.answer("/health", Answer::new(200, r#"{"status":"healthy","services":{"database":"healthy"}}"#));
    health(&stack, &line).expect(0);
    http.answer("/health", Answer::new(200, r#"{"status":"unhealthy","services":{"database":"error"}}"#));
    assert!(health(&stack, &line).expect(1).stdout.contains("status is unhealthy, not healthy"));

    stack.write("deployment/health.conf", "container backend\ncontainer traefik\n");
    run(stack.script("health-check.sh").env("DOCKER_HOST", engine.host())).expect(0);
    stack.write("deployment/health.conf", "container backend\ncontainer vue-frontend\n");
    let one = run(stack.script("health-check.sh").env("DOCKER_HOST", engine.host())).expect(1);
    assert!(one.stdout.contains("exited"), "{}", one.stdout);
}

#[test]
fn row_4_2_the_logs_of_backend_and_frontend_are_rotated_and_no_line_is_lost() {
    let stack = Stack::new();
    let lines = |name: &str| format!("a line of {name}\n").repeat(400);
    for name in ["backend", "frontend"] {
        stack.write(&format!("logs/{name}.log"), &lines(name));
    }
    stack.write("logs/small.log", "one line\n");
    let rotate = "pai-rotate logs --size 4K --keep 5 --copytruncate logs";
    sh(rotate, &stack.home()).expect(0);
    for name in ["backend", "frontend"] {
        assert_eq!(stack.read(&format!("logs/{name}.log")), "");
        let kept = sh(&format!("gzip -dc logs/{name}.log-*.gz"), &stack.home()).expect(0);
        assert_eq!(kept.stdout, lines(name));
    }
    assert_eq!(stack.read("logs/small.log"), "one line\n");
    sh(rotate, &stack.home()).expect(0);
    assert_eq!(names(&stack.path("logs")).len(), 5, "an empty log is not rotated again");
}

#[test]
fn row_4_5_little_free_space_is_told_and_only_old_dangling_images_are_pruned() {
    let Some(engine) = Engine::start([service("backend")]) else { return };
    engine.answer(
        "GET",
        "/system/df",
        200,
        json!({"Images": [], "Containers": [], "Volumes": [], "BuildCache": []}),
    );
    engine.answer("GET", "/volumes", 200, json!({"Volumes": []}));
    engine.answer("POST", "/images/prune", 200, json!({"ImagesDeleted": [], "SpaceReclaimed": 0}));
    let stack = Stack::new();
    assert!(
        health(&stack, "disk / warn_free= fail_free=900T\n").expect(1).stdout.contains("less than 900T free")
    );
    run(stack.script("maintenance.sh").arg("docker-cleanup").env("DOCKER_HOST", engine.host())).expect(0);
    assert_eq!(engine.changes(), ["POST /images/prune"]);
    let prune = engine.requests().into_iter().find(|request| request.path == "/images/prune").unwrap();
    assert!(
        prune.query.contains(r#""dangling":{"true":true}"#) && prune.query.contains("720h"),
        "{}",
        prune.query
    );
}

#[test]
fn row_4_13_the_version_that_health_tells_is_compared() {
    if !has("jq") {
        return skip("no jq");
    }
    let (stack, http) = (Stack::new(), Http::start());
    let line = format!("http version {} json=version:1.4.0\n", http.url("/health"));
    for (body, status, reason) in [
        (r#"{"status":"healthy","version":"1.4.0"}"#, 0, "status 200"),
        (r#"{"status":"healthy","version":"1.3.9"}"#, 1, "version is 1.3.9, not 1.4.0"),
        (r#"{"status":"healthy"}"#, 1, "the body has no JSON member version"),
    ] {
        http.answer("/health", Answer::new(200, body));
        let outcome = health(&stack, &line).expect(status);
        assert!(outcome.stdout.contains(reason), "{body}: {}", outcome.stdout);
    }
}

#[test]
fn row_4_15_an_external_monitor_is_told_once_of_each_change_of_health() {
    let (stack, http) = (Stack::new(), Http::start());
    for path in ["/ping/health-check/fail", "/ping/health-check"] {
        http.answer(path, Answer::new(200, ""));
    }
    stack.write("deployment/health.conf", &format!("http backend {}\n", http.url("/health")));
    let check = |status| {
        let mut health = stack.script("health-check.sh");
        run(health.arg("--notify").env("NOTIFY_PING_URL", http.url("/ping/{job}"))).expect(status);
        (http.count("/ping/health-check/fail"), http.count("/ping/health-check"))
    };
    assert_eq!(check(1), (1, 0));
    assert_eq!(check(1), (1, 0), "still ill: told already");
    http.answer("/health", Answer::new(200, ""));
    assert_eq!(check(0), (1, 1));
    // A monitor that waits for a sign of life gets one of each run, and the status of a failed one.
    http.answer("/ping/uptime", Answer::new(200, ""));
    let mut job = stack.script("run-job.sh");
    job.args(["uptime", "--", "health-check.sh"]).env("NOTIFY_PING_URL", http.url("/ping/{job}"));
    run(&mut job).expect(0);
    run(&mut job).expect(0);
    assert_eq!(http.count("/ping/uptime"), 2);
}

#[test]
fn row_4_11_the_cron_lines_pass_the_lint_and_name_what_is_there() {
    let file = repository().join("scripts/cron/memo-ai-coach");
    run(command(repository().join("scripts/lint-cron.sh")).arg("--template").arg(&file)).expect(0);
    let text = fs::read_to_string(&file).unwrap();
    let maintenance = text.lines().find(|line| line.contains("maintenance.sh sqlite-maintenance")).unwrap();
    for task in maintenance.split("maintenance.sh ").last().unwrap().split(' ') {
        assert!(repository().join(format!("scripts/tasks/{task}.sh")).exists(), "{task}");
    }
    let broken = Stack::new();
    broken.write("memo-ai-coach", text.trim_end());
    run(command(repository().join("scripts/lint-cron.sh"))
        .arg("--template")
        .arg(broken.path("memo-ai-coach")))
    .expect(1);
}

/// The page about this stack.
fn page() -> String {
    fs::read_to_string(repository().join("docs/memo-ai-coach.md")).expect("the page")
}

#[test]
fn the_page_has_every_documented_command_and_names_only_what_is_there() {
    let page = page();
    for documented in [
        "docker compose ps",
        "/health",
        "logs/",
        "Let's Encrypt",
        "data/memoai.db",
        "docker image prune",
        "config/backups/",
        "backend/validate_config.py",
        "docker compose exec backend sqlite3 /app/data/memoai.db 'PRAGMA wal_checkpoint;'",
        "git pull",
        "./deploy-production.sh",
        "https://<domain>/dashboard",
        "config_manager.restore_backup",
        "init_db.py",
    ] {
        assert!(page.contains(documented), "{documented}");
    }
    let scripts = repository().join("scripts");
    let mut named = 0;
    for word in
        page.split(|c: char| c.is_whitespace() || "`(),;".contains(c)).filter(|word| word.ends_with(".sh"))
    {
        if word.starts_with("./") || word.ends_with("NAME.sh") {
            continue;
        }
        let word = word.trim_start_matches("deployment/scripts/").trim_start_matches("../scripts/");
        assert!(scripts.join(word).exists(), "{word}");
        named += 1;
    }
    assert!(named > 10, "{named}");
}

#[test]
fn every_setting_of_the_page_and_of_the_example_is_read_by_a_script_and_the_scripts_take_the_example() {
    let example = fs::read_to_string(repository().join("examples/memo-ai-coach/maintenance.conf")).unwrap();
    let scripts = sh("cat scripts/*.sh scripts/tasks/*.sh scripts/lib/*.sh", repository()).expect(0).stdout;
    let page = page();
    let rows = page.lines().filter(|line| line.starts_with("| `") && line.contains('_'));
    let of_page =
        rows.flat_map(|line| line.split('|').nth(1).unwrap_or_default().split('`').map(str::to_owned));
    let of_example = example
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('='))
        .map(|(key, _)| key.to_owned());
    let is_setting =
        |word: &String| word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let settings: Vec<String> = of_page.chain(of_example).filter(is_setting).collect();
    assert!(settings.len() > 30, "{settings:?}");
    for setting in &settings {
        assert!(
            ["setting", "setting_list"].iter().any(|word| scripts.contains(&format!("{word} {setting} "))),
            "{setting}"
        );
    }
    let stack = Stack::new();
    stack.settings(&example);
    // As it stands, a folder without the coach in it has no such configuration, and that is all that is wrong.
    let outcome = run(stack.script("tasks/config-validation.sh").env("CONFIG_DIR", stack.home()));
    assert!(
        outcome.status == Some(75) || outcome.stdout.matches("no such file").count() == 3,
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
}

#[test]
fn every_check_of_the_example_is_one_that_exists_with_options_that_it_has() {
    let example = fs::read_to_string(repository().join("examples/memo-ai-coach/health.conf")).unwrap();
    let stack = Stack::new();
    // Nobody is asked: the names are taken away from it, not the options.
    let lines = example.replace("# http", "http").replace("memo.example.org", "127.0.0.1:9");
    stack.write("deployment/health.conf", &lines.replace("127.0.0.1:9:443", "127.0.0.1:9"));
    let outcome = run(stack.script("health-check.sh").args(["--level", "deep", "--timeout", "3"])).expect(1);
    assert!(outcome.stdout.contains("of 8 checks"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("unknown option"), "{}", outcome.stdout);
}
