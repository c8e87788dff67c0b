//! Writers at work while their log is rotated.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pai_tests::{run, scratch, sh, wait_until};

use crate::rotate;

/// How a program deals with its log.
#[derive(Clone, Copy)]
enum Habit {
    /// Opens the log for every line.
    OpensEachTime,
    /// Keeps it open, and opens it anew when it is told to (here: by a file).
    ListensToPostrotate,
    /// Keeps it open for ever.
    NeverLooks,
}

/// Lines that the writer adds between two rotations.
const BETWEEN: u32 = 60;

/// Writes numbered lines until told to stop; `written` counts them.
fn write_lines(folder: &Path, habit: Habit, stop: &AtomicBool, written: &AtomicU32) {
    let open = || {
        let options = OpenOptions::new().create(true).append(true).open(folder.join("app.log"));
        options.expect("the log can be opened")
    };
    let mut log: File = open();
    while !stop.load(Ordering::Relaxed) {
        match habit {
            Habit::OpensEachTime => log = open(),
            Habit::ListensToPostrotate if std::fs::remove_file(folder.join("reopen")).is_ok() => log = open(),
            _ => {}
        }
        let number = written.load(Ordering::Relaxed);
        writeln!(log, "{number}").expect("the log can be written");
        written.store(number + 1, Ordering::Relaxed);
        if number.is_multiple_of(50) {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Each number's occurrences, over the log, its copies, and its compressed copies.
fn occurrences(folder: &Path) -> BTreeMap<u32, u32> {
    let text =
        sh("cat app.log app.log-????????-?????? 2>/dev/null; zcat app.log-*.gz 2>/dev/null; :", folder);
    let mut seen = BTreeMap::new();
    for line in text.expect(0).stdout.lines() {
        *seen.entry(line.parse().expect("a whole line")).or_insert(0) += 1;
    }
    seen
}

fn rotate_ten_times(habit: Habit) {
    let folder = scratch();
    let folder = folder.path();
    let (stop, written) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let writer = scope.spawn(|| write_lines(folder, habit, &stop, &written));
        for minute in 0..10 {
            let goal = written.load(Ordering::Relaxed) + BETWEEN;
            wait_until("the writer writes on, to the log it was told of", || {
                let told = matches!(habit, Habit::ListensToPostrotate) && folder.join("reopen").exists();
                writer.is_finished() || (!told && written.load(Ordering::Relaxed) >= goal)
            });
            let now = format!("2025-09-16T12:{minute:02}:00Z");
            let mut rotate = rotate(&["logs", "--size", "1", "--postrotate", "touch reopen", "."]);
            let outcome = run(rotate.env("PAI_NOW", now).current_dir(folder));
            // A copy that its writer never lets go of is complained about; nothing else may be.
            let complained =
                outcome.status == Some(1) && outcome.stderr.contains("since an earlier rotation");
            assert!(outcome.status == Some(0) || complained, "{}", outcome.stderr);
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer ends");
    });
    let seen = occurrences(folder);
    assert_eq!(seen.len(), written.into_inner() as usize, "lines lost");
    assert!(seen.values().all(|&times| times == 1), "lines there twice");
    let copies = crate::names(folder).len();
    match habit {
        Habit::NeverLooks => assert_eq!(copies, 3, "log, one copy, the file that nobody reads"),
        _ => assert!(copies > 5, "{:?}", crate::names(folder)),
    }
}

#[test]
fn a_writer_that_opens_its_log_for_every_line_loses_none() {
    rotate_ten_times(Habit::OpensEachTime);
}

#[test]
fn a_writer_that_is_told_loses_no_line() {
    rotate_ten_times(Habit::ListensToPostrotate);
}

#[test]
fn a_writer_that_is_never_told_loses_no_line() {
    rotate_ten_times(Habit::NeverLooks);
}

#[test]
fn the_count_sees_a_lost_line_and_a_line_that_is_there_twice() {
    let folder = scratch();
    std::fs::write(folder.path().join("app.log"), "0\n1\n3\n").unwrap();
    std::fs::write(folder.path().join("app.log-20250916-120000"), "1\n").unwrap();
    assert_eq!(occurrences(folder.path()), BTreeMap::from([(0, 1), (1, 2), (3, 1)]));
}
