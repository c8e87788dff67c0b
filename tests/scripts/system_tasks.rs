//! Updates, logs, trends, the crontab and the audits.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pai_tests::rigs::postgres::Postgres;
use pai_tests::{Outcome, command, has, run, skip};

use crate::stack::Stack;
use crate::support::names;

const LOG: &str = "echo \"${0##*/} $*\" >>$CALLS\n";

/// A task with stubs first on PATH and the real package managers out of sight.
fn with_stubs(stack: &Stack, task: &str, stubs: &[(&str, &str)], options: &[&str]) -> Outcome {
    let mut programs: Vec<(&str, String)> = vec![("sudo", "shift; exec \"$@\"".to_owned())];
    programs.extend(stubs.iter().map(|(name, text)| (*name, format!("{LOG}{text}"))));
    let programs: Vec<(&str, &str)> = programs.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let folder = stack.programs(&programs);
    let rest = stack.path_without(&["apt-get", "dnf", "brew", "docker", "needrestart"]);
    let path = std::env::join_paths([folder, rest]).unwrap();
    run(stack.script(&format!("tasks/{task}.sh")).env("PATH", path).args(options))
}

/// apt-get -s as Debian 12 prints it.
const APT: &str = "case \"$*\" in *-s*) cat <<'TEXT'
Reading package lists...
Inst base-files [12.4] (12.4+deb12u12 Debian:12.12/stable [amd64])
Inst libssl3 [3.0.15] (3.0.17-1~deb12u3 Debian-Security:12/stable-security [amd64])
Inst tool [1] (2 Somebody:1/stable [amd64])
Conf libssl3 (3.0.17-1~deb12u3 Debian-Security:12/stable-security [amd64])
TEXT
;; esac";

#[test]
fn row_1_14a_updates_are_listed_first_and_installed_only_with_yes_and_a_verified_backup() {
    let stack = Stack::new();
    let listed = with_stubs(&stack, "system-update", &[("apt-get", APT)], &[]).expect(0);
    assert!(
        listed.stdout.contains("3 packages have an update (apt-get)\nbase-files\nlibssl3\ntool\n"),
        "{}",
        listed.stdout
    );
    assert!(listed.stdout.contains("that needs --yes"));
    assert!(
        !stack.calls().iter().any(|call| call.contains("upgrade") && !call.contains("-s")),
        "{:?}",
        stack.calls()
    );
    let refused = with_stubs(&stack, "system-update", &[("apt-get", APT)], &["--yes"]).expect(2);
    assert!(refused.stderr.contains("no backup was verified within 36h"), "{}", refused.stderr);
}

#[test]
fn row_1_14b_apt_runs_without_questions_and_keeps_changed_configuration_files() {
    let stack = Stack::new();
    stack.backup_verified(3600);
    with_stubs(
        &stack,
        "system-update",
        &[("apt-get", &format!("{APT}\necho DEBIAN_FRONTEND=$DEBIAN_FRONTEND >>$CALLS"))],
        &["--yes"],
    )
    .expect(0);
    let calls = stack.calls();
    let options = "-y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold";
    for expected in ["apt-get -qq update", &format!("apt-get {options} upgrade"), "apt-get -y autoremove"] {
        assert!(calls.iter().any(|call| call == expected), "{expected} in {calls:?}");
    }
    assert!(
        calls
            .iter()
            .filter(|call| call.starts_with("DEBIAN"))
            .all(|call| call == "DEBIAN_FRONTEND=noninteractive")
    );
    let dry = Stack::new();
    let outcome =
        with_stubs(&dry, "system-update", &[("apt-get", APT)], &["--yes", "--dry-run", "--without-backup"])
            .expect(0);
    assert!(
        outcome.stdout.contains("would run: ") && outcome.stdout.contains(" upgrade\n"),
        "{}",
        outcome.stdout
    );
    assert_eq!(dry.calls(), ["apt-get -s upgrade"]);
}

#[test]
fn row_1_14b_what_really_pends_here_is_what_apt_says() {
    if !has("apt-get") {
        return skip("no apt-get");
    }
    let stack = Stack::new();
    let real = run(command("apt-get").args(["-s", "upgrade"])).expect(0).stdout;
    let expected = real.lines().filter(|line| line.starts_with("Inst ")).count();
    let path = stack.path_without(&["docker", "needrestart", "dnf", "brew"]);
    let outcome = run(stack.script("tasks/system-update.sh").env("PATH", path).arg("--dry-run")).expect(0);
    assert!(outcome.stdout.contains(&format!("{expected} packages have an update")), "{}", outcome.stdout);
}

#[test]
fn row_1_14c_dnf_updates_and_removes_what_is_left_over() {
    let stack = Stack::new();
    stack.backup_verified(60);
    let dnf = "case \"$*\" in *check-update*) echo 'kernel.x86_64 6.1 updates'; exit 100;; esac";
    with_stubs(&stack, "system-update", &[("dnf", dnf)], &["--yes"]).expect(0);
    assert_eq!(stack.calls(), ["dnf --quiet check-update", "dnf update -y", "dnf autoremove -y"]);
}

#[test]
fn row_1_14d_brew_is_refused_to_root_and_otherwise_upgraded_and_cleaned() {
    let stack = Stack::new();
    let root = with_stubs(&stack, "system-update", &[("brew", ""), ("id", "echo 0")], &[]).expect(2);
    assert!(root.stderr.contains("brew refuses to run as root"), "{}", root.stderr);
    let stack = Stack::new();
    // Owner checks ask id as well: the files are root's or the user's.
    with_stubs(
        &stack,
        "system-update",
        &[("brew", "[ \"$1\" != outdated ] || echo jq"), ("id", "echo 1000")],
        &["--yes", "--without-backup"],
    )
    .expect(0);
    let calls: Vec<String> = stack.calls().into_iter().filter(|call| call.starts_with("brew")).collect();
    assert_eq!(calls, ["brew update", "brew outdated", "brew upgrade", "brew cleanup"]);
}

#[test]
fn row_1_15_counts_are_printed_and_dnfs_100_is_no_failure_but_another_status_is() {
    let stack = Stack::new();
    let two = "echo 'kernel.x86_64 6.1 updates'; echo 'vim.x86_64 9 updates'; exit 100";
    let outcome = with_stubs(&stack, "system-update", &[("dnf", two)], &[]).expect(0);
    assert!(outcome.stdout.contains("2 packages have an update (dnf)"), "{}", outcome.stdout);
    let none = with_stubs(&stack, "system-update", &[("dnf", "exit 0")], &[]).expect(0);
    assert!(none.stdout.contains("0 packages"), "{}", none.stdout);
    let failed = with_stubs(&stack, "system-update", &[("dnf", "exit 1")], &[]).expect(2);
    assert!(failed.stderr.contains("could not list the updates: exit 1"), "{}", failed.stderr);
    let path = stack.path_without(&["apt-get", "dnf", "brew"]);
    let nothing = run(stack.script("tasks/system-update.sh").env("PATH", path)).expect(75);
    assert!(nothing.stderr.contains("skipped: no apt-get, dnf or brew here"), "{}", nothing.stderr);
}

#[test]
fn row_1_16a_only_what_comes_from_the_security_archive_is_installed() {
    let stack = Stack::new();
    stack.backup_verified(60);
    let outcome = with_stubs(&stack, "security-update", &[("apt-get", APT)], &["--yes"]).expect(0);
    assert!(
        outcome.stdout.contains("1 packages have a security update (apt-get)\nlibssl3\n"),
        "{}",
        outcome.stdout
    );
    let installed: Vec<String> = stack.calls().into_iter().filter(|call| call.contains("install")).collect();
    assert_eq!(installed.len(), 1);
    assert!(installed[0].ends_with("--only-upgrade install libssl3"), "{installed:?}");
    let failed = with_stubs(
        &stack,
        "security-update",
        &[("apt-get", "case \"$*\" in *-s*) exit 100;; esac")],
        &["--yes"],
    )
    .expect(2);
    assert!(failed.stderr.contains("could not list the updates"), "a failure is not nothing pending");
}

#[test]
fn row_1_16b_the_pending_security_packages_are_listed_instead_of_apt_audit_which_does_not_exist() {
    let stack = Stack::new();
    let outcome = with_stubs(&stack, "security-update", &[("apt-get", APT)], &[]).expect(0);
    assert!(
        outcome.stdout.contains("libssl3") && !outcome.stdout.contains("base-files"),
        "{}",
        outcome.stdout
    );
    assert!(!stack.calls().iter().any(|call| call.contains("audit")), "{:?}", stack.calls());
}

#[test]
fn row_1_16c_dnf_lists_its_security_advisories() {
    let stack = Stack::new();
    let dnf = "case \"$*\" in *updateinfo*) echo 'FEDORA-1 Important/Sec. openssl-3.0-2.x86_64';; esac";
    let outcome =
        with_stubs(&stack, "security-update", &[("dnf", dnf)], &["--yes", "--without-backup"]).expect(0);
    assert!(outcome.stdout.contains("openssl-3.0-2.x86_64"), "{}", outcome.stdout);
    assert_eq!(stack.calls(), ["dnf --quiet updateinfo list --security", "dnf update -y --security"]);
}

#[test]
fn row_1_16d_docker_scout_is_asked_only_where_it_is_installed() {
    let stack = Stack::new();
    let without = "case \"$1\" in scout) exit 1;; esac";
    let outcome =
        with_stubs(&stack, "security-update", &[("apt-get", ""), ("docker", without)], &[]).expect(0);
    assert!(outcome.stdout.contains("docker scout is not installed"), "{}", outcome.stdout);
    let with = "case \"$1\" in ps) echo n8nio/n8n:1;; esac";
    with_stubs(&stack, "security-update", &[("apt-get", ""), ("docker", with)], &[]).expect(0);
    assert!(
        stack.calls().contains(&"docker scout cves --only-severity critical,high n8nio/n8n:1".to_owned())
    );
}

#[test]
fn row_1_42d_major_work_is_refused_without_a_fresh_verified_backup_and_there_is_a_flag_for_it() {
    let stack = Stack::new();
    stack.backup_verified(37 * 3600);
    for task in ["system-update", "security-update"] {
        with_stubs(&stack, task, &[("apt-get", APT)], &["--yes"]).expect(2);
        with_stubs(&stack, task, &[("apt-get", APT)], &["--yes", "--without-backup"]).expect(0);
    }
    let cleanup = with_stubs(&stack, "comprehensive-cleanup", &[], &[]).expect(2);
    assert!(cleanup.stderr.contains("no backup was verified within 36h"), "{}", cleanup.stderr);
    stack.settings("UPDATE_BACKUP_AGE=40h\n");
    with_stubs(&stack, "comprehensive-cleanup", &[], &[]).expect(0);
}

fn aged(path: &Path, days: u32) {
    run(command("touch").args(["-d", &format!("{days} days ago")]).arg(path)).expect(0);
}

#[test]
fn row_1_10_large_and_old_logs_are_compressed_and_not_a_line_is_lost() {
    let stack = Stack::new();
    let line = "2026-11-21 a line of a log that compresses well\n";
    stack.write("deployment/logs/health-check.log", &line.repeat(50_000));
    stack.write("deployment/logs/small.log", line);
    stack.settings("LOG_ROTATE_SIZE=1M\n");
    let rotated = |instant: &str| {
        run(stack.script("tasks/log-rotation.sh").env("PAI_NOW", instant)).expect(0);
        let mut all = names(&stack.logs());
        all.retain(|name| name.ends_with(".gz"));
        all
    };
    let days = |days: u32| {
        run(command("date").args(["-Iseconds", "-d", &format!("now + {days} days")])).stdout.trim().to_owned()
    };
    let large = rotated(&days(0));
    assert!(large.len() == 1 && large[0].starts_with("health-check.log-"), "{large:?}");
    let text = run(command("gzip").arg("-dc").arg(stack.logs().join(&large[0]))).expect(0).stdout;
    assert_eq!(text, line.repeat(50_000));
    assert_eq!(stack.read("deployment/logs/small.log"), line, "neither large nor old");
    assert!(
        rotated(&days(8)).iter().any(|name| name.starts_with("small.log-")),
        "begun more than 7 days ago"
    );
}

#[test]
fn row_1_35_a_writer_that_keeps_its_log_open_goes_on_writing_to_it() {
    let stack = Stack::new();
    stack.write("deployment/logs/app.log", &"before\n".repeat(1000));
    stack.settings("LOG_ROTATE_SIZE=1K\n");
    let mut writer = fs::OpenOptions::new().append(true).open(stack.logs().join("app.log")).unwrap();
    run(&mut stack.script("tasks/log-rotation.sh")).expect(0);
    std::io::Write::write_all(&mut writer, b"after\n").unwrap();
    assert_eq!(stack.read("deployment/logs/app.log"), "after\n");
}

#[test]
fn row_1_24_rotated_logs_and_runs_older_than_30_days_go_and_younger_ones_stay() {
    let stack = Stack::new();
    for name in ["maintenance-20260101_020000.log", "maintenance-20260102_020000.log"] {
        stack.write(&format!("deployment/logs/{name}"), "run\n");
        aged(&stack.logs().join(name), 40);
    }
    let today = run(command("date").arg("+%Y%m%d_%H%M%S")).stdout;
    let young = format!("maintenance-{}.log", today.trim());
    stack.write(&format!("deployment/logs/{young}"), "run\n");
    run(stack.script("tasks/log-rotation.sh").arg("--dry-run")).expect(0);
    assert_eq!(names(&stack.logs()).iter().filter(|name| name.starts_with("maintenance-")).count(), 3);
    run(&mut stack.script("tasks/log-rotation.sh")).expect(0);
    let left: Vec<String> =
        names(&stack.logs()).into_iter().filter(|name| name.starts_with("maintenance-")).collect();
    assert_eq!(left, [young]);
}

#[test]
fn row_1_25_old_backups_go_by_their_real_names_but_never_the_newest_three_the_verified_one_or_a_link() {
    let stack = Stack::new();
    let backup = |stamp: &str| {
        let name = format!("pa-ecosystem-backup-{stamp}");
        fs::create_dir_all(stack.backups().join(&name)).unwrap();
        fs::write(stack.backups().join(&name).join("file"), "x").unwrap();
        name
    };
    let old: Vec<String> = (1..=6).map(|day| backup(&format!("2026010{day}_020000"))).collect();
    let outside = stack.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    std::os::unix::fs::symlink(&outside, stack.backups().join("pa-ecosystem-backup-20250101_020000"))
        .unwrap();
    stack.backup_verified(60);
    let verified = stack.backups().join(&old[0]);
    stack.write(
        "deployment/logs/state/backup-verified",
        &stack
            .read("deployment/logs/state/backup-verified")
            .replace(&stack.backups().display().to_string(), &verified.display().to_string()),
    );
    run(stack.script("tasks/comprehensive-cleanup.sh").arg("--dry-run")).expect(0);
    assert_eq!(names(&stack.backups()).len(), 7);
    run(&mut stack.script("tasks/comprehensive-cleanup.sh")).expect(0);
    let left = names(&stack.backups());
    assert_eq!(
        left,
        [&["pa-ecosystem-backup-20250101_020000".to_owned(), old[0].clone()], &old[3..]].concat()
    );
    assert!(outside.join("precious").exists());
}

/// performance.csv with a line a day: (memory percent, disk bytes used).
fn figures(stack: &Stack, days: u32, figure: impl Fn(u32) -> (f64, u64)) {
    let mut text = "time,load,memory_percent,swap_percent,disk_used,disk_total\n".to_owned();
    for day in 0..days {
        let (memory, disk) = figure(day);
        let date = run(command("date").args(["-Iseconds", "-d", &format!("2026-06-01 + {day} days")])).stdout;
        writeln!(text, "{},0.5,{memory},0.0,{disk},1000000000000", date.trim()).unwrap();
    }
    stack.write("deployment/logs/performance.csv", &text);
}

#[test]
fn row_1_42a_a_trend_is_called_one_and_a_single_spike_is_not() {
    let stack = Stack::new();
    let none = run(&mut stack.script("tasks/performance-analysis.sh")).expect(75);
    assert!(none.stderr.contains("no figures yet"), "{}", none.stderr);
    figures(&stack, 5, |_| (40.0, 1));
    assert!(
        run(&mut stack.script("tasks/performance-analysis.sh"))
            .expect(75)
            .stderr
            .contains("5 of at least 10")
    );
    let wobble = |day: u32| f64::from(day * 7 % 5);
    figures(&stack, 30, |day| (40.0 + wobble(day) + if day == 29 { 50.0 } else { 0.0 }, 1));
    let spike = run(&mut stack.script("tasks/performance-analysis.sh")).expect(0);
    assert!(
        spike.stdout.lines().any(|line| line.starts_with("memory") && line.contains("no trend")),
        "{}",
        spike.stdout
    );
    figures(&stack, 30, |day| {
        (40.0 + wobble(day) + f64::from(day) * 0.5 - if day == 28 { 20.0 } else { 0.0 }, 1)
    });
    let leak = run(&mut stack.script("tasks/performance-analysis.sh")).expect(1);
    assert!(leak.stderr.contains("error: memory use grows"), "{}{}", leak.stdout, leak.stderr);
}

#[test]
fn row_1_42a_each_performance_check_adds_a_row() {
    let stack = Stack::new();
    let path = stack.path_without(&["docker"]);
    for rows in 1..=2 {
        let outcome = run(stack.script("tasks/performance-check.sh").env("PATH", &path)).expect(0);
        assert!(outcome.stdout.contains("containers: docker is not installed"), "{}", outcome.stdout);
        assert_eq!(stack.read("deployment/logs/performance.csv").lines().count(), rows + 1);
    }
    run(stack.script("tasks/performance-check.sh").env("PATH", &path).env("PERFORMANCE_LIMIT", "0"))
        .expect(1);
}

#[test]
fn row_1_42c_days_until_the_disk_is_full_come_from_its_history() {
    let stack = Stack::new();
    let free = run(command("df").args(["--block-size=1", "--output=avail"]).arg(stack.home())).stdout;
    let free: u64 = free.lines().last().unwrap().trim().parse().unwrap();
    let path = stack.path_without(&["docker"]);
    let planning = || run(stack.script("tasks/capacity-planning.sh").env("PATH", &path));
    assert!(planning().expect(0).stdout.contains("too few figures"));
    // At a hundredth of what is free each day it is full in about a hundred days.
    figures(&stack, 30, |day| (40.0, u64::from(day) * (free / 100)));
    let outcome = planning().expect(0);
    let words: Vec<&str> = outcome.stdout.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "about").expect(&outcome.stdout);
    let days: u32 = words[at + 1].parse().unwrap();
    assert!((90..=110).contains(&days), "{}", outcome.stdout);
    figures(&stack, 30, |day| (40.0, u64::from(day) * (free / 10)));
    assert!(planning().expect(1).stderr.contains("is full in about"));
    figures(&stack, 30, |day| (40.0, u64::from(day * 7 % 5)));
    assert!(planning().expect(0).stdout.contains("no growth to speak of"));
}

#[test]
fn row_1_22_figures_are_collected_and_no_interactive_program_is_started() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.with_ledger("letta", 20_000);
    postgres.sql("letta", "ALTER TABLE ledger SET (autovacuum_enabled = false); UPDATE ledger SET entry = 'x'; SELECT pg_stat_force_next_flush()");
    let stack = Stack::new();
    stack.settings("DATABASE_SERVICE=local\nDATABASE_USER=codex\n");
    let stubs = stack.programs(&[("htop", LOG), ("iotop", LOG), ("nethogs", LOG), ("top", LOG)]);
    let path = std::env::join_paths([stubs, stack.path_without(&["docker"])]).unwrap();
    let outcome = run(stack
        .script("tasks/performance-optimization.sh")
        .env("PATH", path)
        .env("PGHOST", postgres.host()))
    .expect(0);
    assert!(outcome.stdout.contains("Mem:") && outcome.stdout.contains("Filesystem"), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("20000 dead rows in public.ledger: VACUUM ANALYZE public.ledger;"),
        "{}",
        outcome.stdout
    );
    assert!(stack.calls().is_empty());
}

#[test]
fn row_1_30_the_crontab_gets_the_lines_once_keeps_foreign_ones_and_gives_them_back() {
    let stack = Stack::new();
    let crontab = stack.path("crontab");
    let text = format!(
        "case \"$1\" in -l) [ -e {0} ] && exec cat {0}; echo 'no crontab for me' >&2; exit 1;; *) exec cp \"$1\" {0};; esac",
        crontab.display()
    );
    let stubs = stack.programs(&[("crontab", &text)]);
    let setup =
        |options: &[&str]| run(stack.script_with("tasks/monitoring-setup.sh", &[&stubs]).args(options));
    let dry = setup(&["--dry-run"]).expect(0);
    assert!(dry.stdout.contains("+*/5 * * * *") && !crontab.exists(), "{}", dry.stdout);
    setup(&[]).expect(0);
    let once = fs::read_to_string(&crontab).unwrap();
    assert!(once.contains("--daily") && once.contains("health-check.sh"), "{once}");
    fs::write(&crontab, format!("MAILTO=me\n5 4 * * * mine # daily\n{once}")).unwrap();
    let before = fs::read_to_string(&crontab).unwrap();
    assert!(setup(&[]).expect(0).stdout.contains("the crontab is already so"));
    assert_eq!(fs::read_to_string(&crontab).unwrap(), before);
    setup(&["--remove"]).expect(0);
    assert_eq!(fs::read_to_string(&crontab).unwrap(), "MAILTO=me\n5 4 * * * mine # daily\n");
    // A crontab that cannot be read must not be taken for an empty one.
    let stubs = stack.programs(&[("crontab", "echo 'not allowed' >&2; exit 1")]);
    run(&mut stack.script_with("tasks/monitoring-setup.sh", &[&stubs])).expect(2);
}

#[test]
fn row_1_42b_readable_secrets_and_writable_scripts_are_found() {
    let stack = Stack::new();
    let review = || run(&mut stack.script("tasks/security-review.sh"));
    let clean = review().expect(0);
    assert!(clean.stdout.contains("ports open") || !has("ss"), "{}", clean.stdout);
    fs::set_permissions(stack.path(".env"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir_all(stack.backups().join("b")).unwrap();
    fs::write(stack.backups().join("b/dump.sql"), "x").unwrap();
    fs::set_permissions(stack.backups().join("b/dump.sql"), fs::Permissions::from_mode(0o644)).unwrap();
    let found = review().expect(1);
    assert!(found.stderr.contains(".env (mode 644") && found.stderr.contains("dump.sql"), "{}", found.stderr);
}
