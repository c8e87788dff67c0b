//! `scripts/quickstart.sh`, with the tools that are built already.

use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{Outcome, bin_folder, command, repository, run, scratch};

/// The script, run from `folder`; what it makes goes below `folder` too.
fn quickstart(folder: &Path) -> Command {
    let mut script = command(repository().join("scripts/quickstart.sh"));
    script.current_dir(folder).env("TMPDIR", folder).env("PAI_BIN", bin_folder());
    script
}

/// What follows `label` on its line of stdout.
fn after<'a>(outcome: &'a Outcome, label: &str) -> &'a Path {
    let line = outcome.stdout.lines().find_map(|line| line.strip_prefix(label));
    Path::new(line.unwrap_or_else(|| panic!("no {label:?} in {}", outcome.stdout)))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().expect("a folder to look into");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> = entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_demo_workspace_is_backed_up_verified_and_one_file_restored_twice_in_a_row() {
    let folder = scratch();
    let homes: Vec<PathBuf> = (0..2)
        .map(|_| {
            let outcome = run(&mut quickstart(folder.path())).expect(0);
            let home = after(&outcome, "workspace: ").to_owned();
            let archive = after(&outcome, "archive: ");
            assert!(outcome.stdout.contains(&format!("{}: OK\n", archive.display())), "{}", outcome.stdout);
            let restored = std::fs::read(after(&outcome, "restored: ")).unwrap();
            assert_eq!(restored, std::fs::read(home.join("memory.md")).unwrap());
            let log = std::fs::read_to_string(after(&outcome, "log: ")).unwrap();
            assert!(log.contains("Created archive "), "{log}");
            home
        })
        .collect();
    assert_ne!(homes[0], homes[1]);
    let documented = "archive backup.sh config.json context.md logs memory.md optimize_memory.py pai.sh \
                      projects scheduler.py server.py tools voice.py";
    assert_eq!(names(&homes[1]).join(" "), documented);
}

#[test]
fn a_named_workspace_gets_the_archive_and_keeps_its_files_and_old_archives() {
    let folder = scratch();
    let home = folder.path().join("my assistant's pai");
    std::fs::create_dir_all(home.join("archive")).unwrap();
    std::fs::write(home.join("only note.md"), "the only file\n").unwrap();
    std::fs::write(home.join("archive/pai-20010101-000000.tar.gz"), "old").unwrap();
    for round in 1..=2 {
        let outcome = run(quickstart(folder.path()).env("PAI_HOME", &home)).expect(0);
        assert!(after(&outcome, "archive: ").starts_with(&home));
        assert_eq!(std::fs::read(after(&outcome, "restored: ")).unwrap(), b"the only file\n");
        assert_eq!(names(&home), ["archive", "logs", "only note.md"]);
        let archives = names(&home.join("archive"));
        assert_eq!(
            archives.iter().filter(|name| name.ends_with(".tar.gz")).count(),
            1 + round,
            "{archives:?}"
        );
    }
}

#[test]
fn trouble_ends_it_with_2_and_its_cause() {
    let folder = scratch();
    let no_home = folder.path().join("missing");
    let outcome = run(quickstart(folder.path()).env("PAI_HOME", &no_home)).expect(2);
    assert!(outcome.stderr.contains("PAI_HOME"), "{}", outcome.stderr);
    let outcome = run(quickstart(folder.path()).env("PAI_BIN", folder.path())).expect(2);
    assert!(outcome.stderr.contains("could not find pai-backup"), "{}", outcome.stderr);
    run(quickstart(folder.path()).arg("--frobnicate")).expect(2);
    let help = run(quickstart(folder.path()).arg("--help")).expect(0);
    assert!(help.stdout.contains("PAI_BIN") && help.stderr.is_empty());
}
