//! `metrics`: one line a run, of the machine or of a process.

use std::fs;
use std::process::{Child, Command};

use pai_tests::{Outcome, run, wait_until};

use crate::stack::Stack;

const HEADER: &str = "timestamp,memory_mb,cpu_percent,disk_percent,bytes_sent,bytes_recv,gpu_load,gpu_mem";

fn metrics(stack: &Stack, settings: &[(&str, &str)]) -> Outcome {
    run(stack.script("tasks/metrics.sh").env("METRICS_INTERVAL", "0.2").envs(settings.iter().copied()))
}

fn lines(stack: &Stack) -> Vec<String> {
    stack.read("deployment/logs/usage_metrics_log.csv").lines().map(str::to_owned).collect()
}

fn cells(line: &str) -> Vec<Option<f64>> {
    line.split(',').skip(1).map(|cell| cell.parse().ok()).collect()
}

/// A process that ends with the test.
struct Process(Child);

impl Process {
    fn start(script: &str) -> Self {
        Self(Command::new("bash").args(["-c", script]).spawn().expect("bash starts"))
    }

    fn id(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn row_3_8_metrics_of_the_machine_are_one_line_a_run_under_one_header() {
    let stack = Stack::new();
    let dry = run(stack.script("tasks/metrics.sh").arg("--dry-run")).expect(0);
    assert!(dry.stdout.contains("would append"), "{}", dry.stdout);
    assert!(!stack.logs().join("usage_metrics_log.csv").exists());
    for _ in 0..2 {
        metrics(&stack, &[]).expect(0);
    }
    let lines = lines(&stack);
    assert_eq!((lines.len(), lines[0].as_str()), (3, HEADER));
    let found = cells(&lines[2]);
    assert_eq!(found.len(), 7);
    for (at, least, most) in [(0, 1.0, 1e8), (1, 0.0, 100.0), (2, 0.0, 100.0), (3, 0.0, 1e18), (4, 0.0, 1e18)]
    {
        assert!(found[at].is_some_and(|value| (least..=most).contains(&value)), "{at}: {}", lines[2]);
    }
}

#[test]
fn row_3_8_metrics_of_a_process_are_its_own_and_empty_when_it_is_gone() {
    let stack = Stack::new();
    // 40 MB in a variable, and a processor kept busy.
    let busy = Process::start("x=$(head -c 40000000 /dev/zero | tr '\\0' x); while :; do :; done");
    stack.write("pid", &busy.id());
    let pid_file = stack.path("pid");
    let of_file = [("METRICS_PID_FILE", pid_file.to_str().unwrap())];
    let mut found = Vec::new();
    // It takes the shell a while to have the 40 MB.
    for _ in 0..50 {
        metrics(&stack, &of_file).expect(0);
        found = cells(lines(&stack).last().unwrap());
        if found[0].is_some_and(|memory| memory > 40.0) {
            break;
        }
    }
    assert!(found[0].is_some_and(|memory| (40.0..400.0).contains(&memory)), "{found:?}");
    assert!(found[1].is_some_and(|cpu| cpu > 1.0), "{found:?}");
    drop(busy);
    let gone = metrics(&stack, &of_file).expect(1);
    assert!(gone.stderr.contains("is not running"), "{}", gone.stderr);
    let last = lines(&stack).pop().unwrap();
    assert_eq!(cells(&last)[..2], [None, None], "{last}");
    assert!(cells(&last)[2].is_some(), "the disk is still known: {last}");
}

#[test]
fn row_3_8_a_process_that_was_replaced_is_noted_as_a_restart_and_found_by_its_command_line() {
    let stack = Stack::new();
    let mark = format!("pai-metrics-{}", std::process::id());
    let pattern = format!("{mark} is here");
    let by_pattern = [("METRICS_PATTERN", pattern.as_str())];
    let script = format!("exec -a '{mark} is here' sleep 600");
    let first = Process::start(&script);
    wait_until("the process is found", || metrics(&stack, &by_pattern).status == Some(0));
    metrics(&stack, &by_pattern).expect(0);
    let restarts = stack.logs().join("usage_metrics_restarts.csv");
    assert!(!restarts.exists());
    drop(first);
    let second = Process::start(&script);
    wait_until("the process is found", || metrics(&stack, &by_pattern).status == Some(0));
    let text = fs::read_to_string(restarts).unwrap();
    let noted: Vec<&str> = text.lines().collect();
    assert_eq!((noted.len(), noted[0]), (2, "timestamp,process"), "{text}");
    assert!(noted[1].ends_with(&format!(",{}", second.id())), "{text}");
}

#[test]
fn row_3_8_runs_at_the_same_time_and_cut_lines_leave_whole_lines_and_one_header() {
    let stack = Stack::new();
    let mut runs: Vec<_> = (0..6)
        .map(|_| {
            stack
                .script("tasks/metrics.sh")
                .env("METRICS_INTERVAL", "0.1")
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for run in &mut runs {
        assert!(run.wait().unwrap().success());
    }
    let before = lines(&stack);
    assert_eq!(before.len(), 7);
    assert_eq!(before.iter().filter(|line| *line == HEADER).count(), 1);
    // A run that a full disk cut short.
    stack.write("deployment/logs/usage_metrics_log.csv", &format!("{}\n2026-11-20T00:00", before.join("\n")));
    metrics(&stack, &[]).expect(0);
    let after = lines(&stack);
    assert_eq!((after.len(), after[7].as_str(), after[8].split(',').count()), (9, "2026-11-20T00:00", 8));
    stack.write("deployment/logs/usage_metrics_log.csv", "timestamp,other\n");
    let foreign = metrics(&stack, &[]).expect(2);
    assert!(foreign.stderr.contains("has other columns"), "{}", foreign.stderr);
    assert_eq!(lines(&stack), ["timestamp,other"]);
}
