//! What lies beside the archives: those that keep what a restore replaced, and a list of checksums.

use std::fs;

use pai_tests::{command, run, sh, tool};

use crate::fixtures::Workspace;

/// A night's backup.
fn night(workspace: &Workspace, day: u32, args: &[&str]) -> pai_tests::Outcome {
    let now = format!("2026-10-{day:02}T02:00:00Z");
    run(workspace.pai(["create", "-q", "--retention-days", "3"]).args(args).env("PAI_NOW", now)).expect(0)
}

#[test]
fn what_a_restore_replaced_is_listed_and_goes_when_it_is_past_its_days() {
    let workspace = Workspace::demo();
    night(&workspace, 1, &[]);
    for day in [1, 2] {
        workspace.write("memory.md", format!("written on day {day}").as_bytes());
        let now = format!("2026-10-{day:02}T03:00:00Z");
        run(workspace.pai(["restore", "-q", "--force", "latest", "memory.md"]).env("PAI_NOW", now)).expect(0);
    }
    let listed = || run(&mut workspace.pai(["list"])).expect(0).stdout;
    let rows: Vec<String> = listed().lines().map(str::to_owned).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    for (row, name, end) in [
        (0, "/pre-restore-20261002-030000.tar.gz", "good (what a restore replaced)"),
        (1, "/pre-restore-20261001-030000.tar.gz", "good (what a restore replaced)"),
        (2, "/pai-20261001-020000.tar.gz", "good"),
    ] {
        assert!(rows[row].contains(name) && rows[row].ends_with(&format!("  {end}")), "{rows:?}");
    }
    let names = run(&mut workspace.pai(["list", "--names"])).expect(0).stdout;
    assert_eq!(names, "pai-20261001-020000.tar.gz\n", "they are no backups");
    let json = run(&mut workspace.pai(["list", "--json"])).expect(0).stdout;
    let replaced = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["replaced"].clone();
    assert_eq!(json.lines().map(replaced).collect::<Vec<_>>(), [true, true, false]);
    // The retention of the backups, to the second; nothing of that kind must stay for ever.
    night(&workspace, 4, &[]);
    assert!(listed().contains("pre-restore-20261001-030000"));
    let dry =
        run(workspace.pai(["-n", "--retention-days", "3"]).env("PAI_NOW", "2026-10-05T02:00:00Z")).expect(0);
    assert!(
        dry.stderr.contains("would remove") && dry.stderr.contains("pre-restore-20261001-030000"),
        "{}",
        dry.stderr
    );
    night(&workspace, 5, &["--no-rotate"]);
    assert!(listed().contains("pre-restore-20261001-030000"));
    night(&workspace, 6, &[]);
    assert!(!listed().contains("pre-restore-"), "{}", listed());
    let log = workspace.log().join("\n");
    assert!(log.contains("-name 'pre-restore-*.tar.gz' -mmin +4320 -delete\n"), "{log}");
}

#[test]
fn a_list_of_checksums_stays_true_while_archives_come_and_go() {
    let workspace = Workspace::demo();
    let list = workspace.beside("sums");
    fs::write(&list, "# of the archives\n").unwrap();
    for day in 1..=9 {
        night(&workspace, day, &["--checksums", list.to_str().unwrap()]);
        let text = fs::read_to_string(&list).unwrap();
        assert!(text.starts_with("# of the archives\n"));
        assert_eq!(text.lines().count(), 1 + workspace.archives().len(), "{text}");
        for check in ["sha256sum -c --strict --quiet sums", "pai-checksum -c --strict --quiet sums"] {
            sh(check, list.parent().unwrap()).expect(0);
        }
    }
    assert!(workspace.archives().len() < 9);
    let text = fs::read_to_string(&list).unwrap();
    assert!(text.lines().skip(1).all(|line| line[66..].starts_with("home/archive/pai-")), "{text}");
    // One that changed is told.
    let newest = workspace.archives().pop().unwrap();
    fs::write(workspace.home().join("archive").join(newest), "rotten").unwrap();
    run(command(tool("pai-checksum")).args(["-c", "sums"]).current_dir(list.parent().unwrap())).expect(1);
}

#[test]
fn a_list_may_lie_among_the_archives_and_is_begun() {
    let workspace = Workspace::demo();
    let list = workspace.home().join("archive/sums");
    for day in 1..=5 {
        night(&workspace, day, &["--sha256", "--checksums", list.to_str().unwrap()]);
    }
    sh(
        "sha256sum -c --strict --quiet sums && sha256sum -c --strict --quiet *.sha256",
        list.parent().unwrap(),
    )
    .expect(0);
    for args in [&["--format", "zip"][..], &["-o", "-"], &["--store", "/x"]] {
        let refused = run(workspace.pai(["create", "--checksums", "/tmp/x"]).args(args)).expect(2);
        assert!(refused.stderr.contains("--checksums"), "{}", refused.stderr);
    }
}

#[test]
fn a_moment_s_work_in_the_list_s_folder_costs_no_backup() {
    let workspace = Workspace::demo();
    let line = format!(
        "flock . -c 'touch held; sleep 0.5' & until [ -e held ]; do sleep 0.01; done
         pai-backup -q --home '{}' --checksums sums && sha256sum -c --strict --quiet sums",
        workspace.home().display()
    );
    sh(&line, workspace.home().parent().unwrap()).expect(0);
}
