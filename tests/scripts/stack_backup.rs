//! `backup.sh`, `verify-backup.sh`, `restore.sh` and the recovery test, against a real PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::rigs::engine::Engine;
use pai_tests::rigs::http::{Answer, Http};
use pai_tests::rigs::postgres::Postgres;
use pai_tests::{Outcome, command, run};

use crate::stack::{Stack, database_in_a_container};
use crate::support::{mode, names};

/// A stack whose database `letta` has 500 rows, reached through the docker CLI; volumes are the real
/// engine's matter.
struct Shop {
    stack: Stack,
    postgres: Postgres,
    engine: Engine,
    http: Http,
}

impl Shop {
    fn open() -> Option<Self> {
        let (postgres, engine) = database_in_a_container()?;
        postgres.with_ledger("letta", 500);
        let (stack, http) = (Stack::new(), Http::start());
        http.answer("/healthz", Answer::new(200, ""));
        stack.settings("DATABASE_USER=codex\nBACKUP_VOLUMES=none\n");
        stack.write("docker-compose.yml", "services: {}\n");
        stack.write("deployment/nginx.conf", "server {}\n");
        stack.write("docs/runbook.md", "# Runbook\n");
        stack.write("deployment/health.conf", &format!("http n8n {}\n", http.url("/healthz")));
        Some(Self { stack, postgres, engine, http })
    }

    fn script(&self, name: &str, words: &[&str]) -> Command {
        let mut script = self.stack.script(name);
        script.env("PATH", self.stack.path_without(&["docker-compose"]));
        script.env("DOCKER_HOST", self.engine.host()).args(words);
        script
    }

    fn run(&self, name: &str, words: &[&str]) -> Outcome {
        run(&mut self.script(name, words))
    }

    /// Makes a backup; its folder.
    fn backup(&self) -> PathBuf {
        PathBuf::from(self.run("backup.sh", &["--quiet"]).expect(0).stdout.trim())
    }

    fn rows(&self) -> String {
        self.postgres
            .sql("letta", "SELECT count(*) || ' ' || md5(string_agg(entry, ',' ORDER BY id)) FROM ledger")
    }
}

/// The one file of a backup whose name starts so.
fn artefact(backup: &Path, folder: &str, start: &str) -> PathBuf {
    let name = names(&backup.join(folder)).into_iter().find(|name| name.starts_with(start));
    backup.join(folder).join(name.unwrap_or_else(|| panic!("{folder}/{start} in {}", backup.display())))
}

/// Writes SHA256SUMS anew: for faults that must be seen beyond a checksum.
fn resum(backup: &Path) {
    let line =
        "find . -type f ! -name SHA256SUMS -printf '%P\\0' | sort -z | xargs -0 sha256sum -- >SHA256SUMS";
    run(command("sh").args(["-c", line]).current_dir(backup)).expect(0);
}

#[test]
fn row_1_18_the_layout_is_the_documented_one_and_private() {
    let Some(shop) = Shop::open() else { return };
    let backup = shop.backup();
    let name = backup.file_name().unwrap().to_str().unwrap();
    let stamp = name.strip_prefix("pa-ecosystem-backup-").unwrap();
    assert_eq!(
        fs::read_link(shop.stack.backups().join("latest")).unwrap(),
        Path::new(name),
        "a relative link"
    );
    assert_eq!(
        names(&backup),
        ["BACKUP_MANIFEST.md", "SHA256SUMS", "configs", "databases", "logs", "volumes"]
    );
    let stamped = |names: &[&str], ext: &str| -> Vec<String> {
        names.iter().map(|name| format!("{name}_{stamp}{ext}")).collect()
    };
    assert_eq!(
        names(&backup.join("databases")),
        stamped(&["codex", "globals", "letta", "postgres"], ".sql")[1..]
    );
    assert_eq!(
        names(&backup.join("configs")),
        stamped(&["deployment", "docker-compose", "docs", "env"], ".tar.gz")
    );
    let manifest = fs::read_to_string(backup.join("BACKUP_MANIFEST.md")).unwrap();
    assert!(
        manifest.contains("\n## Backup Contents\n") && manifest.contains("Left out: volumes"),
        "{manifest}"
    );
    run(command("sha256sum").args(["-c", "--quiet", "--strict", "SHA256SUMS"]).current_dir(&backup))
        .expect(0);
    for file in [artefact(&backup, "databases", "letta"), backup.join("SHA256SUMS")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&backup), 0o700);
    // Neither the logs nor the earlier backups.
    let mut tar = command("tar");
    let list = run(tar.arg("-tzf").arg(artefact(&backup, "configs", "deployment"))).expect(0).stdout;
    assert!(
        list.contains("deployment/nginx.conf") && !list.contains("backups/") && !list.contains("logs/"),
        "{list}"
    );
}

#[test]
fn a_part_that_fails_leaves_an_incomplete_folder_and_latest_as_it_was() {
    let Some(shop) = Shop::open() else { return };
    let good = shop.backup();
    shop.engine.set_running("shop-supabase-db-1", false);
    // Names have seconds in them.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let outcome = shop.run("backup.sh", &[]).expect(1);
    assert!(
        outcome.stderr.contains("could not back up the databases: no running container"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.stdout, "");
    assert_eq!(
        fs::canonicalize(shop.stack.backups().join("latest")).unwrap(),
        fs::canonicalize(&good).unwrap()
    );
    let left = names(&shop.stack.backups());
    assert!(left.iter().any(|name| name.ends_with(".incomplete")), "{left:?}");
    let all = shop.run("verify-backup.sh", &["--all"]).expect(0);
    assert!(all.stderr.contains("1 backups: 1 good, 0 bad"), "{}", all.stderr);
}

#[test]
fn a_backup_dry_run_prints_the_commands_and_writes_nothing() {
    let Some(shop) = Shop::open() else { return };
    let outcome = shop.run("backup.sh", &["--dry-run"]).expect(0);
    assert!(
        outcome.stdout.contains("would run: pai-backup capture")
            && outcome.stdout.contains("pg_dump --dbname letta")
    );
    assert!(!shop.stack.backups().exists());
}

#[test]
fn row_1_17_a_good_backup_passes_as_latest_all_path_and_word() {
    let Some(shop) = Shop::open() else { return };
    let backup = shop.backup();
    let path = backup.to_str().unwrap();
    for words in [&["--latest"][..], &["--all"], &[path], &["latest"], &[]] {
        let outcome = shop.run("verify-backup.sh", words).expect(0);
        assert!(outcome.stdout.ends_with(": OK\n"), "{words:?}: {}", outcome.stdout);
    }
    let noted = shop.stack.read("deployment/logs/state/backup-verified");
    assert!(noted.trim_end().ends_with(path), "{noted}");
}

/// Something done to a backup's folder.
type Damage = fn(&Path);

#[test]
fn row_1_17_every_damage_is_found_and_named() {
    let Some(shop) = Shop::open() else { return };
    let good = shop.backup();
    let cases: [(&str, Damage, &str); 12] = [
        ("a flipped bit in an archive", |b| flip(&artefact(b, "configs", "deployment")), "deployment_"),
        (
            "a flipped bit, sums made anew",
            |b| {
                flip(&artefact(b, "configs", "deployment"));
                resum(b);
            },
            "deployment_",
        ),
        (
            "an archive cut short",
            |b| {
                cut(&artefact(b, "configs", "docs"), 40);
                resum(b);
            },
            "docs_",
        ),
        (
            "a dump cut within a table",
            |b| {
                cut(&artefact(b, "databases", "letta"), 9000);
                resum(b);
            },
            "ends within a table",
        ),
        (
            "a dump without its end",
            |b| {
                cut(&artefact(b, "databases", "letta"), 150);
                resum(b);
            },
            "the end is missing",
        ),
        (
            "an empty dump",
            |b| {
                fs::write(artefact(b, "databases", "letta"), "").unwrap();
                resum(b);
            },
            "empty: databases/letta_",
        ),
        (
            "no manifest",
            |b| {
                fs::remove_file(b.join("BACKUP_MANIFEST.md")).unwrap();
                resum(b);
            },
            "no manifest",
        ),
        ("no sums", |b| fs::remove_file(b.join("SHA256SUMS")).unwrap(), "no SHA256SUMS"),
        (
            "a missing dump",
            |b| {
                fs::remove_file(artefact(b, "databases", "letta")).unwrap();
                resum(b);
            },
            "missing: databases/letta_",
        ),
        (
            "a changed sum",
            |b| {
                let sums = fs::read_to_string(b.join("SHA256SUMS")).unwrap();
                fs::write(b.join("SHA256SUMS"), sums.replacen(|c: char| c.is_ascii_digit(), "x", 1)).unwrap();
            },
            "checksums",
        ),
        (
            "an unlisted file",
            |b| fs::write(b.join("databases/extra.sql"), "x").unwrap(),
            "not in SHA256SUMS: databases/extra.sql",
        ),
        (
            "nothing at all",
            |b| {
                fs::remove_dir_all(b).unwrap();
                fs::create_dir(b).unwrap();
            },
            "it holds nothing",
        ),
    ];
    for (what, damage, reason) in cases {
        let copy = shop.stack.path("pa-ecosystem-backup-20261121_020000");
        run(command("cp").arg("-a").arg(&good).arg(&copy)).expect(0);
        damage(&copy);
        let outcome = shop.run("verify-backup.sh", &[copy.to_str().unwrap()]);
        assert_eq!(outcome.status, Some(1), "{what}: {}", outcome.stdout);
        assert!(
            outcome.stdout.contains(": FAILED (") && outcome.stdout.contains(reason),
            "{what}: {}",
            outcome.stdout
        );
        fs::remove_dir_all(&copy).unwrap();
    }
}

fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

/// Takes `less` bytes off the end.
fn cut(file: &Path, less: usize) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() - less]).unwrap();
}

#[test]
fn row_1_17_all_counts_none_one_and_three_and_never_passes_on_nothing() {
    let Some(shop) = Shop::open() else { return };
    for words in [&["--all"][..], &["--latest"]] {
        let none = shop.run("verify-backup.sh", words).expect(2);
        assert!(none.stderr.contains("no backups in"), "{}", none.stderr);
    }
    let backup = shop.backup();
    assert!(shop.run("verify-backup.sh", &["--all"]).expect(0).stderr.contains("1 backups: 1 good, 0 bad"));
    for name in ["pa-ecosystem-backup-20260101_020000", "pa-ecosystem-backup-20260102_020000"] {
        run(command("cp").arg("-a").arg(&backup).arg(shop.stack.backups().join(name))).expect(0);
    }
    let bad = shop.stack.backups().join("pa-ecosystem-backup-20260101_020000");
    flip(&artefact(&bad, "databases", "letta"));
    let three = shop.run("verify-backup.sh", &["--all"]).expect(1);
    assert!(three.stderr.contains("3 backups: 2 good, 1 bad"), "{}", three.stderr);
    assert_eq!(three.stdout.lines().filter(|line| line.contains("FAILED")).count(), 1);
    shop.run("verify-backup.sh", &["--latest"]).expect(0);
}

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
    std::thread::sleep(std::time::Duration::from_secs(1));

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
    std::thread::sleep(std::time::Duration::from_secs(1));
    shop.run("restore.sh", &["--force", "--data-only", "latest"]).expect(0);
    assert_eq!(shop.rows(), before);
    assert_eq!(shop.stack.read("deployment/nginx.conf"), "mine {}\n", "--data-only leaves files alone");
    std::thread::sleep(std::time::Duration::from_secs(1));
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
    std::thread::sleep(std::time::Duration::from_secs(1));
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
    std::thread::sleep(std::time::Duration::from_secs(1));
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
    std::thread::sleep(std::time::Duration::from_secs(1));
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
fn row_1_42f_backups_are_private_whatever_the_umask() {
    let Some(shop) = Shop::open() else { return };
    let line = format!(
        "umask 000; exec {}/scripts/backup.sh --quiet --config-only",
        pai_tests::repository().display()
    );
    let mut with_umask = shop.script("backup.sh", &[]);
    let mut shell = command("sh");
    shell.args(["-c", &line]);
    for (key, value) in with_umask.current_dir("/").get_envs() {
        if let Some(value) = value {
            shell.env(key, value);
        }
    }
    let backup = PathBuf::from(run(&mut shell).expect(0).stdout.trim());
    assert_eq!((mode(&backup), mode(&artefact(&backup, "configs", "env"))), (0o700, 0o600));
}

#[test]
fn what_services_export_is_kept_as_json_and_a_failed_export_is_said() {
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/v1/agents/", Answer::new(200, "[{\"id\":1}]"));
    let exports = |path: &str| format!("BACKUP_EXPORTS=letta_agent={}\n", http.url(path));
    stack.settings(&exports("/v1/agents/"));
    let good = run(stack.script("backup.sh").arg("--services-only")).expect(0);
    assert_eq!(names(&Path::new(good.stdout.trim()).join("configs")).len(), 1);
    stack.settings(&exports("/gone"));
    std::thread::sleep(std::time::Duration::from_secs(1));
    run(stack.script("backup.sh").arg("--services-only")).expect(2);
}

#[test]
fn two_backups_at_once_do_not_mix() {
    let Some(shop) = Shop::open() else { return };
    fs::create_dir_all(shop.stack.backups()).unwrap();
    let lock = shop.stack.backups().join(".lock");
    let mut flock = command("flock");
    let backup = shop.script("backup.sh", &[]);
    flock.arg(&lock).arg(backup.get_program());
    for (key, value) in backup.get_envs() {
        if let Some(value) = value {
            flock.env(key, value);
        }
    }
    run(&mut flock).expect(75);
}
