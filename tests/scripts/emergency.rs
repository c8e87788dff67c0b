//! `maintenance.sh emergency` on a file system with no byte free.

use std::fs;
use std::path::Path;

use pai_tests::{Outcome, bin_folder, command, run, scratch, skip};

use crate::stack::Stack;
use crate::support::path_with;

/// Runs a shell line where `LOG_DIR` is a file system of 4 MiB, after `fill` has been run there. Skips without root.
fn on_a_full_disk(stack: &Stack, fill: &str, line: &str) -> Option<Outcome> {
    let (logs, script) = (stack.logs(), stack.script("maintenance.sh"));
    fs::create_dir_all(&logs).unwrap();
    let whole = format!(
        "mount -t tmpfs -o size=4m none '{0}' || exit 99; cd '{0}'; mkdir state; {fill}
         yes 'a line of the log' | cat >>app.log 2>/dev/null
         echo free before: $(df --block-size=1 --output=avail . | tail -n 1)
         emergency() {{ '{1}' emergency \"$@\"; }}; {line}",
        logs.display(),
        script.get_program().display()
    );
    let mut bash = command("unshare");
    bash.args(["--mount", "bash", "-c", &whole])
        .env("STACK_HOME", stack.home())
        .env("STACK_PATH", bin_folder());
    bash.env("PATH", path_with(&[])).env("HOME", "/nonexistent").env("EMERGENCY_FREE", "1M");
    let outcome = run(&mut bash);
    if outcome.status == Some(99) || outcome.stderr.contains("unshare failed") {
        skip("no file system of one's own here (needs root)");
        return None;
    }
    assert!(outcome.stdout.starts_with("free before: 0\n"), "{}{}", outcome.stdout, outcome.stderr);
    Some(outcome)
}

#[test]
fn row_3_10_old_copies_go_first_and_only_until_there_is_room() {
    let stack = Stack::new();
    let fill = "for day in 1 2 3; do head -c 600000 /dev/urandom >app.log-2026110$day-000000.gz
        touch -d 2026-11-0$day app.log-2026110$day-000000.gz; done";
    let line = "emergency; echo status $?; ls; wc -c <app.log; cat actions.jsonl maintenance.jsonl; ls maintenance-*.log";
    let Some(outcome) = on_a_full_disk(&stack, fill, line) else { return };
    let text = &outcome.stdout;
    assert!(text.contains("status 0\n"), "{text}{}", outcome.stderr);
    assert!(!text.contains("\napp.log-20261101") && !text.contains("\napp.log-20261102"), "{text}");
    assert!(text.contains("\napp.log-20261103-000000.gz\n"), "the newest copy stays: {text}");
    assert!(text.contains("\"action\":\"make-room\",\"result\":\"ok\",\"free_before\":0"), "{text}");
    assert!(text.contains("\"task\":\"emergency\"") && text.contains("\"status\":\"ok\""), "{text}");
    assert!(
        outcome.stderr.contains("this run's log and temporary files are in memory"),
        "{}",
        outcome.stderr
    );
    assert!(
        text.lines().filter(|line| line.starts_with("maintenance-20")).count() >= 1,
        "the log is back: {text}"
    );
}

#[test]
fn row_3_10_a_live_log_is_not_cut_unless_told_to() {
    let stack = Stack::new();
    let line = "wc -c <app.log; emergency; echo status $?; wc -c <app.log; emergency --yes; echo status $?
        wc -c <app.log; head -n 1 app.log; echo; echo new line >>app.log && tail -c 9 app.log";
    let Some(outcome) = on_a_full_disk(&stack, "", line) else { return };
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers[0] == numbers[1] && numbers[2] <= 1_048_576 && numbers[2] > 1_000_000, "{numbers:?}");
    let statuses: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("status ")).collect();
    assert_eq!(statuses, ["1", "0"], "{}{}", outcome.stdout, outcome.stderr);
    assert!(
        outcome.stdout.contains("0 bytes free where the logs are, less than EMERGENCY_FREE (1M)"),
        "{}",
        outcome.stdout
    );
    assert!(lines.ends_with(&["a line of the log", "", "new line"]), "{:?}", &lines[lines.len() - 4..]);
}

#[test]
fn row_3_10_the_logs_can_go_to_another_file_system_without_losing_a_line() {
    let (stack, other) = (Stack::new(), scratch());
    let line = format!(
        "cp app.log /dev/shm/pai-test-$$; EMERGENCY_DIR='{0}' emergency; echo status $?
         zcat '{0}'/app.log-*.gz | cmp - /dev/shm/pai-test-$$ && echo the same; rm /dev/shm/pai-test-$$",
        other.path().display()
    );
    let Some(outcome) = on_a_full_disk(&stack, "", &line) else { return };
    assert!(outcome.stdout.contains("status 0\nthe same\n"), "{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn row_3_10_after_a_crash_the_errors_are_shown_and_what_is_ill_is_restarted() {
    let stack = Stack::new();
    stack.write("deployment/logs/app.log", "all is well\n2026-11-21 error: the index is gone\n");
    stack.settings(&format!(
        "EMERGENCY_FREE=1\nRESTART_COMMAND=touch {0}/up\nRESTART_PIDS=test -e {0}/up && echo 1\nRESTART_AFTER=1\n",
        stack.home().display()
    ));
    let outcome = run(stack.script("maintenance.sh").args(["emergency", "--verbose"])).expect(0);
    assert!(outcome.stdout.contains("app.log:2026-11-21 error: the index is gone"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("service: well again after"), "{}", outcome.stdout);
    assert!(Path::new(&stack.path("up")).exists());
    assert_eq!(
        stack.read("deployment/logs/app.log").lines().count(),
        2,
        "there was room: nothing was touched"
    );
}
