//! Disks, modes and files that are not what they should be.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;

use pai_tests::{has, run, scratch, skip, tool};

use crate::Workspace;

const MEMORY: &str = "# PAI Memory\n\n## 2025-09-01\nold\n\n## 2025-09-15\nyoung\n";
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The command as somebody whom modes apply to.
fn as_nobody<'a>(workspace: &Workspace, command: &'a mut Command) -> &'a mut Command {
    if is_root() {
        run(pai_tests::command("chown").args(["-R", "65534:65534"]).arg(workspace.folder.path())).expect(0);
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The tools may live where nobody may not look: a copy of the tool that anyone can run.
fn command_for_all(workspace: &Workspace, args: &[&str]) -> Command {
    let copy = workspace.path("tool");
    std::fs::copy(tool("pai-optimize"), &copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    let known = workspace.command(args);
    let mut command = Command::new(copy);
    command.args(known.get_args()).env_clear().stdin(std::process::Stdio::null());
    for (key, value) in known.get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    command
}

#[test]
fn a_read_only_memory_file_is_left_alone() {
    let workspace = Workspace::new(MEMORY);
    std::fs::set_permissions(workspace.path("memory.md"), PermissionsExt::from_mode(0o444)).unwrap();
    let outcome = workspace.run(&["--once"]).expect(2);
    assert!(outcome.stderr.contains("memory.md: it is read-only"), "{}", outcome.stderr);
    assert_eq!(workspace.memory(), MEMORY);
    assert!(!workspace.path("archive").exists());
    assert!(workspace.log().contains("ERROR __main__ Memory optimization failed: could not write "));
}

#[test]
fn a_folder_in_place_of_the_memory_file_is_an_error() {
    let workspace = Workspace::new("");
    std::fs::remove_file(workspace.path("memory.md")).unwrap();
    std::fs::create_dir(workspace.path("memory.md")).unwrap();
    let outcome = workspace.run(&["--once"]).expect(2);
    assert!(outcome.stderr.contains("memory.md: not a regular file"), "{}", outcome.stderr);
}

#[test]
fn a_link_to_nowhere_is_an_error_and_no_missing_file() {
    let workspace = Workspace::new("");
    std::fs::remove_file(workspace.path("memory.md")).unwrap();
    symlink("nowhere.md", workspace.path("memory.md")).unwrap();
    workspace.run(&["--once"]).expect(2);
}

#[test]
fn a_symbolic_link_stays_and_its_target_is_rewritten() {
    let workspace = Workspace::new("");
    std::fs::remove_file(workspace.path("memory.md")).unwrap();
    let elsewhere = scratch();
    let target = elsewhere.path().join("real.md");
    std::fs::write(&target, MEMORY).unwrap();
    symlink(&target, workspace.path("memory.md")).unwrap();
    workspace.once();
    assert_eq!(std::fs::read_link(workspace.path("memory.md")).unwrap(), target);
    assert!(std::fs::read_to_string(&target).unwrap().contains("- 2025-09-01: old"));
    assert_eq!(workspace.archived("2025-09-01"), "## 2025-09-01\nold\n\n");
    workspace.run(&["check"]).expect(0);
}

#[test]
fn mode_and_owner_are_kept_and_the_archive_is_as_private_as_the_file() {
    let workspace = Workspace::new(MEMORY);
    let memory = workspace.path("memory.md");
    std::fs::set_permissions(&memory, PermissionsExt::from_mode(0o660)).unwrap();
    if is_root() {
        std::os::unix::fs::chown(&memory, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let owner = std::fs::metadata(&memory).unwrap().uid();
    workspace.once();
    for path in [memory, workspace.path("archive/memory/memory-2025-09-01.md")] {
        let found = std::fs::metadata(&path).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid()), (0o660, owner), "{}", path.display());
    }
}

#[test]
fn an_archive_folder_that_cannot_be_written_changes_nothing() {
    let workspace = Workspace::new(MEMORY);
    let archive = workspace.path("archive/memory");
    std::fs::create_dir_all(&archive).unwrap();
    let mut command = command_for_all(&workspace, &["--once"]);
    let command = as_nobody(&workspace, &mut command);
    std::fs::set_permissions(&archive, PermissionsExt::from_mode(0o555)).unwrap();
    let outcome = run(command).expect(2);
    assert!(outcome.stderr.contains("memory-2025-09-01.md: Permission denied"), "{}", outcome.stderr);
    assert_eq!(workspace.memory(), MEMORY);
    assert_eq!(std::fs::read_dir(&archive).unwrap().count(), 0);
    assert!(!workspace.path(".memory.md.partial").exists());
}

#[test]
fn a_workspace_that_cannot_be_written_keeps_sections_out_of_the_archive_too() {
    let workspace = Workspace::new(MEMORY);
    std::fs::create_dir_all(workspace.path("archive/memory")).unwrap();
    std::fs::create_dir_all(workspace.path("logs")).unwrap();
    let mut command = command_for_all(&workspace, &["--once"]);
    let command = as_nobody(&workspace, &mut command);
    std::fs::set_permissions(workspace.folder.path(), PermissionsExt::from_mode(0o555)).unwrap();
    run(command).expect(2);
    std::fs::set_permissions(workspace.folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(workspace.memory(), MEMORY);
    assert_eq!(std::fs::read_dir(workspace.path("archive/memory")).unwrap().count(), 0);
}

#[test]
fn a_full_disk_changes_nothing() {
    if !is_root() || !has("unshare") {
        return skip("a small file system of one's own needs root");
    }
    let workspace = Workspace::new("");
    let big: String =
        (1..=9).map(|day| format!("## 2025-09-0{day}\n{}\n\n", "word ".repeat(20_000))).collect();
    std::fs::write(workspace.path("source.md"), &big).unwrap();
    // 1 MiB holds the memory file but not its archive beside it.
    let script = "mkdir disk && mount -t tmpfs -o size=1m tmpfs disk && cp source.md disk/memory.md && \
        { \"$0\" --once --home disk; echo \"exit $?\"; cmp source.md disk/memory.md && echo same; \
        find disk -name '*.partial'; find disk -name 'memory-*'; }";
    let mut command = workspace.command(&[]);
    let mut shell = pai_tests::command("unshare");
    shell
        .args(["--mount", "bash", "-c", script])
        .arg(tool("pai-optimize"))
        .current_dir(workspace.folder.path());
    for (key, value) in command.envs([("X", "")]).get_envs() {
        if let Some(value) = value.filter(|_| key != "PAI_HOME") {
            shell.env(key, value);
        }
    }
    let outcome = run(&mut shell);
    if !outcome.stdout.contains("exit ") {
        return skip(&format!("no mount namespace here: {}", outcome.stderr.trim()));
    }
    assert_eq!(outcome.stdout, "exit 2\nsame\n", "{}", outcome.stderr);
    assert!(outcome.stderr.contains("No space left on device"), "{}", outcome.stderr);
}

#[test]
fn invalid_utf_8_stays_as_it_is() {
    let old = b"## 2025-09-01\n\xff\xfe caf\xe9\n\n".as_slice();
    let young = b"## 2025-09-15\n\x80\n".as_slice();
    let workspace = Workspace::new([old, young].concat());
    workspace.once();
    assert_eq!(std::fs::read(workspace.path("archive/memory/memory-2025-09-01.md")).unwrap(), old);
    let memory = std::fs::read(workspace.path("memory.md")).unwrap();
    assert!(memory.ends_with(young));
    let summary = "- 2025-09-01: \u{fffd}\u{fffd} caf\u{fffd} (";
    assert!(String::from_utf8_lossy(&memory).contains(summary), "{}", String::from_utf8_lossy(&memory));
}

#[test]
fn an_empty_pai_home_is_named_and_is_none_where_a_file_is() {
    let workspace = Workspace::new(MEMORY);
    let refused = run(workspace.command(&["--once"]).env("PAI_HOME", "")).expect(2);
    assert!(refused.stderr.contains("PAI_HOME is not set"), "{}", refused.stderr);
    let memory = workspace.path("memory.md");
    let memory = memory.to_str().unwrap();
    run(workspace.command(&["--once", memory]).env("PAI_HOME", "")).expect(0);
    assert!(workspace.path("archive").exists());
}
