//! `maintenance.sh`: what it runs, what becomes of a failure, the lock, signals, logs and records.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use pai_tests::rigs::http::{Answer, Http};
use pai_tests::rigs::machine::Machine;
use pai_tests::rigs::mail::Mail;
use pai_tests::{repository, run, through, wait_until};

use crate::stack::Stack;
use crate::support::names;

/// A stack with tasks of the test's own: (name, period line, shell text).
pub(crate) fn with_tasks(tasks: &[(&str, &str, &str)]) -> Stack {
    let stack = Stack::new();
    for (name, period, text) in tasks {
        let run = if period.is_empty() { String::new() } else { format!("# run: {period}\n") };
        stack.write(&format!("tasks/{name}.sh"), &format!("#!/bin/sh\n# Does {name}.\n{run}{text}\n"));
        let path = stack.path(&format!("tasks/{name}.sh"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    stack
}

/// A run of those tasks.
pub(crate) fn maintenance(stack: &Stack, options: &[&str]) -> Command {
    let mut maintenance = stack.script("maintenance.sh");
    maintenance.arg("--folder").arg(stack.path("tasks")).args(options);
    maintenance
}

/// The summary's lines as `status task`.
pub(crate) fn summary(stdout: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in stdout.lines() {
        let mut words = line.split_whitespace();
        if let (Some(status @ ("ok" | "FAILED" | "skipped")), Some(task)) = (words.next(), words.next()) {
            lines.push(format!("{status} {task}"));
        }
    }
    lines
}

#[test]
fn row_1_1_a_failed_task_stops_no_other_and_the_worst_decides_the_exit_status() {
    let stack = with_tasks(&[
        ("one", "daily 10", "echo fine"),
        ("two", "daily 20", "echo 'two: error: the disk is odd' >&2; exit 1"),
        ("three", "daily 30", "exit 75"),
        ("four", "daily 40", "exit 2"),
        ("five", "daily 50", "kill -9 $$"),
        ("six", "daily 60", "sleep 600"),
        ("seven", "daily 70", "echo last"),
    ]);
    let outcome = run(&mut maintenance(&stack, &["--daily", "--timeout", "15s"])).expect(2);
    assert_eq!(
        summary(&outcome.stdout),
        ["ok one", "FAILED two", "skipped three", "FAILED four", "FAILED five", "FAILED six", "ok seven"]
    );
    assert!(outcome.stdout.contains("exit 1: the disk is odd"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("no end within 15 s"), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("FAILED, exit 2: an error in two, four, five, six"),
        "{}",
        outcome.stdout
    );
    assert!(!outcome.stdout.contains("completed successfully"));
    let log = names(&stack.logs()).into_iter().find(|name| name.starts_with("maintenance-")).unwrap();
    let log = fs::read_to_string(stack.logs().join(log)).unwrap();
    assert!(log.contains("== one starts") && log.contains("== one ok") && log.contains("fine"), "{log}");
    assert_eq!(run(&mut maintenance(&stack, &["one"])).expect(0).status, Some(0));
    run(&mut maintenance(&stack, &["one", "two"])).expect(1);
}

#[test]
fn row_1_5_verbose_alone_runs_the_daily_tasks_and_shows_their_output_unknown_words_run_nothing() {
    let stack = with_tasks(&[("one", "daily 10", "echo from-the-task"), ("two", "weekly 10", "echo two")]);
    let quiet = run(&mut maintenance(&stack, &[])).expect(0);
    let verbose = run(&mut maintenance(&stack, &["--verbose"])).expect(0);
    assert!(!quiet.stdout.contains("from-the-task") && verbose.stdout.contains("from-the-task"));
    assert_eq!(summary(&verbose.stdout), ["ok one"]);
    for bad in
        [&["--fast"][..], &["--daily", "--weekly"], &["--daily", "one"], &["--only"], &["--timeout", "x"]]
    {
        let before = stack.records().len();
        let outcome = run(&mut maintenance(&stack, bad)).expect(2);
        assert!(outcome.stderr.contains("error"), "{bad:?}: {}", outcome.stderr);
        assert_eq!(stack.records().len(), before, "{bad:?}");
    }
}

#[test]
fn row_1_5_cleanup_of_the_published_crontab_is_log_rotation_and_docker_cleanup() {
    let stack = with_tasks(&[
        ("log-rotation", "", "true"),
        ("docker-cleanup", "", "true"),
        ("other", "daily 1", "true"),
    ]);
    let outcome = run(&mut maintenance(&stack, &["--cleanup"])).expect(0);
    assert_eq!(summary(&outcome.stdout), ["ok log-rotation", "ok docker-cleanup"]);
}

#[test]
fn a_task_added_as_one_file_is_listed_and_run() {
    let stack = with_tasks(&[("mine", "daily 15", "echo mine")]);
    let list = run(&mut maintenance(&stack, &["--list"])).expect(0);
    assert_eq!(list.stdout.split_whitespace().collect::<Vec<_>>(), ["mine", "daily", "Does", "mine."]);
    assert_eq!(summary(&run(&mut maintenance(&stack, &["--daily"])).expect(0).stdout), ["ok mine"]);
}

#[test]
fn the_task_of_the_manual_runs_as_it_stands_there() {
    let manual = fs::read_to_string(repository().join("docs/ecosystem.md")).unwrap();
    let text = manual.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    let stack = with_tasks(&[]);
    stack.write("tasks/hello.sh", text);
    fs::set_permissions(stack.path("tasks/hello.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(repository().join("scripts/lib"), stack.path("lib")).unwrap();
    let dry = run(&mut maintenance(&stack, &["--daily", "--dry-run", "--verbose"])).expect(0);
    assert!(
        dry.stdout.contains("would run: touch ") && !stack.logs().join("hello").exists(),
        "{}",
        dry.stdout
    );
    assert_eq!(summary(&run(&mut maintenance(&stack, &["--daily"])).expect(0).stdout), ["ok hello"]);
    assert!(stack.logs().join("hello").exists());
}

#[test]
fn only_and_skip_choose_among_a_periods_tasks() {
    let stack = with_tasks(&[("a", "daily 1", "true"), ("b", "daily 2", "true"), ("c", "daily 3", "true")]);
    let only = run(&mut maintenance(&stack, &["--daily", "--only", "b", "--only", "c"])).expect(0);
    assert_eq!(summary(&only.stdout), ["ok b", "ok c"]);
    let skip = run(&mut maintenance(&stack, &["--daily", "--skip", "b"])).expect(0);
    assert_eq!(summary(&skip.stdout), ["ok a", "skipped b", "ok c"]);
}

#[test]
fn one_lock_for_all_periods_75_if_it_is_held_and_wait_waits() {
    let stack = with_tasks(&[
        ("long", "daily 1", "touch started; while [ ! -e stop ]; do sleep 0.05; done"),
        ("week", "weekly 1", "true"),
    ]);
    let (started, stop) =
        (stack.home().parent().unwrap().join("started"), stack.home().parent().unwrap().join("stop"));
    let mut first = maintenance(&stack, &["--daily"]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the task starts", || started.exists());
    let held = run(&mut maintenance(&stack, &["week"])).expect(75);
    assert!(held.stderr.contains("another run holds the lock"), "{}", held.stderr);
    let mut waiting = maintenance(&stack, &["week", "--wait", "10m"]).stdout(Stdio::null()).spawn().unwrap();
    fs::write(&stop, "").unwrap();
    assert!(first.wait().unwrap().success() && waiting.wait().unwrap().success());
}

#[test]
fn a_signal_ends_the_running_task_and_frees_the_lock_even_if_a_child_of_it_lives_on() {
    let stack = with_tasks(&[(
        "daemon",
        "daily 1",
        "setsid sleep 30 >/dev/null 2>&1 & echo $! >left; touch started; exec sleep 30",
    )]);
    let folder = stack.home().parent().unwrap().to_owned();
    let mut running = maintenance(&stack, &["--daily"]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the task starts", || folder.join("started").exists());
    run(Command::new("kill").args(["-TERM", &running.id().to_string()])).expect(0);
    let status = running.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert_eq!(stack.outcomes(), [("daemon".to_owned(), "failed".to_owned())]);
    // The left child must not hold the lock: the original's did.
    run(&mut maintenance(&stack, &["--daily", "--skip", "daemon"])).expect(0);
    let left = fs::read_to_string(folder.join("left")).unwrap();
    run(Command::new("kill").arg(left.trim()));
}

#[test]
fn row_1_11_files_appear_where_documented_and_log_dir_moves_them() {
    let stack = with_tasks(&[("one", "daily 1", "true")]);
    run(&mut maintenance(&stack, &["--daily"])).expect(0);
    let made = names(&stack.logs());
    assert!(made.contains(&"maintenance.jsonl".to_owned()), "{made:?}");
    assert!(made.iter().any(|name| name.starts_with("maintenance-2") && name.ends_with(".log")), "{made:?}");
    run(maintenance(&stack, &["--daily"]).env("LOG_DIR", stack.path("elsewhere"))).expect(0);
    assert!(names(&stack.path("elsewhere")).contains(&"maintenance.jsonl".to_owned()));
}

#[test]
fn row_1_39c_each_run_has_a_file_of_its_own_with_all_the_output() {
    let stack = with_tasks(&[("one", "daily 1", "echo to-the-log; echo to-stderr >&2")]);
    let outcome = run(&mut maintenance(&stack, &["--daily"])).expect(0);
    assert!(!outcome.stdout.contains("to-the-log"));
    let name = names(&stack.logs()).into_iter().find(|name| name.starts_with("maintenance-")).unwrap();
    let stamp = &name["maintenance-".len()..name.len() - ".log".len()];
    assert!(stamp.len() == 15 && stamp.as_bytes()[8] == b'_', "{name}");
    let text = fs::read_to_string(stack.logs().join(name)).unwrap();
    assert!(text.contains("to-the-log\n") && text.contains("to-stderr\n"), "{text}");
    assert!(!text.contains('\x1b'));
}

#[test]
fn row_1_36_lines_about_what_went_well_do_not_contain_error_or_warning() {
    let (stack, http) =
        (with_tasks(&[("one", "daily 1", "true"), ("bad", "weekly 1", "exit 1")]), Http::start());
    http.answer("/ok", Answer::new(200, ""));
    stack.write(
        "deployment/health.conf",
        &format!("http n8n {}\nmemory memory fail_used= warn_used=\n", http.url("/ok")),
    );
    let health = run(&mut stack.script("health-check.sh")).expect(0);
    let daily = run(&mut maintenance(&stack, &["--daily"])).expect(0);
    let text =
        format!("{}{}{}", health.stdout, daily.stdout, stack.read("deployment/logs/maintenance.jsonl"));
    let text = text.to_lowercase();
    assert!(!text.contains("error") && !text.contains("warning"), "{text}");
    let weekly = run(&mut maintenance(&stack, &["--weekly"])).expect(1);
    assert!(weekly.stdout.lines().any(|line| line.contains("FAILED") && line.contains("error")));
}

#[test]
fn row_1_42e_one_record_for_each_task_and_one_alert_for_a_failed_run() {
    let (stack, mail) =
        (with_tasks(&[("one", "daily 1", "true"), ("two", "daily 2", "echo why >&2; exit 1")]), Mail::new());
    let mut script = stack.script_with("maintenance.sh", &[mail.folder()]);
    script.arg("--folder").arg(stack.path("tasks")).env("NOTIFY_MAIL_TO", "admin@example.com");
    run(&mut script).expect(1);
    let records = stack.records();
    assert_eq!(records.len(), 2);
    for (record, (task, status, exit)) in records.iter().zip([("one", "ok", 0), ("two", "failed", 1)]) {
        assert_eq!(
            (&record["task"], &record["status"], &record["exit"]),
            (&task.into(), &status.into(), &exit.into())
        );
        assert!(record["seconds"].is_number() && record["time"].as_str().unwrap().contains('T'), "{record}");
    }
    let letters = mail.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].body.contains("why"), "{}", letters[0].body);
}

#[test]
fn row_1_31a_to_d_the_installed_lines_are_taken_by_real_cron_and_append_to_the_documented_logs() {
    let Some(machine) = Machine::new().filter(Machine::has_cron) else { return };
    let scripts = repository().join("scripts");
    machine.sh("mkdir -p /opt/shop/deployment").expect(0);
    machine
        .sh(&format!("STACK_HOME=/opt/shop '{}/maintenance.sh' monitoring-setup", scripts.display()))
        .expect(0);
    let installed = machine.sh("crontab -l").expect(0).stdout;
    for (schedule, rest) in [
        ("0 2 * * * ", "--daily >> /opt/shop/deployment/logs/maintenance.log 2>&1"),
        ("0 3 * * 0 ", "--weekly --wait 50m >> /opt/shop/deployment/logs/maintenance.log 2>&1"),
        ("0 4 1 * * ", "--monthly --wait 50m >> /opt/shop/deployment/logs/maintenance.log 2>&1"),
        ("*/5 * * * * ", "--notify >> /opt/shop/deployment/logs/health-check.log 2>&1"),
    ] {
        assert!(
            installed.lines().any(|line| line.starts_with(schedule) && line.ends_with(rest)),
            "{schedule}{rest}\n{installed}"
        );
    }
    machine.sh("echo 'memory memory' >/opt/shop/deployment/health.conf").expect(0);
    let log = machine.cron("2026-11-22 03:56:00", 7, "UTC");
    let health =
        fs::read_to_string(machine.path("/opt/shop/deployment/logs/health-check.log")).unwrap_or_default();
    assert!(health.contains("healthy: 1 check"), "{}\n{health}", log.text());
}

#[test]
fn a_stdout_that_is_full_or_gone_stops_no_task_and_a_stdin_that_stays_open_holds_up_nothing() {
    for stdout in ["--verbose >/dev/full", "--verbose | true", ">/dev/full", "| true"] {
        let stack = with_tasks(&[("a", "daily 1", "echo fine"), ("b", "daily 2", "echo odd; exit 1")]);
        let words = ["bash", "-c", "\"$0\" \"$@\" --daily"].map(OsStr::new);
        let line = format!("{} {stdout}; exit ${{PIPESTATUS[0]}}", words[2].to_str().unwrap());
        let bash = [words[0], words[1], OsStr::new(&line)];
        run(&mut through(&bash, &maintenance(&stack, &[]))).expect(1);
        let outcomes: Vec<_> = stack.outcomes().into_iter().map(|(_, status)| status).collect();
        assert_eq!(outcomes, ["ok", "failed"], "{stdout}");
    }
    let stack = with_tasks(&[("a", "daily 1", "true")]);
    let mut open = maintenance(&stack, &["--daily"]);
    let mut running =
        open.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stdin = running.stdin.take();
    let told = std::io::read_to_string(running.stderr.take().unwrap()).unwrap();
    drop(stdin);
    assert!(running.wait().unwrap().success() && !told.contains("notify.sh"), "{told}");
}

#[test]
fn a_task_that_does_not_apply_here_is_neither_done_nor_failed() {
    let stack = with_tasks(&[("none", "daily 1", "echo 'none: skipped: no such thing here' >&2; exit 75")]);
    let outcome = run(&mut maintenance(&stack, &[])).expect(0);
    assert_eq!(summary(&outcome.stdout), ["skipped none"]);
    assert!(outcome.stdout.contains("because no such thing here"), "{}", outcome.stdout);
    assert!(!stack.path("deployment/logs/state/none.daily").exists(), "it is still to be done");
}
