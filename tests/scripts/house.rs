//! What every script has in common.

use std::fs;
use std::path::{Path, PathBuf};

use pai_common::sha256::{digest, to_hex};
use pai_tests::{command, has, repository, run, scratch, scratch_beside_tools, skip};

use crate::stack::Stack;
use crate::support::{mode, script};

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

/// The commands of a checkout: what they source may lie in dev/, and they are not installed.
const OF_A_CHECKOUT: [&str; 4] = ["bench.sh", "quickstart.sh", "release.sh", "test.sh"];

/// The files of a folder and below it, relative to it, sorted.
fn below(folder: &Path) -> Vec<String> {
    let found =
        run(command("sh").args(["-c", "find . -type f -printf '%P\\n' | LC_ALL=C sort"]).current_dir(folder));
    found.expect(0).stdout.lines().map(str::to_owned).collect()
}

/// The files that a script sources, relative to scripts/. shellcheck needs a line about each, and finds those that have none.
pub(crate) fn sources(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let named = lines.windows(2).filter(|pair| pair[1].starts_with(". "));
    named.filter_map(|pair| pair[0].strip_prefix("# shellcheck source=scripts/")).map(str::to_owned).collect()
}

/// What one cannot tell from where a file of this scripts/ lies: which is run, which is sourced, which stays at home.
fn misplaced(scripts: &Path) -> Vec<String> {
    let names = below(scripts);
    let shell: Vec<&String> = names.iter().filter(|name| name.ends_with(".sh")).collect();
    let text = |name: &str| fs::read_to_string(scripts.join(name)).unwrap();
    let sourced: Vec<String> = shell.iter().flat_map(|name| sources(&text(name))).collect();
    let mut found = Vec::new();
    for name in &names {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let executable = mode(&scripts.join(name)) & 0o111 == 0o111;
        let mut wrong = |what: &str| found.push(format!("{name}: {what}"));
        match folder {
            "lib" | "dev/lib" => {
                if mode(&scripts.join(name)) & 0o111 != 0 {
                    wrong("it is to be sourced, and executable");
                }
                if !text(name).starts_with("# shellcheck shell=bash\n") {
                    wrong("it does not begin as a file to be sourced");
                }
                if !sourced.contains(name) {
                    wrong("nothing sources it");
                }
            }
            "" | "tasks" | "checks" | "dev" if name != "README.md" => {
                if !executable || !text(name).starts_with("#!/usr/bin/env bash\n") {
                    wrong("it is to be run, and not executable, or without its first line");
                }
                if sourced.contains(name) {
                    wrong("it is to be run, and sourced");
                }
            }
            _ => {}
        }
        let at_home =
            name.starts_with("dev/") || OF_A_CHECKOUT.contains(&name.as_str()) || name == "README.md";
        if !at_home
            && (text(name).contains("scripts/dev/")
                || sources(&text(name)).iter().any(|file| file.starts_with("dev/")))
        {
            wrong("it uses dev/, which is not installed");
        }
    }
    found
}

#[test]
fn from_where_a_script_lies_one_can_tell_whether_it_is_run_or_sourced() {
    assert_eq!(misplaced(&repository().join("scripts")), Vec::<String>::new());
}

#[test]
fn a_script_in_the_wrong_place_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let (library, program) = ("# shellcheck shell=bash\n", "#!/usr/bin/env bash\n");
    let of = |file: &str| format!("{program}# shellcheck source=scripts/{file}\n. \"$here/{file}\"\n");
    let good = [("lib/a.sh", library.to_owned(), 0o644), ("tasks/a.sh", of("lib/a.sh"), 0o755)];
    let cases = [
        ("nothing is wrong", ("checks/b.sh", program.to_owned(), 0o755), ""),
        (
            "a program among the libraries",
            ("lib/b.sh", program.to_owned(), 0o755),
            "lib/b.sh: it is to be sourced, and executable",
        ),
        ("a first line of a program", ("lib/a.sh", program.to_owned(), 0o644), "lib/a.sh: it does not begin"),
        (
            "a library that nothing needs",
            ("lib/b.sh", library.to_owned(), 0o644),
            "lib/b.sh: nothing sources it",
        ),
        (
            "a task that cannot be run",
            ("tasks/b.sh", program.to_owned(), 0o644),
            "tasks/b.sh: it is to be run",
        ),
        ("a library among the commands", ("b.sh", library.to_owned(), 0o755), "b.sh: it is to be run"),
        (
            "a command that is sourced",
            ("tasks/a.sh", of("tasks/a.sh"), 0o755),
            "tasks/a.sh: it is to be run, and sourced",
        ),
        ("a task that sources dev/", ("tasks/b.sh", of("dev/lib/b.sh"), 0o755), "tasks/b.sh: it uses dev/"),
        (
            "a library that calls dev/",
            ("lib/a.sh", format!("{library}scripts/dev/b.sh\n"), 0o644),
            "lib/a.sh: it uses dev/",
        ),
    ];
    for (case, bad, finding) in cases {
        let folder = scratch();
        for (name, text, permissions) in good.iter().chain([&bad]) {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(*permissions)).unwrap();
        }
        let found = misplaced(folder.path());
        assert_eq!(found.is_empty(), finding.is_empty(), "{case}: {found:?}");
        assert!(
            finding.is_empty() || found.iter().any(|line| line.starts_with(finding)),
            "{case}: {found:?}"
        );
    }
}

#[test]
fn all_scripts_are_installed_but_those_of_a_checkout() {
    let folder = scratch();
    let mut install = script("install.sh");
    install.args(["--dry-run", "--prefix", "/nowhere", "--from"]).arg(folder.path());
    let listed = run(&mut install).expect(0).stdout;
    let installed: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("would install /nowhere/libexec/pai-tools/"))
        .filter(|name| *name != "installed-files")
        .collect();
    let mut wanted = below(&repository().join("scripts"));
    wanted.retain(|name| {
        !name.starts_with("dev/") && !OF_A_CHECKOUT.contains(&name.as_str()) && name != "README.md"
    });
    assert!(wanted.len() > 100, "{wanted:?}");
    assert_eq!(installed, wanted);
}
