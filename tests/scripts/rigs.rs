//! The rigs themselves: each does what the tests that use it take for granted.

use pai_tests::rigs::engine::{Container, Engine};
use pai_tests::rigs::machine::Machine;
use pai_tests::rigs::mail::Mail;
use pai_tests::rigs::postgres::Postgres;
use pai_tests::{command, run};

#[test]
fn the_real_docker_cli_runs_a_command_in_a_container_and_gets_its_output_and_status() {
    let Some(engine) =
        Engine::start([Container::running("box").with_environment([("WHERE", "inside".to_owned())])])
    else {
        return;
    };
    let docker = |line: &[&str]| run(command("docker").args(line).env("DOCKER_HOST", engine.host()));

    let ended = docker(&["exec", "box", "sh", "-c", "echo $WHERE; echo oops >&2; exit 7"]);
    assert_eq!((ended.status, ended.stdout.as_str(), ended.stderr.as_str()), (Some(7), "inside\n", "oops\n"));
    engine.set_running("box", false);
    let stopped = docker(&["exec", "box", "true"]).expect(1);
    assert!(stopped.stderr.contains("is not running"), "{}", stopped.stderr);
    docker(&["start", "box"]).expect(0);
    docker(&["exec", "box", "true"]).expect(0);
    let absent = docker(&["exec", "nobody", "true"]).expect(1);
    assert!(absent.stderr.contains("No such container"), "{}", absent.stderr);
    assert!(engine.changes().iter().any(|change| change.ends_with("/start")));
}

#[test]
fn the_real_docker_cli_lists_containers_by_label_and_state() {
    let up = Container::running("web").with_label("com.docker.compose.service", "web");
    let Some(engine) = Engine::start([up, Container { name: "db".to_owned(), ..Container::default() }])
    else {
        return;
    };
    let names = |line: &[&str]| {
        let mut docker = command("docker");
        docker.args(["ps", "--format", "{{.Names}}"]).args(line).env("DOCKER_HOST", engine.host());
        run(&mut docker).expect(0).stdout
    };

    assert_eq!(names(&[]), "web\n");
    assert_eq!(names(&["--all"]), "web\ndb\n");
    assert_eq!(names(&["--all", "--filter", "label=com.docker.compose.service=web"]), "web\n");
}

#[test]
fn the_throw_away_server_holds_rows_and_can_demand_a_password() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.with_ledger("codexdb", 10);
    assert_eq!(postgres.sql("codexdb", "SELECT count(*) FROM ledger"), "10");

    postgres.demand_password("open sesame");
    let refused =
        run(command("psql").args(["-w", "-d", "codexdb", "-c", "SELECT 1"]).envs(postgres.environment()));
    assert_eq!(refused.status, Some(2), "{}", refused.stderr);
    assert_eq!(postgres.sql("codexdb", "SELECT count(*) FROM ledger"), "10");
}

#[test]
fn letters_are_kept_with_their_arguments() {
    let mail = Mail::new();
    let line = format!("echo body | {}/mail -s 'two words' someone@example.com", mail.folder().display());
    run(command("sh").args(["-c", &line])).expect(0);

    let letters = mail.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].arguments, ["-s", "two words", "someone@example.com"]);
    assert_eq!(letters[0].body, "body\n");
}

#[test]
fn the_private_machine_keeps_its_etc_to_itself_and_from_one_command_to_the_next() {
    let Some(machine) = Machine::new() else { return };
    machine.sh("echo mine >/etc/pai-test-canary && mkdir /backups/kept").expect(0);

    machine.sh("grep mine /etc/pai-test-canary && test -d /backups/kept").expect(0);
    assert!(!std::path::Path::new("/etc/pai-test-canary").exists());
    assert!(machine.path("/backups/kept").is_dir());
}

#[test]
fn real_cron_runs_a_job_at_its_hour_and_drops_a_file_it_cannot_read() {
    let Some(machine) = Machine::new().filter(Machine::has_cron) else { return };
    machine.sh("echo '0 2 * * * root echo ran >/backups/ran' >/etc/cron.d/good").expect(0);
    machine.sh("printf '1 2 * * * root true \\\\\\n  && true\\n' >/etc/cron.d/broken").expect(0);

    let log = machine.cron("2026-11-22 01:56:00", 7, "UTC");

    assert_eq!(
        std::fs::read_to_string(machine.path("/backups/ran")).unwrap_or_default(),
        "ran\n",
        "{}",
        log.text()
    );
    assert!(log.has("broken") && log.has("ignored"), "{}", log.text());
    assert_eq!(log.started("true"), 0, "{}", log.text());
}
