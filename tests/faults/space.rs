//! A full disk, at every size from nothing left to just enough; then the same with inodes.
//!
//! A tmpfs of a chosen size needs root and a mount namespace of its own, so each test runs itself again in one.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use pai_tests::{command, has, run, scratch, skip};
use rustix::fs::statvfs;

use crate::scenes::{ALL, Scene, snapshot};
use crate::tally::Tally;

const SIZE: usize = 4;
const PAGE: u64 = 4096;
const NO_SPACE: &str = "No space left on device";
/// Set in the run inside the namespace.
const INSIDE: &str = "PAI_FAULTS_INSIDE";

/// What runs out.
#[derive(Debug, Clone, Copy)]
enum Resource {
    Bytes,
    Inodes,
}

impl Resource {
    /// Leaves so many pages or inodes free on the tmpfs at `disk`; `None` leaves plenty.
    fn leave(self, disk: &Path, free: Option<u64>) {
        let now = statvfs(disk).unwrap();
        let option = match self {
            Self::Bytes => {
                let used = (now.f_blocks - now.f_bfree) * now.f_frsize;
                format!("size={}", free.map_or(64 << 20, |pages| (used + pages * PAGE).max(PAGE)))
            }
            Self::Inodes => {
                let used = now.f_files - now.f_ffree;
                format!("nr_inodes={}", free.map_or(100_000, |inodes| used + inodes))
            }
        };
        run(command("mount").args(["-o", &format!("remount,{option}")]).arg(disk)).expect(0);
    }
}

/// The status of a run that found no room, and what it said.
fn judge(scene: &dyn Scene, disk: &Path, status: Option<i32>, stderr: &str) -> Result<(), String> {
    let names_a_file = || {
        snapshot(disk, &[])
            .keys()
            .any(|path| stderr.contains(path.file_name().and_then(OsStr::to_str).unwrap()))
    };
    match status {
        // Something that can be done without could not be written.
        Some(0) => scene.check_new().map_err(|why| format!("ended with 0, and yet: {why}")),
        Some(1 | 2) if stderr.contains(NO_SPACE) && (stderr.contains('/') || names_a_file()) => Ok(()),
        status => Err(format!("ended with {status:?}: {stderr}")),
    }
}

fn every_size(name: &str, disk: &Path, resource: Resource) {
    let (_, set_up) = ALL.iter().find(|(scene, _)| *scene == name).unwrap();
    let scene = set_up(disk, SIZE);
    let mut tally = Tally::new(&format!("ENOSPC, {resource:?}"), name);
    for free in 0.. {
        scene.reset();
        resource.leave(disk, Some(free));
        tally.tried += 1;
        let outcome = run(&mut scene.command());
        resource.leave(disk, None);
        if outcome.status == Some(0) && !outcome.stderr.contains(NO_SPACE) && scene.check_new().is_ok() {
            break;
        }
        let verdict = judge(&*scene, disk, outcome.status, &outcome.stderr).and_then(|()| scene.recovers());
        tally.take(format_args!("{free} free"), verdict);
    }
    tally.conclude();
}

fn on_a_disk_that_is_too_small(test: &str, name: &str) {
    if std::env::var_os(INSIDE).is_none() {
        return inside(test);
    }
    for resource in [Resource::Bytes, Resource::Inodes] {
        let folder = scratch();
        run(command("mount").args(["-t", "tmpfs", "-o", "size=64m", "faults"]).arg(folder.path())).expect(0);
        every_size(name, folder.path(), resource);
        run(command("umount").arg(folder.path())).expect(0);
    }
}

fn inside(test: &str) {
    let probe = ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"];
    if !has("unshare") || run(command("unshare").args(probe)).status != Some(0) {
        return skip("a small file system of one's own needs root and mount namespaces");
    }
    let test = format!("space::{test}");
    let mut again = Command::new("unshare");
    again.arg("--mount").arg(std::env::current_exe().unwrap()).args(["--exact", &test, "--nocapture"]);
    let outcome = run(again.env(INSIDE, "1"));
    for line in outcome.stdout.lines().filter(|line| line.contains(", lost ")) {
        println!("{line}");
    }
    assert!(outcome.stdout.contains(", lost 0"), "{}{}", outcome.stdout, outcome.stderr);
    outcome.expect(0);
}

macro_rules! each {
    ($($test:ident: $scene:literal,)*) => {
        $(#[test]
        fn $test() {
            on_a_disk_that_is_too_small(stringify!($test), $scene);
        })*
    };
}

each! {
    a_create_without_room_leaves_the_archives_that_were_there: "create",
    a_capture_without_room_leaves_yesterdays_dump: "capture",
    a_restore_without_room_leaves_no_half_file: "restore into a new folder",
    a_restore_over_a_workspace_without_room_leaves_old_or_new_files: "restore over a workspace",
    a_repair_without_room_leaves_the_damaged_archive: "repair",
    a_rotation_without_room_rotates_all_the_same: "rotate",
    a_log_rotation_without_room_loses_no_line: "rotate logs",
    a_copying_log_rotation_without_room_loses_no_line: "rotate logs --copytruncate",
    an_optimize_without_room_loses_no_section: "optimize",
    a_checksum_list_stays_when_there_is_no_room_for_another: "checksum -o",
    an_updated_checksum_list_stays_when_there_is_no_room_for_another: "checksum --update",
    a_store_without_room_keeps_the_archives_it_has: "create --store",
}
