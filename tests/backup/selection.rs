//! What is asked for is what goes in and what comes out: no less, no more, and nothing twice.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use pai_tests::run;

use crate::fixtures::{Workspace, archived_tree, assert_same_tree, names_in, noise, tree};

/// The paths an archive holds.
fn held(workspace: &Workspace, archive: &Path) -> Vec<String> {
    let listed = run(workspace.pai(["list"]).arg(archive)).expect(0);
    listed.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn archives_inside_the_workspace_are_not_archived_wherever_they_are_kept() {
    for folder in ["backups", "projects/[old] backups", "."] {
        let workspace = Workspace::demo();
        workspace.write("projects/backups", b"a file of another place");
        let everything = held(&workspace, &workspace.back_up(["-q"]));
        let kept = workspace.home().join(folder);
        let make = || workspace.back_up([OsStr::new("-q"), "--archive-dir".as_ref(), kept.as_ref()]);
        let first = held(&workspace, &make());
        let again = make();
        let second = held(&workspace, &again);
        assert_eq!((&first, &second), (&everything, &everything), "{folder}");
        let changes = run(workspace.pai(["diff"]).arg(&again)).expect(0);
        assert_eq!(changes.stdout, "", "{folder}");
        // The logged line makes the same archive.
        run(workspace.pai(["-n", "-q", "--archive-dir"]).arg(&kept)).expect(0);
        let line = workspace.log().into_iter().rfind(|line| line.starts_with("tar ")).unwrap();
        let before = names_in(&kept);
        pai_tests::sh(&line, workspace.home()).expect(0);
        let made = names_in(&kept).into_iter().find(|name| !before.contains(name)).unwrap();
        let pasted = run(pai_tests::command("tar").arg("-tzf").arg(kept.join(made))).expect(0);
        let sorted = |names: Vec<String>| names.into_iter().collect::<std::collections::BTreeSet<_>>();
        let pasted = pasted.stdout.lines().map(str::to_owned).collect();
        assert_eq!(sorted(pasted), sorted(everything.clone()), "{folder}: {line}");
        // Who names them gets them.
        if folder == "backups" {
            let named = run(workspace.pai(["-q", "--archive-dir"]).arg(&kept).arg(folder)).expect(0);
            let names = held(&workspace, Path::new(named.stdout.trim_end()));
            assert_eq!(names.len(), 1 + before.len() + 1, "the folder and what was in it: {names:?}");
        }
    }
}

#[test]
fn an_archive_written_into_the_workspace_does_not_hold_the_one_it_replaces() {
    let workspace = Workspace::demo();
    let everything = held(&workspace, &workspace.back_up(["-q"]));
    let output = workspace.home().join("mine.tar.gz");
    for _ in 0..2 {
        let made = run(workspace.pai(["-q", "--sha256", "-o"]).arg(&output)).expect(0);
        assert_eq!(made.stdout.trim_end(), output.to_str().unwrap());
        assert_eq!(held(&workspace, &output), everything);
    }
    run(workspace.pai(["diff"]).arg(&output)).expect(0);
}

#[test]
fn a_path_that_is_named_twice_is_archived_once() {
    let workspace = Workspace::demo();
    let made =
        workspace.back_up(["-q", "projects/alpha.md", "./memory.md", "projects", "memory.md", "projects/"]);
    assert_eq!(held(&workspace, &made)[0], "memory.md");
    let back = workspace.beside("back");
    run(workspace.pai(["restore"]).arg(&made).arg("--target").arg(&back)).expect(0);
    let mut expected = archived_tree(workspace.home());
    expected.retain(|path, _| path.starts_with("projects") || path == Path::new("memory.md"));
    assert_same_tree(&tree(&back), &expected);
}

#[test]
fn paths_named_absolutely_are_found_again_after_the_workspace_has_moved() {
    let workspace = Workspace::demo();
    let named = workspace.home().join("projects");
    let made = workspace.back_up([OsStr::new("-q"), named.as_os_str()]);
    let moved = workspace.beside("moved");
    fs::rename(workspace.home(), &moved).unwrap();
    let archive = moved.join("archive").join(made.file_name().unwrap());
    let same = run(workspace.pai(["diff"]).arg(archive).env("PAI_HOME", &moved)).expect(0);
    assert_eq!(same.stdout, "");
}

#[test]
fn an_empty_path_restores_nothing_and_a_dot_everything() {
    let workspace = Workspace::demo();
    workspace.back_up(["-q"]);
    let back = workspace.beside("back");
    let refused = run(workspace.pai(["restore", "latest", "", "--target"]).arg(&back)).expect(2);
    assert!(refused.stderr.contains("an empty path"), "{}", refused.stderr);
    assert_eq!(names_in(&back), [""; 0]);
    run(workspace.pai(["restore", "latest", ".", "--target"]).arg(&back)).expect(0);
    assert_same_tree(&tree(&back), &archived_tree(workspace.home()));
}

#[test]
fn a_dry_restore_names_the_paths_that_the_archive_lacks() {
    let workspace = Workspace::demo();
    workspace.back_up(["-q"]);
    let shown = run(&mut workspace.pai(["restore", "-n", "latest", "memory.md", "no-such-file"])).expect(1);
    assert_eq!(shown.stdout, "leave   memory.md\n");
    assert!(shown.stderr.contains("could not find no-such-file in "), "{}", shown.stderr);
}

#[test]
fn a_file_is_shown_under_any_spelling_of_its_path() {
    let workspace = Workspace::demo();
    let ours = workspace.back_up(["-q"]);
    let dotted = workspace.beside("dotted.tar");
    run(pai_tests::command("tar").arg("-cf").arg(&dotted).arg("-C").arg(workspace.home()).arg(".")).expect(0);
    for archive in [&ours, &dotted] {
        for path in ["projects/alpha.md", "./projects/alpha.md", "projects/./alpha.md"] {
            let shown = run(workspace.pai(["cat"]).arg(archive).arg(path)).expect(0);
            assert_eq!(shown.stdout, "# Alpha\n", "{path}");
        }
    }
}

#[test]
fn damage_where_nothing_is_wanted_costs_a_restore_nothing() {
    let workspace = Workspace::empty();
    for number in 0..9 {
        workspace.write(&format!("a-noise-{number}"), &noise(20_000, number));
    }
    workspace.write("m-file", b"linked");
    fs::hard_link(workspace.home().join("m-file"), workspace.home().join("z-link")).unwrap();
    let archive = workspace.back_up(["-q"]);
    let mut bytes = fs::read(&archive).unwrap();
    bytes[50_000] ^= 1;
    fs::write(&archive, bytes).unwrap();
    // The file of a hard link that is wanted alone may be in any chunk, so all are looked into.
    let target = workspace.beside("back");
    let restored = run(workspace.pai(["restore", "latest", "z-link", "--target"]).arg(&target)).expect(0);
    assert_eq!(restored.stderr, "", "nothing is said of what was not asked for");
    assert_eq!(fs::read(target.join("z-link")).unwrap(), b"linked");
    let all = run(workspace.pai(["restore", "latest", "--force", "--target"]).arg(&target)).expect(1);
    assert!(all.stderr.contains("could not restore a-noise-"), "{}", all.stderr);
}
