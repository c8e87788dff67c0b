//! Others at work on the same file.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pai_tests::{run, wait_until};

use crate::{Workspace, count};

fn old_entries(number: usize) -> String {
    (0..number).map(|entry| format!("## 2025-08-{:02}\nold entry {entry}.\n\n", entry % 28 + 1)).collect()
}

/// Appends an entry now and then until told to stop; counts them.
fn keep_writing(workspace: &Workspace, stop: &AtomicBool, written: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        let number = written.load(Ordering::Relaxed);
        let mut file = OpenOptions::new().append(true).open(workspace.path("memory.md")).unwrap();
        file.write_all(format!("## 2025-09-15\nwritten meanwhile <{number}>\n\n").as_bytes()).unwrap();
        written.store(number + 1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_writer_that_appends_all_through_the_runs_loses_nothing() {
    for args in [vec!["--once", "-q"], vec!["--once", "-q", "--summarizer", "sleep 0.03; head -c 40"]] {
        let workspace = Workspace::new(old_entries(12));
        let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| keep_writing(&workspace, &stop, &written));
            for _ in 0..6 {
                let before = written.load(Ordering::Relaxed);
                // Whoever keeps writing may win three times in a row.
                let status = workspace.run(&args).status;
                assert!(matches!(status, Some(0 | 75)), "{status:?}");
                wait_until("the writer writes on", || {
                    writer.is_finished() || written.load(Ordering::Relaxed) > before + 1
                });
            }
            stop.store(true, Ordering::Relaxed);
            writer.join().unwrap();
        });
        let written = written.into_inner();
        workspace.run(&args).expect(0);
        let memory = workspace.memory();
        for number in 0..written {
            assert_eq!(
                count(&memory, &format!("written meanwhile <{number}>")),
                1,
                "entry {number} of {written}"
            );
        }
        let everything: String =
            workspace.files().into_values().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
        for entry in 0..12 {
            let section = format!("## 2025-08-{:02}\nold entry {entry}.\n", entry % 28 + 1);
            assert_eq!(count(&everything, &section), 1, "{section}");
        }
    }
}

#[test]
fn what_a_program_writes_to_the_file_it_once_opened_is_carried_over_by_the_next_run() {
    let workspace = Workspace::new(old_entries(3));
    let mut stubborn = OpenOptions::new().append(true).open(workspace.path("memory.md")).unwrap();
    workspace.once();
    stubborn.write_all(b"## 2025-09-15\nwritten to the old file\n").unwrap();
    assert!(!workspace.memory().contains("written to the old file"));
    workspace.once();
    assert_eq!(count(&workspace.memory(), "## 2025-09-15\nwritten to the old file\n"), 1);
    stubborn.write_all(b"## 2025-09-16\nand more\n").unwrap();
    workspace.once();
    workspace.once();
    assert_eq!(count(&workspace.memory(), "written to the old file"), 1);
    assert_eq!(count(&workspace.memory(), "and more"), 1);
}

#[test]
fn of_two_runs_at_once_one_exits_75_and_one_that_waits_does_not() {
    let workspace = Workspace::new(old_entries(3));
    let slow =
        ["--once", "-q", "--summarizer", "touch began; until [ -e go ]; do sleep 0.01; done; echo done"];
    let mut first = workspace.command(&slow).spawn().unwrap();
    wait_until("the first run starts", || workspace.path("began").exists());
    let second = workspace.run(&["--once"]).expect(75);
    assert!(second.stderr.contains("another run is at work there"), "{}", second.stderr);
    workspace.run(&["restore", "2025"]).expect(75);
    let third = workspace.command(&["--once", "-q", "--wait", "10m"]).spawn().unwrap();
    std::fs::write(workspace.path("go"), "").unwrap();
    assert_eq!(third.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(count(&workspace.memory(), ": done (["), 3);
}

#[test]
fn a_file_that_changes_under_every_plan_is_left_and_the_run_exits_75() {
    let workspace = Workspace::new(old_entries(1));
    // The summariser itself is the writer: each time it is asked there is one more day to ask about.
    let rude = "n=$(grep -c . memory.md); echo \"## 2025-08-$((n + 10))\" >> memory.md; echo done";
    let mut command = workspace.command(&["--once", "--summarizer", rude]);
    let outcome = run(&mut command).expect(75);
    assert!(outcome.stderr.contains("it changed 3 times meanwhile"), "{}", outcome.stderr);
    assert!(workspace.memory().starts_with(&old_entries(1)));
    assert!(!workspace.path("archive/memory/memory-2025-08-01.md").exists());
}

#[test]
fn the_loop_runs_again_after_a_failure_until_a_signal_ends_it() {
    let workspace = Workspace::new("");
    std::fs::remove_file(workspace.path("memory.md")).unwrap();
    std::fs::create_dir(workspace.path("memory.md")).unwrap();
    let mut child =
        workspace.command(&["--interval", "100ms"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let wait_for = |text: &str| {
        wait_until(text, || {
            let log = std::fs::read_to_string(workspace.path("logs/optimize_memory.log"));
            log.is_ok_and(|log| log.contains(text))
        });
    };
    wait_for("ERROR __main__ Memory optimization failed: could not read ");
    std::fs::remove_dir(workspace.path("memory.md")).unwrap();
    std::fs::write(workspace.path("memory.md"), old_entries(2)).unwrap();
    wait_for("Memory optimization complete");
    run(pai_tests::command("kill").arg(child.id().to_string())).expect(0);
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    let mut told = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut told).unwrap();
    assert!(told.contains("pai-optimize: archived 2 sections of "), "{told}");
    assert!(!told.contains("Archived memory section"), "one line a run: {told}");
}
