//! The two nightly jobs on one workspace: what pai-optimize moves away is still in every backup.

use std::fs;
use std::path::Path;

use pai_tests::{Outcome, command, run, scratch, sh, tool};

fn on(home: &Path, name: &str, arguments: &[&str]) -> Outcome {
    run(command(tool(name)).args(arguments).env("PAI_HOME", home))
}

/// The instant `hour` o'clock on the `night`th day from 1 October 2026 on.
fn at(night: u32, hour: u32) -> String {
    let (month, day) = if night < 31 { (10, night + 1) } else { (11, night - 30) };
    format!("2026-{month}-{day:02}T{hour:02}:00:00Z")
}

#[test]
fn forty_one_nights_of_both_jobs_lose_no_entry_of_the_first_day() {
    for archive in ["archive/memory", "old/days"] {
        let folder = scratch();
        let home = folder.path().join("pai");
        fs::create_dir(&home).unwrap();
        let entry = format!("# Memory\n\n## 2026-10-01\n- {}receipt 4711\n", "filler words ".repeat(30));
        fs::write(home.join("memory.md"), &entry).unwrap();
        let optimize_folder = home.join(archive);
        let optimize = |home: &Path, arguments: &[&str]| {
            let folder = home.join(archive);
            let place = ["--archive-dir", folder.to_str().unwrap()];
            let arguments: Vec<&str> = arguments.iter().copied().chain(place).collect();
            on(home, "pai-optimize", &arguments)
        };
        for night in 0..=40 {
            on(&home, "pai-backup", &["-q", "--now", &at(night, 2)]).expect(0);
            if night > 6 {
                optimize(&home, &["-q", "--once", "--now", &at(night, 3)]).expect(0);
            }
        }
        assert!(optimize_folder.join("memory-2026-10-01.md").exists());
        let newest = on(&home, "pai-backup", &["list", "--json"]).expect(0);
        let newest: serde_json::Value = serde_json::from_str(newest.stdout.lines().next().unwrap()).unwrap();
        let away = folder.path().join("offsite.tar.gz");
        fs::copy(newest["path"].as_str().unwrap(), &away).unwrap();

        fs::remove_dir_all(&home).unwrap();
        fs::create_dir(&home).unwrap();
        let target = ["restore", away.to_str().unwrap(), "--target", home.to_str().unwrap()];
        on(&home, "pai-backup", &target).expect(0);
        optimize(&home, &["check"]).expect(0);
        let recalled = optimize(&home, &["recall", "4711"]).expect(0);
        assert!(recalled.stdout.contains("receipt 4711"), "{}", recalled.stdout);
        optimize(&home, &["restore", "2026-10-01"]).expect(0);
        assert!(fs::read_to_string(home.join("memory.md")).unwrap().contains("receipt 4711"));
    }
}

#[test]
fn what_lies_beside_our_archives_and_logs_is_backed_up_by_name() {
    let folder = scratch();
    let home = folder.path().join("pai");
    for (name, text) in [
        ("memory.md", "# Memory\n"),
        ("archive/memory/memory-2026-10-01.md", "an old day\n"),
        ("archive/codexdb_2026-10-01.sql", "a dump\n"),
        ("archive/other-20261001-020000.tar.gz", "another series\n"),
        ("archive/other-20261001-020000.tar.gz.sha256", "its sidecar\n"),
        ("archive/pre-restore-20261001-020000.tar.gz", "kept by a restore\n"),
        ("logs/backup.log", "a log\n"),
        ("logs/cron.log-20261001-020000.gz", "a rotated log\n"),
        ("logs/actions.jsonl", "{}\n"),
    ] {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let expected = "memory.md\narchive/codexdb_2026-10-01.sql\narchive/memory/\n\
        archive/memory/memory-2026-10-01.md\nlogs/actions.jsonl\n";
    on(&home, "pai-backup", &["-q", "--now", "2026-10-02T02:00:00Z"]).expect(0);
    assert_eq!(on(&home, "pai-backup", &["list", "latest"]).expect(0).stdout, expected);
    assert_eq!(on(&home, "pai-backup", &["diff", "latest"]).expect(0).stdout, "");

    // The documented line of the log makes the same archive.
    on(&home, "pai-backup", &["-n", "-q", "--now", "2026-10-03T02:00:00Z"]).expect(0);
    let log = fs::read_to_string(home.join("logs/backup.log")).unwrap();
    let line = log.lines().rfind(|line| line.starts_with("tar -czf ")).unwrap();
    assert!(
        line.ends_with("memory.md archive/codexdb_2026-10-01.sql archive/memory logs/actions.jsonl"),
        "{line}"
    );
    sh(line, &home).expect(0);
    let listed =
        sh(&format!("tar -tzf {}", home.join("archive/pai-20261003-020000.tar.gz").display()), &home);
    assert_eq!(listed.expect(0).stdout, expected);

    // Kept elsewhere in the workspace, archives are left out and what lies beside them is not.
    fs::create_dir(home.join("kept")).unwrap();
    fs::write(home.join("kept/notes.tar.gz"), "mine\n").unwrap();
    let kept = home.join("kept");
    for day in ["04", "05"] {
        let now = format!("2026-10-{day}T02:00:00Z");
        on(&home, "pai-backup", &["-q", "--now", &now, "--archive-dir", kept.to_str().unwrap()]).expect(0);
    }
    let newest = kept.join("pai-20261005-020000.tar.gz");
    let listed = on(&home, "pai-backup", &["list", newest.to_str().unwrap()]).expect(0);
    assert_eq!(listed.stdout, expected.replace("logs/", "kept/\nkept/notes.tar.gz\nlogs/"));
}

#[test]
fn the_logged_line_leaves_out_what_the_patterns_leave_out() {
    let folder = scratch();
    let home = folder.path().join("pai");
    for name in [
        "node_modules/x/index.js",
        "app/node_modules/y.js",
        "app/keep.js",
        "app/build/out.o",
        "app/a.tmp",
        "top/one.tmp",
        "top/deep/two.tmp",
        "all/x/y/three.bak",
    ] {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    fs::write(home.join(".paiignore"), "node_modules/\napp/build\n/top/*.tmp\nall/**/*.bak\n").unwrap();
    on(&home, "pai-backup", &["-q", "--now", "2026-10-02T02:00:00Z"]).expect(0);
    on(&home, "pai-backup", &["-n", "-q", "--now", "2026-10-03T02:00:00Z"]).expect(0);
    let log = fs::read_to_string(home.join("logs/backup.log")).unwrap();
    sh(log.lines().rfind(|line| line.starts_with("tar -czf ")).unwrap(), &home).expect(0);
    let names = |archive: &str| {
        let listed = sh(&format!("tar -tzf archive/{archive} | sort"), &home);
        listed.expect(0).stdout
    };
    let ours = names("pai-20261002-020000.tar.gz");
    assert_eq!(names("pai-20261003-020000.tar.gz"), ours);
    assert!(ours.contains("top/deep/two.tmp") && !ours.contains("node_modules"), "{ours}");
}
