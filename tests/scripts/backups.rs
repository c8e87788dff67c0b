//! `backup-database.sh` against a real PostgreSQL, through the real docker CLI and directly.

use std::fs;
use std::path::Path;
use std::process::Command;

use pai_tests::rigs::container::DatabaseContainer;
use pai_tests::rigs::engine::{Container, Engine};
use pai_tests::rigs::machine::Machine;
use pai_tests::rigs::postgres::{Postgres, programs};
use pai_tests::{run, scratch};

use crate::support::{mode, names, path_with, script};

/// A database in a container, as far as the docker CLI can tell.
struct Codex {
    postgres: Postgres,
    engine: Engine,
}

impl Codex {
    fn start() -> Option<Self> {
        let postgres = Postgres::start()?;
        postgres.with_ledger("codexdb", 2000);
        let container = Container::running("codex_postgres").with_environment(postgres.environment());
        Some(Self { engine: Engine::start([container])?, postgres })
    }

    fn backup(&self, folder: &Path) -> Command {
        let mut backup = script("backup-database.sh");
        backup
            .env("DOCKER_HOST", self.engine.host())
            .env("BACKUP_DIR", folder)
            .env("PAI_NOW", "2026-11-22T02:00:00Z");
        backup
    }
}

#[test]
fn row_2_4_row_2_13_the_dump_appears_under_todays_date_private_and_restores() {
    let Some(codex) = Codex::start() else { return };
    let folder = scratch();
    let dir = folder.path().join("backups");
    // What a killed run left is swept up when it is a day old; another one may be at work in a younger one.
    for (left, age) in [(".incoming.old", "25 hours ago"), (".incoming.new", "23 hours ago")] {
        fs::create_dir_all(dir.join(left)).expect("made");
        run(Command::new("touch").args(["-d", age]).arg(dir.join(left))).expect(0);
    }
    run(Command::new("chmod").arg("700").arg(&dir)).expect(0);
    let outcome = run(codex.backup(&dir).args(["--restore-test", "codexdb"])).expect(0);

    let dump = dir.join("codexdb_2026-11-22.sql");
    assert_eq!(outcome.stdout, format!("{}\n", dump.display()));
    assert!(outcome.stderr.contains("2000 rows, all there"), "{}", outcome.stderr);
    assert_eq!((mode(&dump), mode(&dir)), (0o600, 0o700));
    assert_eq!(names(&dir), [".incoming.new", "codexdb_2026-11-22.sql"]);
    let scratch_databases =
        codex.postgres.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'pai_%'");
    assert_eq!(scratch_databases, "0");
}

#[test]
fn row_2_4_a_failed_dump_leaves_no_file_and_todays_earlier_one_as_it_was() {
    let Some(codex) = Codex::start() else { return };
    let folder = scratch();
    let good = folder.path().join("codexdb_2026-11-22.sql");
    run(codex.backup(folder.path()).arg("codexdb")).expect(0);
    let before = fs::read(&good).expect("a dump");

    codex.postgres.sql("postgres", "ALTER DATABASE codexdb RENAME TO elsewhere");
    let failed = run(codex.backup(folder.path()).arg("codexdb")).expect(2);
    assert!(failed.stderr.contains("does not exist"), "{}", failed.stderr);
    assert_eq!(fs::read(&good).expect("the dump is still there"), before);
    assert_eq!(names(folder.path()), ["codexdb_2026-11-22.sql"]);
}

#[test]
fn row_2_3_a_stopped_container_is_a_failure_with_a_hint_and_an_absent_one_a_failure() {
    let Some(codex) = Codex::start() else { return };
    let folder = scratch();
    codex.engine.set_running("codex_postgres", false);
    let stopped = run(&mut codex.backup(folder.path())).expect(2);
    assert!(
        stopped.stderr.contains("hint: the container is stopped: docker start codex_postgres"),
        "{}",
        stopped.stderr
    );
    let absent = run(codex.backup(folder.path()).args(["--container", "nobody"])).expect(2);
    assert!(
        absent.stderr.contains("No such container") && !absent.stderr.contains("hint"),
        "{}",
        absent.stderr
    );
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn row_2_4_a_dump_killed_half_way_or_without_its_footer_is_refused() {
    let Some(codex) = Codex::start() else { return };
    let folder = scratch();
    // Stand-ins for pg_dump in the container: one dies half way, one stops early and says all is well.
    let stub = scratch();
    let real = programs().expect("a server runs").join("pg_dump");
    for ending in ["kill -KILL $$", "exit 1", "exit 0"] {
        let text = format!("#!/bin/sh\n{} \"$@\" | head -c 20000\n{ending}\n", real.display());
        fs::write(stub.path().join("pg_dump"), text).expect("written");
        run(Command::new("chmod").arg("755").arg(stub.path().join("pg_dump"))).expect(0);
        let path = ("PATH", path_with(&[stub.path()]).to_string_lossy().into_owned());
        let environment = codex.postgres.environment().into_iter().chain([path]);
        let Some(engine) =
            Engine::start([Container::running("codex_postgres").with_environment(environment)])
        else {
            return;
        };
        let refused = run(codex.backup(folder.path()).env("DOCKER_HOST", engine.host()));
        assert_eq!(refused.status, Some(2), "{ending}: {}", refused.stderr);
        assert_eq!(names(folder.path()), [""; 0], "{ending}");
    }
}

#[test]
fn a_dump_cut_in_the_middle_of_a_copy_is_caught_by_the_restore_test_even_with_a_forged_footer() {
    let Some(codex) = Codex::start() else { return };
    let folder = scratch();
    run(codex.backup(folder.path()).arg("codexdb")).expect(0);
    let whole = fs::read_to_string(folder.path().join("codexdb_2026-11-22.sql")).expect("a dump");
    let start = whole.find("\n1000\t").expect("the thousandth row");
    // psql takes the first two without a word: cut off, and closed in the middle.
    for (name, text) in [
        ("cut", whole[..=start].to_owned()),
        ("closed", format!("{}\\.\n\n-- PostgreSQL database dump complete\n", &whole[..=start])),
        (
            "short",
            whole
                .replace("\n1000\tentry", "\n-1\tentry")
                .replacen("\n999\t", "\n1999999\t", 1)
                .replacen("\n5\t", "\n\\.\n", 1),
        ),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("written");
        let mut test = codex.backup(folder.path());
        run(test.args(["--restore-test", "--file"]).arg(&file).arg("codexdb")).expect(2);
    }
    let good = folder.path().join("codexdb_2026-11-22.sql");
    run(codex.backup(folder.path()).args(["--restore-test", "--file"]).arg(&good).arg("codexdb")).expect(0);
}

#[test]
fn row_2_16_a_disk_with_too_little_room_is_refused_before_the_dump_and_a_full_one_loses_nothing() {
    let Some(codex) = Codex::start() else { return };
    let Some(machine) = Machine::new() else { return };
    let disk = |line: &str| {
        machine.sh(&format!(
            "mount -t tmpfs -o size=300k none /backups && export DOCKER_HOST={} HOME=/ PATH='{}' && {line}",
            codex.engine.host(),
            path_with(&[]).display()
        ))
    };
    let refused =
        disk("head -c 150K /dev/zero >/backups/codexdb_2026-11-21.sql; backup-database.sh").expect(2);
    assert!(
        refused.stderr.contains("free in /backups, and the newest dump takes 150K"),
        "{}",
        refused.stderr
    );

    codex.postgres.sql(
        "codexdb",
        "INSERT INTO ledger SELECT n, repeat(md5(n::text), 9) FROM generate_series(5000, 9000) n",
    );
    let full =
        disk("echo good >/backups/codexdb_2026-11-21.sql; backup-database.sh; s=$?; ls -A /backups; exit $s")
            .expect(2);
    assert!(full.stderr.contains("No space left on device"), "{}", full.stderr);
    assert_eq!(full.stdout, "codexdb_2026-11-21.sql\n");
}

#[test]
fn row_2_14_a_password_comes_from_a_private_file_and_is_in_no_argument_environment_log_or_output() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.with_ledger("codexdb", 10);
    postgres.demand_password("hunter2-in-a-file");
    let folder = scratch();
    let pass = folder.path().join("pgpass");
    fs::write(&pass, "*:*:*:codex:hunter2-in-a-file\n").expect("written");
    run(Command::new("chmod").arg("600").arg(&pass)).expect(0);
    // Every pg_dump and psql that is started leaves its arguments and its environment behind.
    let spy = scratch();
    for program in ["pg_dump", "psql", "createdb", "dropdb"] {
        let real = programs().expect("a server runs").join(program);
        let text = format!(
            "#!/bin/sh\n(echo \"$0 $*\"; env) >>{}/arguments\nexec {} \"$@\"\n",
            spy.path().display(),
            real.display()
        );
        fs::write(spy.path().join(program), text).expect("written");
        run(Command::new("chmod").arg("755").arg(spy.path().join(program))).expect(0);
    }
    let dir = folder.path().join("backups");
    let mut job = script("run-job.sh");
    job.arg("--log").arg(dir.join("backup.log")).args([
        "dump",
        "--",
        "backup-database.sh",
        "--direct",
        "--restore-test",
        "--dir",
    ]);
    job.arg(&dir)
        .env("PGHOST", postgres.host())
        .env("PGPASSFILE", &pass)
        .env("PATH", path_with(&[spy.path()]));
    let outcome = run(&mut job).expect(0);

    let arguments = fs::read_to_string(spy.path().join("arguments")).expect("they were started");
    assert!(arguments.contains("pg_dump") && arguments.contains("psql"), "{arguments}");
    assert!(arguments.contains("PGPASSFILE="), "{arguments}");
    let log = fs::read_to_string(dir.join("backup.log")).expect("a log");
    for text in [&arguments, &log, &outcome.stdout, &outcome.stderr] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    // Without the file the server refuses, so the test above proves something.
    job.env("PGPASSFILE", "/dev/null");
    run(&mut job).expect(2);
}

#[test]
fn row_2_17a_the_age_of_the_newest_whole_dump_is_checked() {
    let Some(codex) = Codex::start() else { return };
    let folder = scratch();
    let state = folder.path().join("state");
    let dir = folder.path().join("backups");
    run(codex.backup(&dir).env("STATE_DIR", &state)).expect(0);
    run(codex.backup(&dir).arg("--check")).expect(0);
    let note =
        fs::read_to_string(state.join("backup-verified")).expect("the dump is noted for the health check");
    assert!(note.ends_with(&format!("{}\n", dir.join("codexdb_2026-11-22.sql").display())), "{note}");

    run(Command::new("touch").args(["-d", "40 hours ago"]).arg(dir.join("codexdb_2026-11-22.sql"))).expect(0);
    let old = run(codex.backup(&dir).arg("--check")).expect(1);
    assert!(old.stderr.contains("older than 30h"), "{}", old.stderr);
    run(codex.backup(&dir).args(["--check", "--max-age", "48h"])).expect(0);
    run(codex.backup(&dir).args(["--check", "otherdb"])).expect(2);
}

#[test]
fn row_2_17c_a_dump_that_shrank_is_kept_and_complained_of() {
    let Some(codex) = Codex::start() else { return };
    let folder = scratch();
    for day in 10..17 {
        let file = folder.path().join(format!("codexdb_2026-11-{day}.sql"));
        fs::write(&file, vec![b' '; 900_000]).expect("written");
        run(Command::new("touch").arg("-d").arg(format!("2026-11-{day}")).arg(file)).expect(0);
    }
    let outcome = run(&mut codex.backup(folder.path())).expect(1);
    assert!(outcome.stderr.contains("the ones before had about 900000"), "{}", outcome.stderr);
    assert!(folder.path().join("codexdb_2026-11-22.sql").exists());
    run(codex.backup(folder.path()).args(["--max-drop", "99"])).expect(0);
}

#[test]
fn a_dry_run_of_a_dump_says_what_would_run_and_asks_no_engine() {
    let folder = scratch();
    let mut backup = script("backup-database.sh");
    let outcome = run(backup.args(["-n", "--dir"]).arg(folder.path().join("new"))).expect(0);
    assert!(
        outcome.stdout.contains("-- docker exec codex_postgres pg_dump -U codex codexdb"),
        "{}",
        outcome.stdout
    );
    assert!(!folder.path().join("new").exists());
}

#[test]
fn row_2_3_a_real_container_is_dumped_and_once_stopped_it_is_a_failure_with_a_hint() {
    let name = format!("pai-test-{}-codex_postgres", std::process::id());
    let Some(container) = DatabaseContainer::start(&name, 500) else { return };
    let folder = scratch();
    let backup = || {
        let mut backup = script("backup-database.sh");
        backup
            .args(["--container", container.name(), "--dir"])
            .arg(folder.path())
            .env("PAI_NOW", "2026-11-22T02:00:00Z");
        backup
    };
    let good = run(backup().arg("--restore-test")).expect(0);
    assert!(good.stderr.contains("500 rows, all there"), "{}", good.stderr);
    let dump = fs::read(folder.path().join("codexdb_2026-11-22.sql")).expect("a dump");

    container.stop();
    let stopped = run(&mut backup()).expect(2);
    assert!(
        stopped.stderr.contains(&format!("hint: the container is stopped: docker start {name}")),
        "{}",
        stopped.stderr
    );
    assert_eq!(fs::read(folder.path().join("codexdb_2026-11-22.sql")).expect("still there"), dump);
    assert_eq!(names(folder.path()), ["codexdb_2026-11-22.sql"]);
}

#[test]
fn a_folder_behind_a_link_and_one_with_a_quote_in_its_name_are_folders_like_any_other() {
    let Some(codex) = Codex::start() else { return };
    let folder = scratch();
    let (real, link) = (folder.path().join("it's real"), folder.path().join("link"));
    fs::create_dir(&real).expect("made");
    std::os::unix::fs::symlink(&real, &link).expect("linked");
    for dir in [&real, &link] {
        let dump = run(&mut codex.backup(dir)).expect(0);
        assert_eq!(dump.stderr, "");
        run(codex.backup(dir).arg("--check")).expect(0);
        assert_eq!(names(&real), ["codexdb_2026-11-22.sql"]);
    }
}

#[test]
fn tables_with_blanks_or_quotes_in_their_names_and_with_heirs_pass_the_restore_test() {
    let Some(codex) = Codex::start() else { return };
    let folder = scratch();
    codex.postgres.sql(
        "codexdb",
        "CREATE TABLE \"short cut (of \"\"mine\"\") \" (id int); INSERT INTO \"short cut (of \"\"mine\"\") \" VALUES (1), (2);
         CREATE TABLE elder (x int); CREATE TABLE heir () INHERITS (elder);
         INSERT INTO elder VALUES (1); INSERT INTO heir VALUES (2)",
    );
    let outcome = run(codex.backup(folder.path()).arg("--restore-test")).expect(0);
    assert!(outcome.stderr.contains("2004 rows, all there"), "{}", outcome.stderr);
}
