//! Two runs at once: one waits inside each of its system calls in turn while the other runs from start to end.

use std::fs;
use std::process::{Command, Stdio};

use pai_tests::{run, scratch};

use crate::calls::CHANGING;
use crate::scenes::{ALL, Scene, for_each_scene};
use crate::shim::{Held, Shim};
use crate::tally::Tally;

/// Little work: each of its calls gets two runs.
const SIZE: usize = 3;
const PAIRS: usize = 12;
const DONE: i32 = 0;
const BUSY: i32 = 75;

/// One is done, the other is done or was told to come later; nothing is lost or half done.
fn judge(scene: &dyn Scene, first: Option<i32>, second: Option<i32>) -> Result<(), String> {
    let is_fine = matches!((first, second), (Some(DONE), Some(DONE | BUSY)) | (Some(BUSY), Some(DONE)));
    if !is_fine {
        return Err(format!("they ended with {first:?} and {second:?}"));
    }
    scene.check()?;
    scene.check_new()
}

fn at_every_call(name: &str) {
    let (_, set_up) = ALL.iter().find(|(scene, _)| *scene == name).unwrap();
    let folder = scratch();
    let scene = set_up(folder.path(), SIZE);
    let Some(shim) = Shim::new(folder.path(), &[&CHANGING[..], &["openat", "flock"]].concat()) else {
        return;
    };
    let mut tally = Tally::new("two runs at once", name);
    let mut busy = 0;
    let begin = || {
        scene.reset();
        scene.command()
    };
    in_each_call(&shim, &mut tally, begin, |held| {
        let second = run(&mut scene.command());
        let (first, call) = held.release();
        busy += usize::from(second.status == Some(BUSY));
        let verdict = judge(&*scene, first, second.status).map_err(|why| why + "\n" + &second.stderr);
        (format!("the first waiting in call {call}"), verdict)
    });
    assert!(busy > 0, "{name}: none of {} second runs was told to come later", tally.hit);
    tally.conclude();
}

/// Lets the run that `begin` makes ready wait in each of its calls in turn, until one ends without having waited. `meanwhile`
/// lets the run go on, and returns what the moment was and what came of it.
fn in_each_call(
    shim: &Shim,
    tally: &mut Tally,
    begin: impl Fn() -> Command,
    mut meanwhile: impl FnMut(Held) -> (String, Result<(), String>),
) {
    for nth in 1.. {
        let command = begin();
        tally.tried += 1;
        let held = match shim.hold(nth, &command) {
            Ok(held) => held,
            Err(status) => {
                assert_eq!(status, Some(DONE));
                return;
            }
        };
        let (moment, verdict) = meanwhile(held);
        tally.take(format_args!("{nth}: {moment}"), verdict);
    }
}

fn started_together(name: &str) {
    let (_, set_up) = ALL.iter().find(|(scene, _)| *scene == name).unwrap();
    let folder = scratch();
    let scene = set_up(folder.path(), SIZE);
    let mut tally = Tally::new("two runs started together", name);
    for pair in 0..PAIRS {
        scene.reset();
        tally.tried += 1;
        let start = || scene.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (mut first, mut second) = (start(), start());
        let (first, second) = (first.wait().unwrap().code(), second.wait().unwrap().code());
        tally.take(format_args!("pair {pair}"), judge(&*scene, first, second));
    }
    tally.conclude();
}

for_each_scene! {
    one_that_waits_in_any_call_and_another_do_not_harm_each_other => at_every_call,
    two_that_start_together_do_not_harm_each_other => started_together,
}

#[test]
fn two_repairs_do_not_harm_each_other() {
    started_together("repair");
}

#[test]
fn two_prunes_do_not_harm_each_other() {
    started_together("prune");
}

/// A run may read a folder while another one's unfinished list is there, and look at that list when it is in its place.
#[test]
fn the_unfinished_list_of_another_run_may_go_while_a_folder_is_listed() {
    let (_, set_up) = ALL.iter().find(|(scene, _)| *scene == "checksum -o").unwrap();
    let folder = scratch();
    let scene = set_up(folder.path(), SIZE);
    let Some(shim) = Shim::new(folder.path(), &["statx", "newfstatat"]) else { return };
    let unfinished = folder.path().join("files/.SHA256SUMS.partial");
    let mut tally = Tally::new("an unfinished list goes", "checksum -o");
    let mut looked_at = 0;
    let begin = || {
        scene.reset();
        fs::write(&unfinished, "half a li").unwrap();
        scene.command()
    };
    in_each_call(&shim, &mut tally, begin, |held| {
        // Once the run writes its own, there is none of another.
        let _ = fs::remove_file(&unfinished);
        let (status, call) = held.release();
        looked_at += usize::from(call.contains(".partial"));
        (format!("the list went before {call}"), judge(&*scene, status, Some(DONE)))
    });
    assert!(looked_at > 0, "none of {} calls looked at the unfinished list", tally.hit);
    tally.conclude();
}
