//! What every script has in common.

use std::fs;
use std::path::PathBuf;

use pai_tests::{command, has, repository, run, skip};

use crate::stack::Stack;
use crate::support::mode;

/// The stack's scripts that are run as commands, relative to scripts/.
fn commands() -> Vec<String> {
    let mut names: Vec<String> =
        ["maintenance", "health-check", "backup", "verify-backup", "restore", "diagnose", "validate-config"]
            .map(|name| format!("{name}.sh"))
            .into();
    let tasks = fs::read_dir(repository().join("scripts/tasks")).unwrap().flatten();
    names.extend(tasks.map(|task| format!("tasks/{}", task.file_name().to_string_lossy())));
    names.sort();
    names
}

fn files() -> Vec<PathBuf> {
    let scripts = repository().join("scripts");
    let mut files: Vec<PathBuf> = commands().iter().map(|name| scripts.join(name)).collect();
    for folder in ["lib", "checks"] {
        let found = fs::read_dir(scripts.join(folder)).unwrap().flatten().map(|file| file.path());
        files.extend(found.filter(|file| file.extension().is_some_and(|end| end == "sh")));
    }
    files
}

#[test]
fn row_1_40_every_script_answers_help_on_stdout_with_status_0_and_bad_usage_with_2() {
    let stack = Stack::new();
    for name in commands() {
        for flag in ["--help", "-h"] {
            let outcome = run(stack.script(&name).arg(flag)).expect(0);
            assert!(
                outcome.stdout.starts_with("Usage:") && outcome.stderr.is_empty(),
                "{name}: {}",
                outcome.stderr
            );
            assert!(outcome.stdout.contains("Exit status:"), "{name}: {}", outcome.stdout);
        }
        let bad = run(stack.script(&name).arg("--no-such-option"));
        assert_eq!(bad.status, Some(2), "{name}: {}{}", bad.stdout, bad.stderr);
    }
}

#[test]
fn row_1_38_scripts_are_executable_parse_and_are_clean_and_short() {
    for name in commands() {
        let file = repository().join("scripts").join(&name);
        assert_eq!(mode(&file) & 0o755, 0o755, "{name}");
    }
    for file in files() {
        run(command("bash").arg("-n").arg(&file)).expect(0);
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 200, "{}: {lines} lines", file.display());
    }
}

#[test]
fn row_1_38_shellcheck_and_shfmt_find_nothing() {
    if !has("shellcheck") || !has("shfmt") {
        return skip("no shellcheck or no shfmt");
    }
    let mut shellcheck = command("shellcheck");
    shellcheck.args(["--external-sources", "--enable=check-set-e-suppressed"]).args(files());
    run(shellcheck.current_dir(repository())).expect(0);
    run(command("shfmt").args(["--diff", "--indent", "2", "--case-indent"]).args(files())).expect(0);
}

#[test]
fn row_1_42f_scripts_are_writable_by_their_owner_alone() {
    for file in files() {
        assert_eq!(mode(&file) & 0o022, 0, "{}", file.display());
    }
}
