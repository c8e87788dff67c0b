//! Two runs at once, and runs that are killed or signalled half-way.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pai_tests::{command, has, run, skip, tool, wait_until};

use crate::fixtures::{Workspace, archived_tree, names_in, noise, tree};

/// A run that cannot end: it waits for someone to read its archive from a pipe.
fn endless(workspace: &Workspace) -> Child {
    let mut child = workspace
        .pai(["create", "-q", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Once bytes come, it holds the lock.
    let mut first = [0];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    child
}

#[test]
fn a_second_run_at_once_is_told_so_or_waits() {
    let workspace = Workspace::demo();
    workspace.write("big", &noise(8 << 20, 9));
    let mut first = endless(&workspace);
    let busy = run(&mut workspace.pai(["-q"])).expect(75);
    assert!(busy.stderr.contains("another run is at work there"), "{}", busy.stderr);
    run(&mut workspace.pai(["-q", "--wait", "100ms"])).expect(75);
    // Reading asks for no lock; there is nothing to read yet.
    let none = run(&mut workspace.pai(["list"])).expect(2);
    assert!(none.stderr.contains("no archive"), "{}", none.stderr);
    run(&mut workspace.pai(["-n", "-q"])).expect(0);
    assert_eq!(workspace.archives(), [""; 0]);
    let waiting = workspace.pai(["-q", "--wait", "1m"]).stdout(Stdio::piped()).spawn().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock is the kernel's: a killed run leaves none.
    assert!(waiting.wait_with_output().unwrap().status.success());
    assert_eq!(workspace.archives().len(), 1);
}

#[test]
fn many_runs_at_once_make_one_archive_each_or_none() {
    let workspace = Workspace::demo();
    let runs: Vec<Child> = (0..6)
        .map(|_| workspace.pai(["-q", "--wait", "1m"]).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    let mut made: Vec<String> = runs
        .into_iter()
        .map(|run| String::from_utf8(run.wait_with_output().unwrap().stdout).unwrap().trim_end().to_owned())
        .collect();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 6, "each has a name of its own: {made:?}");
    run(&mut workspace.pai(["verify", "--all"])).expect(0);
}

#[test]
fn a_partial_archive_of_a_killed_run_is_swept_up() {
    let workspace = Workspace::demo();
    workspace.write("archive/.pai-20200101-000000.tar.gz.partial", b"half");
    workspace.write("archive/.other.partial", b"somebody else's");
    let made = run(&mut workspace.pai(["create"])).expect(0);
    assert!(made.stderr.contains("left by a run that did not end"), "{}", made.stderr);
    let name = Path::new(made.stdout.trim_end()).file_name().unwrap().to_str().unwrap();
    assert_eq!(workspace.archives(), [".other.partial", name]);
}

#[test]
fn a_signal_half_way_leaves_nothing_behind() {
    let workspace = Workspace::demo();
    for number in 0..12 {
        workspace.write(&format!("projects/{number}"), &noise(8 << 20, number));
    }
    workspace.write("archive/pai-20200101-000000.tar.gz", b"old");
    let archives = workspace.home().join("archive");
    for signal in [2, 15] {
        let mut child = workspace
            .pai(["-q", "--level", "9"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let is_partial = || {
            let mut partial = fs::read_dir(&archives).unwrap().flatten();
            partial.any(|entry| {
                entry.file_name().to_string_lossy().ends_with(".partial")
                    && entry.metadata().is_ok_and(|metadata| metadata.len() > 0)
            })
        };
        wait_until("the run has begun to write", is_partial);
        Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal), "ended by the signal itself: {status}");
        assert_eq!(names_in(&archives), ["pai-20200101-000000.tar.gz"], "nothing left, nothing rotated");
        let last = workspace.log().pop().unwrap();
        assert!(last.contains("Backup failed: ") && last.contains(": interrupted by signal"), "{last}");
    }
    // In a shell that is 130.
    let line = format!(
        "'{}' -q -o - | (head -c 1 >/dev/null; pkill -INT -P $$ -x pai-backup; cat >/dev/null); echo ${{PIPESTATUS[0]}}",
        tool("pai-backup").display()
    );
    if !has("pkill") {
        return skip("no pkill (package procps)");
    }
    let shell = run(command("bash").args(["-c", &line]).env("PAI_HOME", workspace.home()));
    assert_eq!(shell.stdout, "130\n", "{}", shell.stderr);
}

#[test]
fn a_signal_under_a_restore_leaves_no_half_file() {
    let workspace = Workspace::empty();
    for number in 0..10 {
        workspace.write(&format!("f{number}"), &noise(6 << 20, number));
    }
    let made = workspace.back_up(["-q"]);
    let expected = archived_tree(workspace.home());
    let back = workspace.beside("back");
    let mut child =
        workspace.pai(["restore", "--jobs", "1", "--target"]).arg(&back).arg(&made).spawn().unwrap();
    wait_until("the restore has begun", || !names_in(&back).is_empty());
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let status = child.wait().unwrap();
    assert!(status.signal() == Some(15) || status.code() == Some(0), "{status}");
    for (path, node) in tree(&back) {
        assert_eq!(node.content, expected[&path].content, "{} is whole", path.display());
    }
}
