//! kill -9 at moments drawn evenly from the time an undisturbed run takes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use pai_tests::scratch;

use crate::scenes::{ALL, Scene};
use crate::tally::Tally;

/// How often each scene is killed; `PAI_FAULTS_ROUNDS` sets another number.
const ROUNDS: u32 = 40;
/// Work per scene: enough that most of a run is not its start.
const SIZE: usize = 30;
/// The fractional part of the golden ratio: its multiples fill the unit interval evenly, in whatever number.
const GOLDEN: f64 = 0.618_033_988_749_895;

fn rounds() -> u32 {
    std::env::var("PAI_FAULTS_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// The median of a few undisturbed runs.
fn duration(scene: &dyn Scene) -> Duration {
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            scene.reset();
            let start = Instant::now();
            let status = quiet(scene).status().unwrap();
            assert!(status.success(), "{status}");
            start.elapsed()
        })
        .collect();
    times.sort();
    times[2]
}

fn quiet(scene: &dyn Scene) -> std::process::Command {
    let mut command = scene.command();
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn whatever_moment_it_is_killed_at(name: &str) {
    let (_, set_up) = ALL.iter().find(|(scene, _)| *scene == name).unwrap();
    let folder = scratch();
    let scene = set_up(folder.path(), SIZE);
    let mut whole = duration(&*scene);
    let mut tally = Tally::new("kill -9", name);
    // A kill that comes too late has not been tried: another moment is drawn, from the time that this run has taken, for
    // a busy machine is slow at one time and quick at another.
    let mut draws = 0;
    while tally.hit < rounds() as usize && draws < 10 * rounds() {
        draws += 1;
        let moment = whole.mul_f64((f64::from(draws) * GOLDEN).fract());
        scene.reset();
        let mut child = quiet(&*scene).spawn().unwrap();
        std::thread::sleep(moment);
        let _ = child.kill();
        if child.wait().unwrap().code().is_none() {
            tally.tried += 1;
            tally.take(format_args!("after {moment:?} of {whole:?}"), scene.recovers());
        } else {
            whole = whole.min(moment);
        }
    }
    tally.conclude();
}

macro_rules! each {
    ($($test:ident: $scene:literal,)*) => {
        $(#[test]
        fn $test() {
            whatever_moment_it_is_killed_at($scene);
        })*
    };
}

each! {
    a_create_that_is_killed_leaves_whole_archives: "create",
    a_capture_that_is_killed_leaves_whole_dumps: "capture",
    a_restore_that_is_killed_leaves_whole_files_and_goes_on: "restore into a new folder",
    a_restore_over_a_workspace_that_is_killed_leaves_old_or_new_files: "restore over a workspace",
    a_rotation_that_is_killed_loses_only_what_was_to_go: "rotate",
    a_log_rotation_that_is_killed_loses_no_line: "rotate logs",
    a_copying_log_rotation_that_is_killed_loses_no_line: "rotate logs --copytruncate",
    an_optimize_that_is_killed_loses_no_section: "optimize",
    an_optimize_of_all_forms_that_is_killed_loses_no_entry_and_no_note: "optimize, all forms and notes",
    a_checksum_list_is_old_or_new_when_its_writer_is_killed: "checksum -o",
    an_updated_checksum_list_is_old_or_new_when_its_writer_is_killed: "checksum --update",
    a_store_has_whole_archives_when_a_run_into_it_is_killed: "create --store",
    a_prune_that_is_killed_takes_no_pack_from_an_archive: "prune",
}
