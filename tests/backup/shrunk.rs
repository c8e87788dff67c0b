//! An archive that is suspiciously small, or not whole, says so wherever somebody looks, and takes nothing away.

use std::fs;
use std::process::Command;

use pai_tests::{as_nobody, run};

use crate::fixtures::{Workspace, names_in};

/// Two o'clock on the `night`th day from 1 October 2026 on.
fn night(night: u32) -> String {
    let (month, day) = if night < 31 { (10, night + 1) } else { (11, night - 30) };
    format!("2026-{month}-{day:02}T02:00:00Z")
}

fn nightly(workspace: &Workspace, number: u32, more: &[&str]) -> Command {
    let mut command = workspace.pai(["-q", "--now", &night(number)]);
    command.arg("--archive-dir").arg(workspace.beside("arch")).args(more);
    command
}

#[test]
fn an_unmounted_workspace_ages_out_no_good_archive() {
    let workspace = Workspace::empty();
    for number in 0..3 {
        workspace.write(&format!("file-{number}"), b"precious");
    }
    run(&mut nightly(&workspace, 0, &[])).expect(0);
    let good = names_in(&workspace.beside("arch"));
    for number in 0..3 {
        fs::remove_file(workspace.home().join(format!("file-{number}"))).unwrap();
    }
    for number in 1..=40 {
        // After a while something small is there again: still far less than there was.
        if number == 20 {
            workspace.write("file-0", b"precious");
        }
        let told = run(&mut nightly(&workspace, number, &[])).expect(1);
        let expected = if number < 20 { "this archive holds no file" } else { "this archive holds 1 file (" };
        assert!(told.stderr.contains(expected), "{number}: {}", told.stderr);
        assert!(told.stderr.contains("--allow-shrink once"), "{}", told.stderr);
    }
    let kept = names_in(&workspace.beside("arch"));
    assert!(kept.contains(&good[0]) && kept.len() == 41, "{kept:?}");
    assert!(workspace.log().iter().any(|line| line.contains("no old archive was removed")));
    let shown = run(&mut nightly(&workspace, 41, &["-n"])).expect(0);
    assert!(shown.stderr.contains("this archive holds 1 file ("), "{}", shown.stderr);

    // It is said once that it is meant; then retention goes on, and nobody asks again.
    run(&mut nightly(&workspace, 41, &["--allow-shrink"])).expect(0);
    assert!(!names_in(&workspace.beside("arch")).contains(&good[0]));
    run(&mut nightly(&workspace, 42, &[])).expect(0);
}

#[test]
fn a_backup_done_in_part_is_partial_in_the_log_in_the_list_and_in_json() {
    let workspace = Workspace::demo();
    workspace.write("secret", b"secret");
    crate::fixtures::chmod(&workspace.home().join("secret"), 0o000);
    let tool = workspace.give_to_nobody();
    let on = |arguments: &[&str]| {
        let mut command = pai_tests::command(&tool);
        command.args(arguments).env("PAI_HOME", workspace.home()).current_dir("/");
        as_nobody(&command)
    };
    let Some(mut create) = on(&["create"]) else { return };
    run(&mut create).expect(1);
    let log = workspace.log();
    assert!(log.iter().any(|line| line.contains("could not read secret: ")), "{log:?}");
    assert!(log.last().unwrap().ends_with("] Backup finished (1 file left out or cut)"), "{log:?}");
    let listed = run(&mut on(&["list"]).unwrap()).expect(0);
    assert!(listed.stdout.contains("partial (1 left out or cut)"), "{}", listed.stdout);
    let json = run(&mut on(&["list", "--json"]).unwrap()).expect(0);
    assert!(json.stdout.contains(r#""good":true,"partial":true,"incomplete":1"#), "{}", json.stdout);
}
