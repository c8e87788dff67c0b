//! Every system call of a run, one after the other, fails, is the last, or moves less than it was asked to.

use pai_tests::scratch;

use crate::scenes::{ALL, Scene, for_each_scene};
use crate::shim::{Fault, Report, Shim};
use crate::tally::Tally;

/// Calls that look.
const LOOKING: [&str; 11] = [
    "read",
    "pread64",
    "getdents64",
    "lseek",
    "open",
    "openat",
    "openat2",
    "statx",
    "newfstatat",
    "fstat",
    "flistxattr",
];
/// Calls that change something. `open*` may create.
pub(crate) const CHANGING: [&str; 27] = [
    "write",
    "pwrite64",
    "writev",
    "copy_file_range",
    "sendfile",
    "fsync",
    "fdatasync",
    "syncfs",
    "ftruncate",
    "fallocate",
    "fchmod",
    "fchown",
    "chmod",
    "fchmodat",
    "fchownat",
    "utimensat",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "symlinkat",
    "linkat",
    "link",
    "rename",
    "renameat",
    "renameat2",
];
/// Calls whose failure nobody may pass over in silence: the bytes would not be there.
const WEIGHTY: [&str; 9] = [
    "write ",
    "pwrite64 ",
    "fsync ",
    "fdatasync ",
    "syncfs ",
    "ftruncate ",
    "rename ",
    "renameat ",
    "renameat2 ",
];
/// Little work: each of its calls gets a run of its own.
pub(crate) const SIZE: usize = 4;

fn with(name: &str, test: impl FnOnce(&dyn Scene, &std::path::Path)) {
    let (_, set_up) = ALL.iter().find(|(scene, _)| *scene == name).unwrap();
    let folder = scratch();
    let scene = set_up(folder.path(), SIZE);
    test(&*scene, folder.path());
}

/// One run for each call, until a run ends before the fault comes.
fn at_every_call(
    class: &str,
    name: &str,
    calls: &[&str],
    fault: Fault,
    judge: impl Fn(&dyn Scene, &pai_tests::Outcome, &Report) -> Result<(), String>,
) {
    with(name, |scene, folder| {
        let Some(shim) = Shim::new(folder, calls) else { return };
        let mut tally = Tally::new(class, name);
        for nth in 1.. {
            scene.reset();
            tally.tried += 1;
            let (outcome, report) = shim.run(fault, nth, &scene.command());
            let Some(call) = report.hit.first() else {
                assert_eq!((outcome.status, report.seen), (Some(0), nth - 1), "{}", outcome.stderr);
                break;
            };
            let verdict = judge(scene, &outcome, &report).and_then(|()| scene.recovers());
            tally.take(format_args!("call {nth}, {call}"), verdict);
        }
        tally.conclude();
    });
}

fn every_call_fails(name: &str) {
    let calls = [&LOOKING[..], &CHANGING[..]].concat();
    at_every_call("EIO at every call", name, &calls, Fault::Broken, |scene, outcome, report| {
        let call = &report.hit[0];
        let is_told = outcome.stderr.contains("Input/output error");
        // One failed look at a path is often made good by the next, which fails or succeeds for a reason of its own.
        let is_look = ["statx ", "newfstatat ", "fstat "].iter().any(|look| call.starts_with(look));
        match outcome.status {
            Some(0) if WEIGHTY.iter().any(|weighty| call.starts_with(weighty)) && !is_told => {
                Err("nothing was said".to_owned())
            }
            Some(0) => scene.check_new().map_err(|why| format!("ended with 0, and yet: {why}")),
            Some(1 | 2) if is_told || (is_look && !outcome.stderr.is_empty()) => Ok(()),
            status => Err(format!("ended with {status:?}: {}", outcome.stderr)),
        }
    });
}

fn every_call_is_the_last(name: &str) {
    at_every_call("kill at every call", name, &CHANGING, Fault::Kill, |_, outcome, _| match outcome.status {
        Some(137) => Ok(()),
        status => Err(format!("ended with {status:?}")),
    });
}

fn every_read_and_write_is_short(name: &str) {
    with(name, |scene, folder| {
        let mut tally = Tally::new("short reads and writes", name);
        for calls in
            [&["read", "pread64"][..], &["write", "pwrite64"], &["read", "pread64", "write", "pwrite64"]]
        {
            let Some(shim) = Shim::new(folder, calls) else { return };
            scene.reset();
            tally.tried += 1;
            let (outcome, report) = shim.run(Fault::Short, 0, &scene.command());
            if report.hit.is_empty() {
                continue;
            }
            let verdict = match outcome.status {
                Some(0) => scene.check_new(),
                status => Err(format!("ended with {status:?}: {}", outcome.stderr)),
            };
            tally.take(format_args!("{calls:?}"), verdict);
        }
        tally.conclude();
    });
}

for_each_scene! {
    survives_the_failure_of_any_call => every_call_fails,
    survives_a_kill_at_any_call => every_call_is_the_last,
    does_not_notice_short_reads_and_writes => every_read_and_write_is_short,
}

// A repair of another kind of damage, so its tests go by name: what it cannot read it mends, too.
#[test]
fn repair_survives_the_failure_of_any_call() {
    every_call_fails("repair");
}

#[test]
fn repair_survives_a_kill_at_any_call() {
    every_call_is_the_last("repair");
}

#[test]
fn repair_does_not_notice_short_reads_and_writes() {
    every_read_and_write_is_short("repair");
}

#[test]
fn repair_survives_a_full_disk_at_any_call() {
    at_every_call("ENOSPC at every call", "repair", &CHANGING, Fault::Full, |scene, outcome, _| {
        let is_told = outcome.stderr.contains("No space left on device");
        match outcome.status {
            Some(0) => scene.check_new().map_err(|why| format!("ended with 0, and yet: {why}")),
            Some(1 | 2) if is_told => Ok(()),
            status => Err(format!("ended with {status:?}: {}", outcome.stderr)),
        }
    });
}

// Two prunes take turns without a lock, so the scene has its tests by name, in `twice` one of two.
#[test]
fn prune_survives_the_failure_of_any_call() {
    every_call_fails("prune");
}

#[test]
fn prune_survives_a_kill_at_any_call() {
    every_call_is_the_last("prune");
}

#[test]
fn prune_does_not_notice_short_reads_and_writes() {
    every_read_and_write_is_short("prune");
}
