//! The docker tasks, through the real docker CLI: exactly which requests the engine gets.

use pai_tests::rigs::engine::{Container, Engine};
use pai_tests::rigs::postgres::Postgres;
use pai_tests::{Outcome, run};
use serde_json::json;

use crate::stack::{Stack, database_in_a_container, service};

const ANONYMOUS: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An engine with a named and an anonymous volume unused, where every prune finds nothing.
fn engine() -> Option<Engine> {
    let engine = Engine::start([service("letta")])?;
    let volume = |name: &str| json!({"Name": name, "Driver": "local", "Mountpoint": "", "Scope": "local"});
    engine.answer("GET", "/volumes", 200, json!({"Volumes": [volume("shop_n8n_data"), volume(ANONYMOUS)]}));
    engine.answer(
        "GET",
        "/system/df",
        200,
        json!({"Images": [], "Containers": [], "Volumes": [], "BuildCache": []}),
    );
    engine.answer("POST", "/images/prune", 200, json!({"ImagesDeleted": [], "SpaceReclaimed": 0}));
    engine.answer("POST", "/containers/prune", 200, json!({"ContainersDeleted": [], "SpaceReclaimed": 0}));
    engine.answer("POST", "/networks/prune", 200, json!({"NetworksDeleted": []}));
    engine.answer("POST", "/build/prune", 200, json!({"CachesDeleted": [], "SpaceReclaimed": 0}));
    engine.answer("DELETE", &format!("/volumes/{ANONYMOUS}"), 204, serde_json::Value::Null);
    Some(engine)
}

fn task(stack: &Stack, engine: &Engine, name: &str, options: &[&str]) -> Outcome {
    run(stack.script(&format!("tasks/{name}.sh")).env("DOCKER_HOST", engine.host()).args(options))
}

#[test]
fn row_1_12_docker_cleanup_prunes_dangling_images_older_than_30_days_and_nothing_else() {
    let Some(engine) = engine() else { return };
    let stack = Stack::new();
    let outcome = task(&stack, &engine, "docker-cleanup", &[]).expect(0);
    assert_eq!(engine.changes(), ["POST /images/prune"]);
    let prune = engine.requests().into_iter().find(|request| request.path == "/images/prune").unwrap();
    let filters = prune.query.trim_start_matches("filters=").to_owned();
    let filters: serde_json::Value = serde_json::from_str(&filters).unwrap();
    assert_eq!(filters, json!({"dangling": {"true": true}, "until": {"720h": true}}));
    assert!(
        outcome.stdout.contains("volume shop_n8n_data is unused, but it has a name"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn row_1_12_a_dry_run_prints_the_command_and_asks_for_no_change() {
    let Some(engine) = engine() else { return };
    let outcome = task(&Stack::new(), &engine, "docker-cleanup", &["--dry-run", "volumes"]).expect(0);
    assert!(engine.changes().is_empty(), "{:?}", engine.changes());
    assert!(outcome.stdout.contains("would run: docker image prune --force --filter until=720h\n"));
    assert!(
        outcome.stdout.contains(&format!("would run: docker volume rm {ANONYMOUS}\n")),
        "{}",
        outcome.stdout
    );
}

#[test]
fn row_1_12_a_stopped_daemon_is_a_failure_that_says_so_and_no_docker_at_all_is_a_skip() {
    let stack = Stack::new();
    for name in ["docker-cleanup", "image-update"] {
        let down = run(&mut stack.script(&format!("tasks/{name}.sh"))).expect(2);
        assert!(down.stderr.contains("the docker daemon does not answer"), "{name}: {}", down.stderr);
        let path = stack.path_without(&["docker"]);
        let absent = run(stack.script(&format!("tasks/{name}.sh")).env("PATH", path)).expect(75);
        assert!(absent.stderr.contains("skipped: docker is not installed"), "{name}: {}", absent.stderr);
    }
}

#[test]
fn row_1_12_a_daemon_that_takes_the_connection_and_never_answers_is_given_up_on() {
    let stack = Stack::new();
    let socket = stack.path("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let outcome = run(stack
        .script("tasks/docker-cleanup.sh")
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("ENGINE_TIMEOUT", "1"))
    .expect(2);
    assert!(outcome.stderr.contains("no answer in 1 s"), "{}", outcome.stderr);
}

#[test]
fn row_1_32a_volumes_go_only_on_the_word_and_a_named_one_never() {
    let Some(engine) = engine() else { return };
    let outcome = task(&Stack::new(), &engine, "docker-cleanup", &["volumes"]).expect(0);
    assert_eq!(engine.changes(), ["POST /images/prune".to_owned(), format!("DELETE /volumes/{ANONYMOUS}")]);
    assert!(outcome.stdout.contains("left: volume shop_n8n_data"), "{}", outcome.stdout);
}

#[test]
fn row_1_32b_networks_and_containers_are_pruned_with_an_age_on_their_words() {
    let Some(engine) = engine() else { return };
    let stack = Stack::new();
    stack.settings("DOCKER_CLEANUP=\"networks containers\"\nDOCKER_CLEANUP_AGE=24h\n");
    task(&stack, &engine, "docker-cleanup", &[]).expect(0);
    assert_eq!(engine.changes(), ["POST /containers/prune", "POST /images/prune", "POST /networks/prune"]);
    for request in engine.requests().iter().filter(|request| request.path.ends_with("/prune")) {
        assert!(request.query.contains("\"until\":{\"24h\":true}"), "{}", request.query);
    }
    task(&stack, &engine, "docker-cleanup", &["networkss"]).expect(2);
}

#[test]
fn row_1_23_system_prune_needs_deep_and_yes_and_a_verified_backup_and_has_an_age() {
    let Some(engine) = engine() else { return };
    let stack = Stack::new();
    task(&stack, &engine, "comprehensive-cleanup", &["--deep", "--yes"]).expect(2);
    stack.backup_verified(3600);
    task(&stack, &engine, "comprehensive-cleanup", &[]).expect(0);
    let asked = task(&stack, &engine, "comprehensive-cleanup", &["--deep"]).expect(0);
    assert!(asked.stdout.contains("--yes would run: docker system prune --all"), "{}", asked.stdout);
    assert!(engine.changes().is_empty(), "{:?}", engine.changes());
    task(&stack, &engine, "comprehensive-cleanup", &["--deep", "--yes"]).expect(0);
    let mut changes = engine.changes();
    changes.sort();
    assert_eq!(
        changes,
        ["POST /build/prune", "POST /containers/prune", "POST /images/prune", "POST /networks/prune"]
    );
    for request in engine.requests().iter().filter(|request| request.path.ends_with("/prune")) {
        assert!(request.query.contains("720h"), "{} {}", request.path, request.query);
    }
}

#[test]
fn row_1_13_disk_use_is_asked_for_and_figures_are_never_streamed() {
    let Some(engine) = engine() else { return };
    task(&Stack::new(), &engine, "performance-check", &[]);
    task(&Stack::new(), &engine, "capacity-planning", &[]).expect(0);
    let requests = engine.requests();
    let stats: Vec<_> = requests.iter().filter(|request| request.path.ends_with("/stats")).collect();
    assert!(!stats.is_empty());
    assert!(stats.iter().all(|request| request.query.contains("stream=0")), "{stats:?}");
    assert!(requests.iter().any(|request| request.path == "/system/df"));
}

#[test]
fn row_1_26_a_failed_pull_stops_before_up_and_the_images_in_use_are_logged_first() {
    let Some(engine) = engine() else { return };
    let stack = Stack::new();
    stack.backup_verified(60);
    stack.write("docker-compose.yml", "services: {}\n");
    let update = |compose: &str, options: &[&str]| {
        let stubs = stack.programs(&[("docker-compose", compose)]);
        run(stack
            .script_with("tasks/image-update.sh", &[&stubs])
            .env("DOCKER_HOST", engine.host())
            .args(options))
    };
    let log = "echo \"$*\" >>$CALLS";
    update(log, &[]).expect(0);
    assert!(stack.calls().is_empty(), "only with --yes");
    let failed = update(&format!("{log}\ncase \"$*\" in *pull*) exit 1;; esac"), &["--yes"]).expect(2);
    assert!(failed.stderr.contains("could not pull: the services stay as they are"), "{}", failed.stderr);
    assert_eq!(stack.calls().len(), 1);
    assert!(stack.calls()[0].ends_with(" pull"), "{:?}", stack.calls());
    assert!(stack.read("deployment/logs/images.log").contains("shop-letta-1 test sha256:0"));
    update(log, &["--yes"]).expect(0);
    let calls = stack.calls();
    assert!(calls[1].ends_with(" pull") && calls[2].ends_with(" up -d"), "{calls:?}");
}

fn maintained(postgres: &Postgres, database: &str) -> String {
    // The statistics arrive a moment after the statement.
    let mut seen = String::new();
    for _ in 0..600 {
        seen = postgres.sql(
            database,
            "SELECT (last_analyze IS NOT NULL) || ' ' || (last_vacuum IS NOT NULL) FROM pg_stat_user_tables",
        );
        if seen == "true true" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    seen
}

#[test]
fn row_1_33a_every_database_is_analysed_and_vacuumed() {
    let Some((postgres, engine)) = database_in_a_container() else { return };
    postgres.with_ledger("letta", 100);
    postgres.with_ledger("n8n", 100);
    let stack = Stack::new();
    stack.settings("DATABASE_USER=codex\n");
    let outcome = task(&stack, &engine, "database-maintenance", &[]).expect(0);
    for database in ["letta", "n8n"] {
        assert_eq!(maintained(&postgres, database), "true true");
        assert!(outcome.stdout.contains(&format!("database {database}: ")), "{}", outcome.stdout);
    }
}

#[test]
fn row_1_33b_vacuum_has_a_command_of_its_own_since_it_cannot_share_a_transaction() {
    let Some((_postgres, engine)) = database_in_a_container() else { return };
    let stack = Stack::new();
    stack.settings("DATABASE_USER=codex\n");
    let outcome = task(&stack, &engine, "database-maintenance", &["--dry-run"]).expect(0);
    for statement in ["ANALYZE;", "VACUUM;"] {
        let command = format!("psql -X -q -v ON_ERROR_STOP=1 -d postgres -c '{statement}'\n");
        assert!(outcome.stdout.contains(&command), "{}", outcome.stdout);
    }
}

#[test]
fn row_1_33a_a_database_that_is_down_fails_the_task() {
    let Some(engine) = Engine::start([Container { running: false, ..service("supabase-db") }]) else {
        return;
    };
    let outcome = task(&Stack::new(), &engine, "database-maintenance", &[]).expect(2);
    assert!(
        outcome.stderr.contains("no running container of supabase-db (project shop)"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn row_1_34_neo4j_is_warmed_up_with_its_password_in_no_argument_and_without_apoc_it_is_a_warning() {
    let Some(postgres) = Postgres::start() else { return };
    let stack = Stack::new();
    let cypher = |text: &str| {
        let stubs = stack.programs(&[("cypher-shell", text)]);
        let path = format!("{}:{}", stubs.display(), std::env::var("PATH").unwrap());
        service("neo4j").with_environment([("PATH", path)])
    };
    let neo4j = cypher("echo \"$NEO4J_USERNAME/$NEO4J_PASSWORD: $*\" >>$CALLS");
    let database = service("supabase-db").with_environment(postgres.environment());
    let Some(engine) = Engine::start([database, neo4j]) else { return };
    stack.settings("DATABASE_USER=codex\n");
    stack.write(".env", "NEO4J_PASSWORD='top$secret'\n");
    let outcome = task(&stack, &engine, "database-maintenance", &[]).expect(0);
    assert_eq!(stack.calls(), ["neo4j/top$secret: --format plain CALL apoc.warmup.run();"]);
    assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains("secret"));
    cypher("echo 'There is no procedure with the name `apoc.warmup.run`' >&2; exit 1");
    let without = task(&stack, &engine, "database-maintenance", &[]).expect(0);
    assert!(without.stderr.contains("warning: neo4j has no APOC"), "{}", without.stderr);
    cypher("echo refused >&2; exit 1");
    task(&stack, &engine, "database-maintenance", &[]).expect(1);
}
