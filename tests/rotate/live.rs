//! Writers at work while their log is rotated.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pai_tests::{run, scratch, sh};

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

/// Writes numbered lines until told to stop; returns how many.
fn write_lines(folder: &Path, habit: Habit, stop: &AtomicBool) -> u32 {
    let open = || {
        let options = OpenOptions::new().create(true).append(true).open(folder.join("app.log"));
        options.expect("the log can be opened")
    };
    let mut log: File = open();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        match habit {
            Habit::OpensEachTime => log = open(),
            Habit::ListensToPostrotate if std::fs::remove_file(folder.join("reopen")).is_ok() => log = open(),
            _ => {}
        }
        writeln!(log, "{number}").expect("the log can be written");
        number += 1;
        if number % 50 == 0 {
            thread::sleep(Duration::from_micros(200));
        }
    }
    number
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
    let stop = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| write_lines(folder, habit, &stop));
        for minute in 0..10 {
            thread::sleep(Duration::from_millis(20));
            let now = format!("2025-09-16T12:{minute:02}:00Z");
            let mut rotate = rotate(&["logs", "--size", "1", "--postrotate", "touch reopen", "."]);
            let outcome = run(rotate.env("PAI_NOW", now).current_dir(folder));
            // A copy that its writer never lets go of is complained about; nothing else may be.
            let complained =
                outcome.status == Some(1) && outcome.stderr.contains("since an earlier rotation");
            assert!(outcome.status == Some(0) || complained, "{}", outcome.stderr);
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer ends")
    });
    assert!(written > 500, "{written} lines");
    let seen = occurrences(folder);
    assert_eq!(seen.len(), written as usize, "lines lost");
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
