//! An archive that is suspiciously small, or not whole, says so wherever somebody looks, and takes nothing away.

use std::fs;
use std::process::Command;

use pai_tests::{as_nobody, run, run_with_input};

use crate::fixtures::{Workspace, names_in, noise};

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

#[test]
fn an_unmounted_workspace_costs_a_store_no_good_archive() {
    let workspace = Workspace::empty();
    let file = workspace.home().join("file");
    let content = noise(300_000, 1);
    workspace.write("file", &content);
    let pai = |number: u32, args: &[&str]| {
        let mut command = workspace.pai(["--now", &night(number), "--store"]);
        command.arg(workspace.beside("store")).args(args).env("XDG_CACHE_HOME", workspace.beside("cache"));
        command
    };
    let names = |number: u32| run(&mut pai(number, &["list", "--names"])).expect(0).stdout;
    run(&mut pai(0, &["create", "-q"])).expect(0);
    let good = names(0);
    fs::rename(&file, workspace.beside("away")).unwrap();
    for number in 1..=8 {
        if number == 5 {
            workspace.write("file", b"not all of it");
        }
        let told = run(&mut pai(number, &["create", "-q"])).expect(1);
        let expected = if number < 5 { "this archive holds no file" } else { "this archive holds 1 file (" };
        assert!(told.stderr.contains(expected), "{number}: {}", told.stderr);
        assert!(told.stderr.contains("--allow-shrink once"), "{}", told.stderr);
        // A policy that keeps the last three.
        let old =
            names(number).lines().skip(3).map(|name| name.to_owned() + "\n").collect::<Vec<_>>().concat();
        let forgotten = run_with_input(&mut pai(number, &["forget", "--stdin"]), old.as_bytes());
        assert_eq!(forgotten.status, Some(i32::from(number >= 3)), "{}", forgotten.stderr);
        assert!(number < 3 || forgotten.stderr.contains("is suspiciously small"), "{}", forgotten.stderr);
    }
    let kept = names(8);
    assert!(kept.lines().count() == 4 && kept.ends_with(&good), "{kept}");
    let packs = workspace.beside("store/archives").join("pai-20261009-020000.packs");
    let before = fs::read(&packs).unwrap();
    fs::remove_file(&packs).unwrap();
    let unknown = run(&mut pai(8, &["forget", good.trim()])).expect(2);
    assert!(unknown.stderr.contains("pai-20261009-020000.packs is missing"), "{}", unknown.stderr);
    run(&mut pai(8, &["verify"])).expect(0);
    assert!(fs::read(&packs).unwrap() == before, "verify writes the mark anew, too");

    // What was away for some nights is not sent again when it is back.
    fs::rename(workspace.beside("away"), &file).unwrap();
    run(&mut pai(9, &["create", "-q"])).expect(0);
    let listed = run(&mut pai(9, &["list", "--json"])).expect(0).stdout;
    let added = listed.lines().next().unwrap().split("\"added\":").nth(1).unwrap();
    assert!(added.split(',').next().unwrap().parse::<u64>().unwrap() < 10_000, "{listed}");
    run(&mut pai(9, &["forget", good.trim()])).expect(0);

    // Until it is said that less is meant.
    fs::remove_file(&file).unwrap();
    run(&mut pai(10, &["create", "-q", "--allow-shrink"])).expect(0);
    run(&mut pai(10, &["forget", "pai-20261010-020000"])).expect(0);
}

#[test]
fn a_suspiciously_small_archive_that_is_pushed_is_told_and_marked() {
    let workspace = Workspace::empty();
    workspace.write("file", &noise(3000, 1));
    let pai = |number: u32, args: &[&str]| {
        let mut command = workspace.pai(["--now", &night(number)]);
        command.args(args).env("XDG_CACHE_HOME", workspace.beside("cache"));
        command.env("PAI_STORE", workspace.beside("store"));
        command
    };
    run(&mut pai(0, &["create", "-q"])).expect(0);
    fs::remove_file(workspace.home().join("file")).unwrap();
    run(&mut pai(1, &["create", "-q"])).expect(1);
    let told = run(&mut pai(1, &["push"])).expect(1);
    assert!(told.stderr.contains("pai-20261002-020000: this archive holds no file"), "{}", told.stderr);
    let kept = run(&mut pai(1, &["forget", "pai-20261001-020000"])).expect(1);
    assert!(kept.stderr.contains("kept pai-20261001-020000"), "{}", kept.stderr);
    run(&mut pai(1, &["forget", "--all", "pai-20261001-020000"])).expect(0);
}
