//! Few descriptors, full disks, readers that leave, files that do not hold still.

use std::sync::atomic::{AtomicBool, Ordering};

use pai_tests::{run, scratch, sh, wait_until};

use crate::{A, checksum, write};

#[test]
fn twenty_four_open_files_are_enough_for_four_hundred_inputs() {
    let folder = scratch();
    for n in 0..400 {
        std::fs::write(folder.path().join(format!("f{n}")), vec![b'x'; 10_000]).unwrap();
    }
    for jobs in [1, 2, 30] {
        let line = format!("ulimit -n 24; pai-checksum --jobs {jobs} f*");
        let outcome = sh(&line, folder.path()).expect(0);
        assert_eq!((outcome.stdout.lines().count(), outcome.stderr.as_str()), (400, ""), "{jobs} threads");
    }
}

#[test]
fn descriptors_that_the_caller_holds_are_not_counted_on() {
    let folder = scratch();
    for n in 0..100 {
        std::fs::write(folder.path().join(format!("f{n}")), vec![b'x'; 20_000]).unwrap();
    }
    // 24 allowed, 18 of them taken: the workers run out and leave files to the main thread.
    let line = "for n in {3..20}; do eval \"exec $n</dev/null\"; done; ulimit -n 24; pai-checksum f*";
    let outcome = sh(line, folder.path()).expect(0);
    assert_eq!((outcome.stdout.lines().count(), outcome.stderr.as_str()), (100, ""));
}

#[test]
fn what_is_no_list_takes_no_memory_however_large_it_is() {
    let folder = scratch();
    let line = "yes 'no checksum' | head -c 300000000 | (ulimit -v 200000; pai-checksum -c --jobs 1)";
    let outcome = sh(line, folder.path()).expect(1);
    assert_eq!(
        outcome.stderr,
        "pai-checksum: 'standard input': no properly formatted checksum lines found\n"
    );
}

#[test]
fn a_full_disk_is_trouble() {
    let folder = scratch();
    write(folder.path(), &[("f", "a\n"), ("list", &format!("{A}  f\n"))]);
    for line in ["pai-checksum f", "pai-checksum -c list", "pai-checksum --json f f", "pai-checksum --help"] {
        let outcome = sh(&format!("{line} >/dev/full"), folder.path()).expect(2);
        assert_eq!(
            outcome.stderr,
            "pai-checksum: could not write to stdout: No space left on device (os error 28)\n",
            "{line}"
        );
    }
}

#[test]
fn a_reader_that_leaves_is_no_trouble() {
    let folder = scratch();
    for n in 0..2000 {
        std::fs::write(folder.path().join(format!("f{n}")), "a\n").unwrap();
    }
    let outcome = sh("set -o pipefail; pai-checksum f* | head -n 1", folder.path()).expect(0);
    assert_eq!((outcome.stdout, outcome.stderr.as_str()), (format!("{A}  f0\n"), ""));
}

#[test]
fn a_file_that_keeps_changing_is_named() {
    let folder = scratch();
    // Sparse, so long enough to be written to while it is read.
    let file = std::fs::File::create(folder.path().join("log")).unwrap();
    file.set_len(300 << 20).unwrap();
    write(folder.path(), &[("calm", "a\n")]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut seconds = 0;
            while !done.load(Ordering::Relaxed) {
                seconds += 1;
                file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        for args in [&["calm", "log"][..], &["log"]] {
            // The writer may get no turn while one run reads.
            let outcome = std::cell::RefCell::new(run(&mut checksum(folder.path(), args)));
            wait_until("a change falls into a run", || {
                outcome.borrow().status == Some(1) || {
                    outcome.replace(run(&mut checksum(folder.path(), args)));
                    false
                }
            });
            let outcome = outcome.into_inner();
            assert_eq!(outcome.stderr, "pai-checksum: log: changed while it was hashed\n");
            assert_eq!(outcome.stdout.lines().count(), args.len());
        }
        done.store(true, Ordering::Relaxed);
    });
    run(&mut checksum(folder.path(), &["calm", "log"])).expect(0);
}

#[test]
fn an_interrupt_ends_a_read_that_blocks() {
    let folder = scratch();
    let outcome = sh("mkfifo p; exec 3<>p; timeout -s TERM 1 pai-checksum p 3<&-; echo $?", folder.path());
    assert_eq!(outcome.stdout, "124\n");
}

#[test]
fn a_hang_up_does_not_end_a_run_under_nohup() {
    let folder = scratch();
    let line = "mkfifo p; exec 3<>p; (trap '' HUP; exec pai-checksum p 3<&-) &
        until readlink /proc/$!/exe | grep -q pai-checksum && readlink /proc/$!/fd/* | grep -q '/p$'; do sleep 0.01; done
        kill -HUP $!; sleep 0.1; echo a >&3; exec 3>&-; wait $!";
    assert_eq!(sh(line, folder.path()).expect(0).stdout, format!("{A}  p\n"));
    // These tests may run under nohup themselves, and what a shell was started to ignore it goes on ignoring.
    let line = line.replace("trap '' HUP; exec", "exec env --default-signal=HUP");
    // Nothing else ends it than the signal.
    let line = line.replace("sleep 0.1; echo a >&3; exec 3>&-; ", "");
    assert_eq!(sh(&line, folder.path()).stdout, "");
}
