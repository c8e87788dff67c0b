//! Logs, old backups, figures, the crontab and the security review.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pai_tests::rigs::postgres::Postgres;
use pai_tests::{command, has, repository, run};

use crate::stack::{LOG, Stack};
use crate::support::names;

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
    // Without its end, the lines below the block would go with it.
    let torn = once.replace("# END pa-ecosystem maintenance\n", "5 4 * * * mine\n");
    fs::write(&crontab, &torn).unwrap();
    for options in [&[][..], &["--remove"]] {
        assert!(setup(options).expect(2).stderr.contains("mend it with crontab -e"));
    }
    assert_eq!(fs::read_to_string(&crontab).unwrap(), torn);
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

#[test]
fn row_1_30_scripts_in_a_folder_with_a_blank_are_called_by_their_names() {
    let stack = Stack::new();
    let (scripts, crontab) = (stack.path("my scripts"), stack.path("crontab"));
    run(command("cp").arg("-r").arg(repository().join("scripts")).arg(&scripts)).expect(0);
    let text = format!("[ \"$1\" != -l ] || exit 0; cp \"$1\" {}", crontab.display());
    let stubs = stack.programs(&[("crontab", &text)]);
    let mut setup = command(scripts.join("tasks/monitoring-setup.sh"));
    let ours = stack.script_with("tasks/monitoring-setup.sh", &[&stubs]);
    setup.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
    run(&mut setup).expect(0);
    let lines = fs::read_to_string(&crontab).unwrap();
    let daily = lines.lines().find(|line| line.contains("--daily")).unwrap();
    let line = format!(
        "cd / && {} --help",
        daily.split_once(" * * * ").unwrap().1.split(" --daily").next().unwrap()
    );
    assert!(
        run(command("sh").args(["-c", &line])).expect(0).stdout.starts_with("Usage: maintenance.sh"),
        "{daily}"
    );
}

#[test]
fn row_1_25_backups_and_logs_behind_a_link_are_cleaned_up_too_and_the_verified_one_stays() {
    let stack = Stack::new();
    fs::create_dir_all(stack.path("disk/backups")).unwrap();
    fs::create_dir_all(stack.path("disk/logs")).unwrap();
    std::os::unix::fs::symlink(stack.path("disk/backups"), stack.backups()).unwrap();
    std::os::unix::fs::symlink(stack.path("disk/logs"), stack.logs()).unwrap();
    for day in 1..=5 {
        fs::create_dir(stack.backups().join(format!("pa-ecosystem-backup-2026010{day}_020000"))).unwrap();
    }
    stack.write("deployment/logs/a.log-20260101-020000.gz", "x");
    stack.write("deployment/logs/a.log-20260102-020000.gz", "x");
    aged(&stack.path("disk/logs/a.log-20260101-020000.gz"), 40);
    stack.backup_verified(60);
    // Verified by its path: the name it has without the link.
    let noted = stack.read("deployment/logs/state/backup-verified");
    let verified = stack.path("disk/backups/pa-ecosystem-backup-20260101_020000");
    stack.write(
        "deployment/logs/state/backup-verified",
        &noted.replace(&stack.backups().display().to_string(), &verified.display().to_string()),
    );
    run(&mut stack.script("tasks/comprehensive-cleanup.sh")).expect(0);
    let left = ["01", "03", "04", "05"].map(|day| format!("pa-ecosystem-backup-202601{day}_020000"));
    assert_eq!(names(&stack.backups()), left);
    assert_eq!(names(&stack.logs()).iter().filter(|name| name.ends_with(".gz")).count(), 1);
}
