//! What stands below each tool's `--help`: its examples are run, and its README names no option it does not have.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pai_tests::{Outcome, command, repository, run, scratch, sh, tool};

pub(crate) const TOOLS: [&str; 4] = ["pai-backup", "pai-checksum", "pai-optimize", "pai-rotate"];

/// The help of a tool, or of its command.
pub(crate) fn help(name: &str, words: &[&str]) -> String {
    run(command(tool(name)).args(words).arg("--help")).expect(0).stdout
}

/// The help of a tool and of each of its commands.
pub(crate) fn helps(name: &str) -> Vec<String> {
    let commands = commands(name);
    std::iter::once(help(name, &[])).chain(commands.iter().map(|command| help(name, &[command]))).collect()
}

/// The commands of a tool.
pub(crate) fn commands(name: &str) -> Vec<String> {
    let own = help(name, &[]);
    let commands = own.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    commands
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .filter(|command| command != "help")
        .collect()
}

/// The lines below `Examples:`, without what is said of them on the right.
fn examples(help: &str) -> Vec<String> {
    let Some((_, lines)) = help.split_once("\nExamples:\n") else { return Vec::new() };
    let mut examples: Vec<String> = Vec::new();
    for line in lines.lines() {
        let line = line.trim_start().split("  ").next().unwrap_or_default();
        match examples.last_mut().filter(|last| last.ends_with('|')) {
            Some(last) => last.extend([" ", line]),
            None => examples.push(line.to_owned()),
        }
    }
    examples
}

/// Runs an example in `home`; the root of its absolute paths is `root`, and `bin` has what it calls.
fn run_example(line: &str, home: &Path, root: &Path) -> Outcome {
    let root = root.display();
    let line = line.replace(" /", &format!(" {root}/")).replace("'/", &format!("'{root}/"));
    let script = format!(
        "export HOME='{home}' PAI_HOME='{home}/pai' PAI_NOW=2025-09-16T12:00:00Z PATH=\"{home}/bin:$PATH\"\n\
         set -euo pipefail\n{line}",
        home = home.display()
    );
    sh(&script, home)
}

/// A home with what the examples speak of, and programs that stand for those not ours.
fn lay_out(home: &Path, root: &Path) {
    let write = |path: std::path::PathBuf, content: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write(
        home.join("pai/memory.md"),
        "# PAI Memory\n\n## 2025-09-01\n- Signed the lease with the landlord.\n\n## 2025-09-15\n- Rode.\n",
    );
    write(home.join("pai/projects/plan.md"), "# Plan\n");
    write(home.join("a.zip"), "a");
    write(home.join("logs/app.log"), "a line\n");
    write(root.join("var/log/app.log"), "a line\n");
    write(root.join("backups/codexdb_20250915-030000.sql.gz"), "");
    fs::create_dir_all(root.join("mnt/other-disk/logs")).unwrap();
    for (name, script) in [
        ("rclone", "#!/bin/sh\n[ \"$1\" = lsf ] && seq -f 'pai-202509%02g-030000.tar.gz' 1 16\ntrue\n"),
        ("systemctl", "#!/bin/sh\ntrue\n"),
    ] {
        write(home.join("bin").join(name), script);
        fs::set_permissions(home.join("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn the_examples_of_every_help_run() {
    for name in TOOLS {
        let (home, root) = (scratch(), scratch());
        lay_out(home.path(), root.path());
        let helps = helps(name);
        assert!(examples(&helps[0]).len() >= 3, "{name}");
        for line in helps.iter().flat_map(|help| examples(help)) {
            let outcome = run_example(&line, home.path(), root.path());
            assert_eq!(outcome.status, Some(0), "{line}\n{}{}", outcome.stdout, outcome.stderr);
        }
    }
}

#[test]
fn an_example_that_fails_is_noticed() {
    let help =
        "Usage: x\n\nExamples:\n  true | cat        a word on it\n  pai-backup list /nowhere |\n    cat\n";
    let examples = examples(help);
    assert_eq!(examples, ["true | cat", "pai-backup list /nowhere | cat"]);
    let (home, root) = (scratch(), scratch());
    let statuses = examples.iter().map(|line| run_example(line, home.path(), root.path()).status);
    assert_eq!(statuses.collect::<Vec<_>>(), [Some(0), Some(2)]);
}

/// The options that `text` names.
fn options(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    words.filter(|word| word.len() > 3 && word.starts_with("--")).collect()
}

#[test]
fn a_readme_s_synopsis_names_the_options_of_its_tool() {
    for name in TOOLS {
        let readme = fs::read_to_string(repository().join(name).join("README.md")).unwrap();
        let synopsis = readme.split("```").find(|block| block.contains(&format!("\n{name} "))).unwrap();
        let help = helps(name).concat();
        let has = options(&help);
        assert!(options(synopsis).len() >= 5, "{name}");
        for option in options(synopsis) {
            assert!(has.contains(&option), "{name} has no {option}");
        }
        for section in ["Exit status:", "Environment:", "Examples:"] {
            assert!(help.contains(section), "{name}: {section}");
        }
    }
}

#[test]
fn the_readme_of_pai_checksum_names_every_option() {
    let readme = fs::read_to_string(repository().join("pai-checksum/README.md")).unwrap();
    for option in options(&helps("pai-checksum").concat()) {
        assert!(readme.contains(option), "{option}");
    }
}
