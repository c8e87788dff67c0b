//! What every script has in common.

use std::fs;
use std::path::{Path, PathBuf};

use pai_common::sha256::{digest, to_hex};
use pai_tests::{command, has, repository, run, scratch, scratch_beside_tools, skip};

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

/// All shell of the repository, relative to it.
fn shell() -> Vec<PathBuf> {
    let line = "find .ci/run scripts tests -type f \\( -name '*.sh' -o -path '.ci/*' -o -path 'scripts/dev/deb/*' \\) | LC_ALL=C sort";
    let found = run(command("sh").args(["-c", line]).current_dir(repository())).expect(0).stdout;
    found.lines().map(PathBuf::from).collect()
}

/// What the two linters say of files in a folder; nothing if they find nothing.
fn findings(folder: &Path, files: &[PathBuf]) -> String {
    let mut shellcheck = command("shellcheck");
    shellcheck.args(["--external-sources", "--enable=check-set-e-suppressed"]).args(files);
    let mut shfmt = command("shfmt");
    shfmt.args(["--diff", "--indent", "2", "--case-indent"]).args(files);
    [shellcheck, shfmt]
        .map(|mut linter| {
            let outcome = run(linter.current_dir(folder));
            if outcome.status == Some(0) { String::new() } else { outcome.stdout + &outcome.stderr }
        })
        .concat()
}

/// The digest of the linters' versions and of all they read: what was clean once stays so.
fn state(files: &[PathBuf]) -> String {
    let mut bytes = Vec::new();
    for linter in ["shellcheck", "shfmt"] {
        bytes.extend(run(command(linter).arg("--version")).bytes);
    }
    for file in files {
        bytes.extend(file.as_os_str().as_encoded_bytes());
        bytes.extend(fs::read(repository().join(file)).unwrap());
    }
    to_hex(&digest(&bytes))
}

#[test]
fn row_1_38_shellcheck_and_shfmt_find_nothing() {
    if !has("shellcheck") || !has("shfmt") {
        return skip("no shellcheck or no shfmt");
    }
    let files = shell();
    assert!(files.len() > 100 && files.contains(&".ci/run".into()), "{files:?}");
    let (known, now) = (scratch_beside_tools().join("shell-without-findings"), state(&files));
    if fs::read_to_string(&known).is_ok_and(|clean| clean == now) {
        return;
    }
    let found = findings(repository(), &files);
    assert!(found.is_empty(), "{found}");
    fs::write(&known, now).unwrap();
}

#[test]
fn row_1_38_the_linters_find_what_is_wrong() {
    if !has("shellcheck") || !has("shfmt") {
        return skip("no shellcheck or no shfmt");
    }
    let folder = scratch();
    for (script, finding) in [
        ("echo $1\n", "SC2086"),
        ("set -e\nf() { false; }\nif f; then :; fi\n", "SC2310"),
        ("if true; then\n      :\nfi\n", "+  :"),
    ] {
        fs::write(folder.path().join("bad.sh"), format!("#!/usr/bin/env bash\n{script}")).unwrap();
        let found = findings(folder.path(), &["bad.sh".into()]);
        assert!(found.contains(finding), "{script}: {found}");
    }
}

#[test]
fn row_1_42f_scripts_are_writable_by_their_owner_alone() {
    for file in files() {
        assert_eq!(mode(&file) & 0o022, 0, "{}", file.display());
    }
}
