//! `backup.sh` and `verify-backup.sh`, against a real PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};

use pai_tests::rigs::http::{Answer, Http};
use pai_tests::{command, run};

use crate::shop::{Shop, artefact, cut, flip, resum};
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

fn change_a_sum(backup: &Path) {
    let sums = fs::read_to_string(backup.join("SHA256SUMS")).unwrap();
    fs::write(backup.join("SHA256SUMS"), sums.replacen(|c: char| c.is_ascii_digit(), "x", 1)).unwrap();
}

fn empty(backup: &Path) {
    fs::remove_dir_all(backup).unwrap();
    fs::create_dir(backup).unwrap();
}

#[test]
fn row_1_17_every_damage_is_found_and_named() {
    let Some(shop) = Shop::open() else { return };
    let good = shop.backup();
    // The sums are made anew for a fault that must be seen beyond a checksum.
    let (as_they_were, anew): (Damage, Damage) = (|_| (), resum);
    let cases: [(&str, Damage, Damage, &str); 12] = [
        ("a flipped bit", |b| flip(&artefact(b, "configs", "deployment")), as_they_were, "deployment_"),
        ("a flipped bit in an archive", |b| flip(&artefact(b, "configs", "deployment")), anew, "deployment_"),
        ("an archive cut short", |b| cut(&artefact(b, "configs", "docs"), 40), anew, "docs_"),
        (
            "a dump cut within a table",
            |b| cut(&artefact(b, "databases", "letta"), 9000),
            anew,
            "ends within a table",
        ),
        (
            "a dump without its end",
            |b| cut(&artefact(b, "databases", "letta"), 150),
            anew,
            "the end is missing",
        ),
        (
            "an empty dump",
            |b| fs::write(artefact(b, "databases", "letta"), "").unwrap(),
            anew,
            "empty: databases/letta_",
        ),
        ("no manifest", |b| fs::remove_file(b.join("BACKUP_MANIFEST.md")).unwrap(), anew, "no manifest"),
        ("no sums", |b| fs::remove_file(b.join("SHA256SUMS")).unwrap(), as_they_were, "no SHA256SUMS"),
        (
            "a missing dump",
            |b| fs::remove_file(artefact(b, "databases", "letta")).unwrap(),
            anew,
            "missing: databases/letta_",
        ),
        ("a changed sum", change_a_sum, as_they_were, "checksums"),
        (
            "an unlisted file",
            |b| fs::write(b.join("databases/x.sql"), "x").unwrap(),
            as_they_were,
            "not in SHA256SUMS: databases/x.sql",
        ),
        ("nothing at all", empty, as_they_were, "it holds nothing"),
    ];
    for (what, damage, sums, reason) in cases {
        let copy = shop.stack.path("pa-ecosystem-backup-20261121_020000");
        run(command("cp").arg("-a").arg(&good).arg(&copy)).expect(0);
        damage(&copy);
        sums(&copy);
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
    std::thread::sleep(std::time::Duration::from_secs(1));
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
fn row_1_17_a_path_that_is_not_there_is_named_and_the_others_are_verified() {
    let stack = Stack::new();
    let backup = run(stack.script("backup.sh").args(["--quiet", "--config-only"])).expect(0).stdout;
    let outcome = run(stack.script("verify-backup.sh").args(["/nonexistent", backup.trim()])).expect(1);
    assert_eq!(outcome.stdout, format!("/nonexistent: FAILED (no such backup)\n{}: OK\n", backup.trim()));
}

#[test]
fn row_1_17_an_export_that_cannot_be_parsed_for_want_of_jq_is_no_good_backup() {
    let (stack, http) = (Stack::new(), Http::start());
    http.answer("/", Answer::new(200, "[1]"));
    stack.settings(&format!("BACKUP_EXPORTS=letta={}\n", http.url("/")));
    let backup = run(stack.script("backup.sh").args(["--quiet", "--services-only"])).expect(0).stdout;
    let mut verify = stack.script("verify-backup.sh");
    let outcome = run(verify.env("PATH", stack.path_without(&["jq"])).arg(backup.trim())).expect(1);
    assert!(outcome.stdout.contains("jq is not installed"), "{}", outcome.stdout);
}

/// A docker of which two containers use one volume; the first is paused by its owner. Words in `$BROKEN` fail.
const DOCKER: &str = r#"echo "$*" >>$CALLS
case "$*" in *"${BROKEN:-nothing}"*) exit 1 ;; esac
case "$*" in
  version*) echo 28 ;;
  "volume ls"*) printf 'shop_data\nshared\n' ;;
  *status=running*) echo second ;;
  *volume=shop_data*service=*) ;;
  *volume=shop_data*) printf 'first\nsecond\n' ;;
  pause*first*) echo 'already paused' >&2 && exit 1 ;;
  run*:ro*) tar -cf - --files-from /dev/null ;;
  run*:rw*) cat >/dev/null ;;
esac"#;

fn with_volumes(stack: &Stack, script: &str, words: &[&str], broken: &str) -> pai_tests::Outcome {
    stack.settings("DATABASE_SERVICE=none\n");
    let stubs = stack.programs(&[("docker", DOCKER)]);
    run(stack.script_with(script, &[&stubs]).args(words).env("BROKEN", broken))
}

#[test]
fn a_container_that_its_owner_paused_stays_so_and_keeps_no_volume_from_its_backup() {
    let stack = Stack::new();
    let made = with_volumes(&stack, "backup.sh", &["--data-only"], "");
    assert_eq!(made.status, Some(0), "{}", made.stderr);
    let calls = stack.calls();
    let about = |word: &str| calls.iter().filter(|call| call.starts_with(word)).cloned().collect::<Vec<_>>();
    assert_eq!(
        (about("pause"), about("unpause")),
        (vec!["pause second".to_owned(); 2], vec!["unpause second".to_owned(); 2])
    );
    std::thread::sleep(std::time::Duration::from_secs(1));
    let unpaused = with_volumes(&stack, "backup.sh", &["--data-only"], "pause second");
    assert!(
        unpaused.stderr.contains("could not back up volume shop_data: could not pause"),
        "{}",
        unpaused.stderr
    );
}

#[test]
fn volumes_that_the_engine_does_not_tell_are_a_failure_and_not_none() {
    let stack = Stack::new();
    for broken in ["volume ls", "ps"] {
        let outcome = with_volumes(&stack, "backup.sh", &[], broken);
        assert_eq!(outcome.status, Some(1), "{broken}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("could not back up"), "{broken}: {}", outcome.stderr);
        assert!(!stack.backups().join("latest").exists(), "{broken}");
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

#[test]
fn a_volume_with_a_name_of_its_own_is_restored_under_that_name() {
    let stack = Stack::new();
    with_volumes(&stack, "backup.sh", &["--data-only"], "").expect(0);
    let dry = with_volumes(&stack, "restore.sh", &["--dry-run", "latest"], "").expect(0);
    assert!(
        dry.stdout.contains("volume shared from ") && dry.stdout.contains("volume shop_data from "),
        "{}",
        dry.stdout
    );
    with_volumes(
        &stack,
        "restore.sh",
        &["--force", "--without-safety-copy", "--no-health-check", "latest"],
        "",
    )
    .expect(0);
    let written: Vec<String> = stack.calls().into_iter().filter(|call| call.contains(":rw")).collect();
    assert!(
        written.len() == 2 && written.iter().any(|call| call.contains(" shared:/volume:rw ")),
        "{written:?}"
    );
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
