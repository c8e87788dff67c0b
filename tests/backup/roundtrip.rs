//! What was archived comes back, over generated trees and generated histories of a tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pai_tests::run;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::craft::members;
use crate::fixtures::{Node, Workspace, archived_tree, assert_same_tree, chmod, noise, set_time, tree};
use crate::steps::{Step, apply_all, changing, making};

/// Runs a property over so many generated values; a failure shows the smallest one that fails.
fn for_all<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value)) {
    let config = Config { cases, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Restores an archive into a fresh folder and gives its tree.
fn restored(workspace: &Workspace, archive: &Path) -> BTreeMap<PathBuf, Node> {
    let back = workspace.beside("back");
    let restore = run(workspace.pai(["restore", "--target"]).arg(&back).arg(archive)).expect(0);
    assert_eq!(restore.stderr, "");
    let nodes = tree(&back);
    fs::remove_dir_all(back).unwrap();
    nodes
}

#[test]
fn what_is_restored_is_what_was_there() {
    for_all(24, vec(prop_oneof![3 => making(), 1 => changing()], 1..40), |steps| {
        let workspace = Workspace::empty();
        apply_all(&steps, workspace.home());
        let made = workspace.back_up(["-q", "--allow-shrink"]);
        assert_same_tree(&restored(&workspace, &made), &archived_tree(workspace.home()));
        run(workspace.pai(["verify", "--against-disk"]).arg(&made)).expect(0);
    });
}

#[test]
fn the_same_tree_at_the_same_time_gives_the_same_bytes() {
    for_all(8, vec(making(), 1..30), |steps| {
        let workspace = Workspace::empty();
        apply_all(&steps, workspace.home());
        let archive = |folder: &str, jobs: &str| {
            let folder = workspace.beside(folder);
            let args = [
                "-q",
                "--full",
                "--now",
                "2020-01-01T00:00:00Z",
                "--jobs",
                jobs,
                "--allow-shrink",
                "--archive-dir",
            ];
            let made = run(workspace.pai(["create"]).args(args).arg(&folder)).expect(0);
            fs::read(made.stdout.trim_end()).unwrap()
        };
        assert!(archive("one", "1") == archive("two", "1"));
        // Nor does the number of threads show.
        assert!(archive("three", "1") == archive("four", "4"));
    });
}

/// The first tree of a history, then what happens before each further archive.
fn history() -> impl Strategy<Value = (Vec<Step>, Vec<Vec<Step>>)> {
    let nights = vec(vec(prop_oneof![1 => making(), 3 => changing()], 0..6), 2..5);
    (vec(making(), 5..40), nights)
}

/// Lives through a history with an archive after each night, and asserts that each holds its moment.
fn live(start: &[Step], nights: Vec<Vec<Step>>, before_backup: fn(), full: fn(&[Step]) -> bool) {
    let workspace = Workspace::empty();
    apply_all(start, workspace.home());
    let mut kept = Vec::new();
    for night in std::iter::once(Vec::new()).chain(nights) {
        apply_all(&night, workspace.home());
        before_backup();
        let full = full(&night).then_some("--full");
        let made = workspace.back_up(["-q", "--no-rotate", "--allow-shrink"].into_iter().chain(full));
        kept.push((made, archived_tree(workspace.home())));
    }
    for (made, tree) in &kept {
        assert_same_tree(&restored(&workspace, made), tree);
    }
    run(&mut workspace.pai(["verify", "--all"])).expect(0);
}

#[test]
fn each_archive_of_a_history_holds_the_tree_of_its_moment() {
    let same_size = |night: &[Step]| night.iter().any(|step| matches!(step, Step::SameSize { .. }));
    for_all(12, history(), |(start, nights)| live(&start, nights, || (), same_size));
}

#[test]
fn each_archive_of_a_slow_history_holds_the_tree_of_its_moment() {
    // At rest between the nights, so that chunks are trusted by metadata alone; even a change that keeps size
    // and mtime shows in the ctime.
    for_all(2, history(), |(start, nights)| live(&start, nights, settle, |_| false));
}

#[test]
fn a_file_rewritten_right_after_the_walk_is_never_missed() {
    let workspace = Workspace::demo();
    workspace.write("projects/racy", b"0000");
    for round in 0..25 {
        let content = format!("{round:04}");
        workspace.write("projects/racy", content.as_bytes());
        // As bad as it gets: the very time that the archive before has recorded.
        set_time(&workspace.home().join("projects/racy"), 1_700_000_000, 0);
        let made = workspace.back_up(["-q", "--no-rotate"]);
        let shown = run(workspace.pai(["cat"]).arg(&made).arg("projects/racy")).expect(0);
        assert_eq!(shown.stdout, content);
    }
}

/// Pretends that the workspace has been at rest: waits until no change can share a clock step with a walk.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(3200));
}

/// Offset and length of each data member of an archive.
fn data_members(archive: &Path) -> Vec<(usize, usize)> {
    let bytes = fs::read(archive).unwrap();
    let mut offset = 0;
    let mut places = Vec::new();
    for (announced, member) in members(&bytes) {
        if matches!(announced, pai_backup::archive::member::Announced::Data { .. }) {
            places.push((offset, member.len()));
        }
        offset += member.len();
    }
    places
}

#[test]
fn what_has_not_changed_is_copied_without_being_read() {
    let workspace = Workspace::demo();
    workspace.write("large", &noise(4 << 20, 11));
    settle();
    let first = workspace.back_up(["-q"]);
    let second = workspace.back_up(["-q"]);
    assert_eq!(data_members(&first), data_members(&second));
    let json = run(&mut workspace.pai(["list", "--json"])).expect(0);
    let rows: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[0]["reused"], 1.0, "{}", json.stdout);
    assert_eq!(rows[1]["reused"], 0.0, "{}", json.stdout);
    let told = run(&mut workspace.pai(["create", "-v"])).expect(0);
    assert!(told.stderr.contains("(100.0 % reused)"), "{}", told.stderr);
    // One edit costs its own chunk, not the large file's.
    workspace.write("memory.md", b"one edit");
    workspace.back_up(["-q"]);
    let json = run(&mut workspace.pai(["list", "--json"])).expect(0);
    let newest: serde_json::Value = serde_json::from_str(json.stdout.lines().next().unwrap()).unwrap();
    let reused = newest["reused"].as_f64().unwrap();
    assert!((0.9..1.0).contains(&reused), "{reused}");
}

#[test]
fn damage_in_the_parent_is_noticed_and_does_not_reach_the_child() {
    let workspace = Workspace::demo();
    workspace.write("large", &noise(4 << 20, 13));
    settle();
    let parent = workspace.back_up(["-q"]);
    let good = fs::read(&parent).unwrap();
    let expected = archived_tree(workspace.home());
    for (offset, length) in data_members(&parent) {
        let mut damaged = good.clone();
        damaged[offset + length / 2] ^= 0x20;
        fs::write(&parent, &damaged).unwrap();
        let made = run(&mut workspace.pai(["create"])).expect(0);
        let child = PathBuf::from(made.stdout.trim_end());
        assert!(
            made.stderr.contains("is read from the files again") || length < 200,
            "member at {offset}: {}",
            made.stderr
        );
        assert_same_tree(&restored(&workspace, &child), &expected);
        run(workspace.pai(["verify"]).arg(&child)).expect(0);
        fs::remove_file(child).unwrap();
    }
    // A parent that is cut is passed over, by name.
    fs::write(&parent, &good[..good.len() / 2]).unwrap();
    let made = run(&mut workspace.pai(["create"])).expect(0);
    assert!(made.stderr.contains(&format!("passing over {}", parent.display())), "{}", made.stderr);
    assert_same_tree(&restored(&workspace, Path::new(made.stdout.trim_end())), &expected);
}

#[test]
fn a_pipe_carries_an_archive_as_well_as_a_file() {
    let workspace = Workspace::demo();
    let mut streamed = std::process::Command::new("sh");
    let line = "\"$0\" -q -o - | \"$0\" restore - --target \"$1\"";
    let back = workspace.beside("back");
    streamed.args(["-c", line]).arg(pai_tests::tool("pai-backup")).arg(&back);
    run(streamed.env("PAI_HOME", workspace.home())).expect(0);
    assert_same_tree(&tree(&back), &archived_tree(workspace.home()));
}

#[test]
fn what_a_restore_replaces_is_kept() {
    let workspace = Workspace::demo();
    let made = workspace.back_up(["-q"]);
    let then = archived_tree(workspace.home());
    workspace.write("memory.md", b"written since");
    chmod(&workspace.home().join("tools/run.sh"), 0o700);
    fs::remove_file(workspace.home().join("voice.py")).unwrap();
    let now = archived_tree(workspace.home());
    let refused = run(workspace.pai(["restore"]).arg(&made)).expect(2);
    assert!(refused.stderr.contains("memory.md") && refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_same_tree(&archived_tree(workspace.home()), &now);
    run(workspace.pai(["restore", "--force"]).arg(&made)).expect(0);
    assert_same_tree(&archived_tree(workspace.home()), &then);
    let safety = workspace.archives().into_iter().find(|name| name.starts_with("pre-restore-")).unwrap();
    let safety = workspace.home().join("archive").join(safety);
    let shown = run(workspace.pai(["cat"]).arg(&safety).arg("memory.md")).expect(0);
    assert_eq!(shown.stdout, "written since");
}

#[test]
fn a_folder_that_is_there_gets_the_archived_mode_and_time() {
    let workspace = Workspace::demo();
    let made = workspace.back_up(["-q"]);
    let then = archived_tree(workspace.home());
    let tools = workspace.home().join("tools");
    chmod(&tools, 0o700);
    fs::remove_file(tools.join("run.sh")).unwrap();
    let planned = run(workspace.pai(["restore", "-n"]).arg(&made).arg("tools")).expect(0);
    assert!(planned.stdout.lines().any(|line| line == "write   tools"), "{}", planned.stdout);
    run(workspace.pai(["restore"]).arg(&made).arg("tools")).expect(0);
    assert_same_tree(&archived_tree(workspace.home()), &then);
}

#[test]
fn file_capabilities_come_back_for_root_who_asks() {
    let workspace = Workspace::demo();
    // cap_net_raw=ep, as the kernel keeps it (linux/capability.h, vfs_cap_data of revision 2).
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let name = "security.capability";
    if !crate::fixtures::set_xattr(&workspace.home().join("tools/run.sh"), name, &capability) {
        return pai_tests::skip("capabilities cannot be set here");
    }
    let made = workspace.back_up(["-q"]);
    let back = workspace.beside("back");
    run(workspace.pai(["restore", "--privileged"]).arg(&made).arg("--target").arg(&back)).expect(0);
    let mut found = [0; 64];
    let length = rustix::fs::lgetxattr(back.join("tools/run.sh"), name, &mut found).unwrap();
    assert_eq!(found[..length], capability);
}
