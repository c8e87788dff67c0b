//! `restore.sh` and the recovery test, against a real PostgreSQL.

use std::fs;

use pai_tests::rigs::http::Answer;
use pai_tests::{run, wait_for_another_second};

use crate::shop::{Shop, artefact, resum};
use crate::support::names;

#[test]
fn row_1_27_a_restore_dry_run_lists_every_file_needs_no_daemon_and_changes_nothing() {
    let Some(shop) = Shop::open() else { return };
    let backup = shop.backup();
    shop.stack.write("deployment/nginx.conf", "changed {}\n");
    let mut dry = shop.script("restore.sh", &["--dry-run", "latest"]);
    let outcome = run(dry.env("DOCKER_HOST", "unix:///nonexistent")).expect(0);
    for expected in
        ["nginx.conf", ".env", "docker-compose.yml", "runbook.md", "database letta from databases/letta_"]
    {
        assert!(outcome.stdout.contains(expected), "{expected} in {}", outcome.stdout);
    }
    assert_eq!(shop.stack.read("deployment/nginx.conf"), "changed {}\n");
    fs::remove_file(artefact(&backup, "configs", "docs")).unwrap();
    let missing = shop.run("restore.sh", &["--dry-run", "latest"]);
    assert_ne!(missing.status, Some(0));
    assert!(missing.stderr.contains("missing: "), "{}", missing.stderr);
    // The real run refuses too, and the original said "completed successfully".
    shop.run("restore.sh", &["--force", "latest"]).expect(2);
    shop.run("restore.sh", &["latest"]).expect(2);
}

#[test]
fn row_1_28_after_damage_every_row_and_every_file_is_back_and_a_safety_copy_is_kept() {
    let Some(shop) = Shop::open() else { return };
    let before = shop.rows();
    let backup = shop.backup();
    shop.postgres.sql("letta", "DELETE FROM ledger WHERE id % 2 = 0; CREATE TABLE since (x int)");
    let damaged = shop.rows();
    shop.stack.write("deployment/nginx.conf", "damaged {}\n");
    wait_for_another_second();

    let unasked = shop.run("restore.sh", &["latest"]).expect(2);
    assert!(unasked.stderr.contains("needs --force"), "{}", unasked.stderr);
    assert_eq!(shop.rows(), damaged, "nothing happens without --force");
    let outcome = shop.run("restore.sh", &["--force", backup.to_str().unwrap()]).expect(0);
    assert_eq!(shop.rows(), before);
    assert_eq!(shop.postgres.sql("letta", "SELECT to_regclass('since')"), "", "what came since is gone");
    assert_eq!(shop.stack.read("deployment/nginx.conf"), "server {}\n");
    assert!(outcome.stderr.contains("healthy"), "{}", outcome.stderr);
    let left =
        shop.postgres.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname ~ 'scratch|before'");
    assert_eq!(left, "0");
    let verified = shop.stack.read("deployment/logs/state/backup-verified");
    assert!(
        verified.trim_end().ends_with(backup.to_str().unwrap()),
        "a safety copy is no backup: {verified}"
    );
    // The safety copy holds the damaged state.
    let safety = names(&shop.stack.backups())
        .into_iter()
        .find(|name| name.starts_with("pre-restore-backup-"))
        .unwrap();
    shop.run(
        "restore.sh",
        &["--force", "--without-safety-copy", shop.stack.backups().join(safety).to_str().unwrap()],
    )
    .expect(0);
    assert_eq!(shop.rows(), damaged);
}

#[test]
fn row_1_28_a_dropped_database_comes_back_and_parts_can_be_chosen() {
    let Some(shop) = Shop::open() else { return };
    let before = shop.rows();
    shop.backup();
    shop.postgres.sql("postgres", "DROP DATABASE letta");
    shop.stack.write("deployment/nginx.conf", "mine {}\n");
    wait_for_another_second();
    shop.run("restore.sh", &["--force", "--data-only", "latest"]).expect(0);
    assert_eq!(shop.rows(), before);
    assert_eq!(shop.stack.read("deployment/nginx.conf"), "mine {}\n", "--data-only leaves files alone");
    wait_for_another_second();
    shop.run("restore.sh", &["--force", "--config-only", "latest"]).expect(0);
    assert_eq!(shop.stack.read("deployment/nginx.conf"), "server {}\n");
}

#[test]
fn row_1_28_a_database_that_cannot_be_loaded_leaves_the_live_one_and_a_status_that_says_so() {
    let Some(shop) = Shop::open() else { return };
    let backup = shop.backup();
    shop.postgres.sql("letta", "DELETE FROM ledger WHERE id > 400");
    let live = shop.rows();
    // A whole dump that the server refuses.
    let dump = artefact(&backup, "databases", "letta");
    let text = fs::read_to_string(&dump).unwrap().replacen("CREATE TABLE", "CREATE NONSENSE", 1);
    fs::write(&dump, text).unwrap();
    resum(&backup);
    wait_for_another_second();
    let outcome = shop.run("restore.sh", &["--force", "--data-only", backup.to_str().unwrap()]).expect(1);
    assert!(
        outcome.stderr.contains("database letta: psql ended with 3; the live one is untouched"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("FAILED"), "{}", outcome.stderr);
    assert_eq!(shop.rows(), live);
}

#[test]
fn row_1_28_without_a_safety_copy_nothing_is_replaced() {
    let Some(shop) = Shop::open() else { return };
    shop.backup();
    shop.stack.write("deployment/nginx.conf", "mine {}\n");
    shop.engine.set_running("shop-supabase-db-1", false);
    wait_for_another_second();
    let outcome = shop.run("restore.sh", &["--force", "latest"]).expect(2);
    assert!(
        outcome.stderr.contains("could not make the safety copy: nothing was changed"),
        "{}",
        outcome.stderr
    );
    assert_eq!(shop.stack.read("deployment/nginx.conf"), "mine {}\n");
}

#[test]
fn row_1_29_after_the_restore_health_decides_within_its_deadline() {
    let Some(shop) = Shop::open() else { return };
    shop.backup();
    shop.http.answer("/healthz", Answer::new(503, ""));
    wait_for_another_second();
    let sick = shop.run("restore.sh", &["--force", "--config-only", "--deadline", "1s", "latest"]).expect(1);
    assert!(
        sick.stderr.contains("not healthy after 1 s") && sick.stderr.contains("status 503"),
        "{}",
        sick.stderr
    );
    shop.run("restore.sh", &["--services-only", "--deadline", "1s", "--force"]).expect(1);
    shop.http.answer("/healthz", Answer::new(200, ""));
    shop.run("restore.sh", &["--services-only", "--deadline", "5s", "--force"]).expect(0);
}

#[test]
fn row_1_42g_the_recovery_test_restores_into_scratch_counts_and_leaves_nothing_behind() {
    let Some(shop) = Shop::open() else { return };
    let backup = shop.backup();
    let live = shop.rows();
    let outcome = shop.run("tasks/disaster-recovery-test.sh", &[]).expect(0);
    assert!(outcome.stdout.contains("500 rows restored and counted"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("entries restored and compared"), "{}", outcome.stdout);
    let record: serde_json::Value =
        serde_json::from_str(shop.stack.read("deployment/logs/disaster-recovery.jsonl").trim()).unwrap();
    assert_eq!((&record["rows"], &record["exit"]), (&500.into(), &0.into()));
    assert!(record["seconds"].is_number());
    let scratch = "SELECT count(*) FROM pg_database WHERE datname LIKE 'pa_scratch%'";
    assert_eq!(shop.postgres.sql("postgres", scratch), "0");
    assert_eq!(shop.rows(), live);
    // It can fail: a dump that lacks rows but is otherwise whole.
    let dump = artefact(&backup, "databases", "letta");
    let text = fs::read_to_string(&dump).unwrap().replacen("ADD CONSTRAINT", "ADD NONSENSE", 1);
    fs::write(&dump, text).unwrap();
    resum(&backup);
    let broken = shop.run("tasks/disaster-recovery-test.sh", &[]).expect(1);
    assert!(broken.stderr.contains("psql ended with 3"), "{}", broken.stderr);
    assert_eq!(shop.postgres.sql("postgres", scratch), "0");
}

#[test]
fn a_restore_that_ends_half_way_is_not_called_unchanged_and_what_it_stopped_is_started_again() {
    let Some(shop) = Shop::open() else { return };
    shop.backup();
    shop.stack.write("deployment/nginx.conf", "changed {}\n");
    // The server goes away once the files are restored.
    let mut local =
        shop.script("restore.sh", &["--force", "--without-safety-copy", "--no-health-check", "latest"]);
    let unreachable = run(local.env("DATABASE_SERVICE", "local").env("PGHOST", "/nonexistent")).expect(1);
    assert!(unreachable.stderr.contains("ended half-way"), "{}", unreachable.stderr);
    assert_eq!(shop.stack.read("deployment/nginx.conf"), "server {}\n");

    let stubs = shop.stack.programs(&[("docker", "echo \"$*\" >>$CALLS\ncase \"$*\" in version*) echo 28 ;; *service=supabase-db*) echo base ;; ps*) printf 'base\none\ntwo\n' ;; stop*) exit 1 ;; esac")]);
    let mut stuck = shop.stack.script_with("restore.sh", &[&stubs]);
    stuck
        .args(["--force", "--without-safety-copy", "--no-health-check", "latest"])
        .env("COMPOSE_FILE", "/nonexistent");
    let stuck = run(&mut stuck).expect(1);
    assert!(stuck.stderr.contains("ended half-way"), "{}", stuck.stderr);
    assert!(shop.stack.calls().contains(&"start one two".to_owned()), "{:?}", shop.stack.calls());
}

#[test]
fn row_1_28_missing_roles_come_back_with_their_memberships_and_odd_names_are_no_trouble() {
    let Some(shop) = Shop::open() else { return };
    shop.postgres.sql(
        "letta",
        "CREATE ROLE \"app reader\" LOGIN; CREATE ROLE staff; CREATE ROLE \"the \"\"boss\"\"\" LOGIN; GRANT staff TO \"the \"\"boss\"\"\";
         CREATE TABLE \"order items\" (id int); INSERT INTO \"order items\" VALUES (1); GRANT SELECT ON \"order items\" TO \"app reader\"",
    );
    let backup = shop.backup();
    shop.postgres.sql("letta", "DROP ROLE staff; DROP TABLE \"order items\"");
    wait_for_another_second();
    shop.run("restore.sh", &["--force", "--data-only", backup.to_str().unwrap()]).expect(0);
    let member = "SELECT roleid::regrole || ' ' || member::regrole FROM pg_auth_members WHERE roleid::regrole::text = 'staff'";
    assert_eq!(shop.postgres.sql("postgres", member), "staff \"the \"\"boss\"\"\"");
    assert_eq!(shop.postgres.sql("letta", "SELECT count(*) FROM \"order items\""), "1");
}

#[test]
fn a_database_whose_name_begins_like_the_roles_file_is_a_database() {
    let Some(shop) = Shop::open() else { return };
    shop.postgres.with_ledger("globals_eu", 3);
    let backup = shop.backup();
    shop.postgres.sql("postgres", "DROP DATABASE globals_eu");
    wait_for_another_second();
    shop.run("restore.sh", &["--force", "--data-only", backup.to_str().unwrap()]).expect(0);
    assert_eq!(shop.postgres.sql("globals_eu", "SELECT count(*) FROM ledger"), "3");
}
