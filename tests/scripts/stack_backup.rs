//! `backup.sh`, against a real PostgreSQL: what is in a backup, and what becomes of a failure.

use std::fs;
use std::path::{Path, PathBuf};

use pai_tests::rigs::http::{Answer, Http};
use pai_tests::{command, run, wait_for_another_second};

use crate::shop::{Shop, artefact};
use crate::stack::Stack;
use crate::support::{mode, names};

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
    wait_for_another_second();
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
fn row_1_42f_backups_are_private_whatever_the_umask() {
    let Some(shop) = Shop::open() else { return };
    let line = format!(
        "umask 000; exec '{}/scripts/backup.sh' --quiet --config-only",
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
    wait_for_another_second();
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

/// The files of a configuration's archive, sorted.
fn members(backup: &str, start: &str) -> Vec<String> {
    let mut tar = command("tar");
    let list =
        run(tar.arg("-tzf").arg(artefact(Path::new(backup.trim()), "configs", start))).expect(0).stdout;
    let mut files: Vec<String> =
        list.lines().filter(|line| !line.ends_with('/')).map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn only_the_stacks_own_logs_and_backups_are_left_out_not_what_is_called_so_elsewhere() {
    let stack = Stack::new();
    for file in ["docs/deployment/logs/how.md", "docs/logs/why.md", "deployment/app/logs/a.log", "logs/b.log"]
    {
        stack.write(file, "x");
    }
    for log_dir in ["logs", "deployment/logs"] {
        let mut backup = stack.script("backup.sh");
        backup.args(["--quiet", "--config-only", "--name", &log_dir.replace('/', "-")]);
        let backup = run(backup.env("LOG_DIR", stack.path(log_dir))).expect(0).stdout;
        assert_eq!(members(&backup, "deployment"), ["deployment/app/logs/a.log"]);
        assert_eq!(members(&backup, "docs"), ["docs/deployment/logs/how.md", "docs/logs/why.md"]);
    }
}

#[test]
fn a_relative_output_folder_is_below_the_working_folder_and_a_backup_that_fails_leaves_nothing_there() {
    let stack = Stack::new();
    let made = run(stack.script("backup.sh").args(["--quiet", "--config-only", "--output", "out"])).expect(0);
    let out = stack.home().parent().unwrap().join("out");
    assert!(Path::new(made.stdout.trim()).starts_with(&out), "{}", made.stdout);
    let stubs = stack.programs(&[("pai-checksum", "echo begun; exit 2")]);
    let before = names(&out);
    wait_for_another_second();
    run(stack.script_with("backup.sh", &[&stubs]).args(["--quiet", "--config-only", "--output", "out"]))
        .expect(2);
    assert_eq!(names(&out), before);
}

#[test]
fn two_parts_of_one_name_do_not_replace_each_other() {
    let stack = Stack::new();
    stack.write("a/b/one", "1");
    stack.write("a-b/two", "2");
    stack.settings("BACKUP_CONFIGS='a/b a-b'\n");
    let outcome = run(stack.script("backup.sh").arg("--config-only")).expect(1);
    assert!(outcome.stderr.contains("not backed up: a second part named configs/a-b"), "{}", outcome.stderr);
}

#[test]
fn the_name_that_the_compose_file_gives_the_project_is_the_projects_name() {
    for (line, name) in [
        ("name: our_shop # as ever", "our_shop"),
        ("name: \"our\"", "our"),
        ("name: ${WHO}", "shop"),
        ("#", "shop"),
    ] {
        let stack = Stack::new();
        stack.write("docker-compose.yml", &format!("{line}\nservices: {{}}\n"));
        let backup = run(stack.script("backup.sh").args(["--quiet", "--config-only"])).expect(0).stdout;
        let manifest = fs::read_to_string(Path::new(backup.trim()).join("BACKUP_MANIFEST.md")).unwrap();
        assert!(manifest.contains(&format!("\n- Stack: {name} (")), "{line}: {manifest}");
    }
}

#[test]
fn a_dry_run_that_could_not_look_at_everything_does_not_end_well() {
    let stack = Stack::new();
    let mut backup = stack.script("backup.sh");
    let outcome =
        run(backup.arg("--dry-run").env("DOCKER_HOST", "unix:///nonexistent/docker.sock")).expect(1);
    assert!(outcome.stderr.contains("error: could not back up the databases: "), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("would make: "), "{}", outcome.stdout);
    assert_eq!(names(&stack.backups()), [""; 0]);
}
