//! The man pages and completions that `scripts/install.sh` puts in place.

use std::fs;
use std::path::{Path, PathBuf};

use pai_tests::{command, has, run, scratch, sh, skip, tool};

const TOOLS: [&str; 4] = ["pai-backup", "pai-checksum", "pai-optimize", "pai-rotate"];

/// The pages and completions in a folder of their own.
fn made() -> tempfile::TempDir {
    let folder = scratch();
    run(command(tool("pai-docs")).arg(folder.path())).expect(0);
    folder
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("share/man/man1")).unwrap();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

/// What mandoc has to say of a page, from matters of style on.
fn lint(page: &Path) -> String {
    let outcome = run(command("mandoc").args(["-T", "lint"]).arg(page));
    assert_eq!(outcome.status == Some(0), outcome.stdout.is_empty(), "{}", outcome.stdout);
    outcome.stdout
}

#[test]
fn mandoc_has_nothing_to_say_of_any_page() {
    if !has("mandoc") {
        return skip("no mandoc");
    }
    let folder = made();
    let pages = pages(folder.path());
    for name in TOOLS {
        assert!(pages.iter().any(|page| page.ends_with(format!("{name}.1"))), "{name}");
    }
    assert!(pages.len() > 2 * TOOLS.len(), "a page for each command: {pages:?}");
    for page in pages {
        assert_eq!(lint(&page), "", "{}", page.display());
    }
}

#[test]
fn a_page_with_a_fault_is_told() {
    if !has("mandoc") {
        return skip("no mandoc");
    }
    let folder = made();
    let page = folder.path().join("share/man/man1/pai-rotate.1");
    let good = fs::read_to_string(&page).unwrap();
    for (fault, says) in [
        (good.replace(" 2026-", " yesterday-"), "cannot parse date"),
        (good.replace(".SH NAME\n", ".SH NAME \n"), "whitespace at end"),
        (good.replace(".SH NAME\n", &format!(".SH NAME\n{}\n", "word ".repeat(20).trim())), "longer than 80"),
        (format!("{good}.XX\n"), "unknown macro"),
    ] {
        fs::write(&page, fault).unwrap();
        let said = lint(&page);
        assert!(said.contains(says), "{says}: {said}");
    }
}

#[test]
fn a_page_shows_the_help_s_sections_as_they_stand() {
    if !has("mandoc") {
        return skip("no mandoc");
    }
    let folder = made();
    for name in TOOLS {
        let help = run(command(tool(name)).arg("--help")).expect(0).stdout;
        let line = format!("mandoc -T utf8 -O width=200 share/man/man1/{name}.1 | col -bx");
        let shown = sh(&line, folder.path()).expect(0).stdout;
        let (_, sections) = help.split_once("\nExit status:\n").unwrap();
        let lines: Vec<&str> = sections.lines().filter(|line| line.starts_with("  ")).collect();
        assert!(lines.len() >= 6, "{name}");
        for line in lines {
            assert!(shown.contains(line.trim_start()), "{name}: {line}\n{shown}");
        }
        assert!(shown.contains("EXIT STATUS") && shown.contains("EXAMPLES"), "{shown}");
    }
}

#[test]
fn bash_completes_commands_and_options_of_every_tool() {
    let folder = made();
    for (name, words, expected) in [
        ("pai-backup", "pai-backup ver", "verify"),
        ("pai-backup", "pai-backup verify --against-d", "--against-disk"),
        ("pai-checksum", "pai-checksum --chec", "--check"),
        ("pai-optimize", "pai-optimize rec", "recall"),
        ("pai-rotate", "pai-rotate --keep-da", "--keep-daily"),
    ] {
        let script = format!(
            "set -- {words}; source share/bash-completion/completions/{name}\n\
             COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n\
             complete_with=$(complete -p {name} | sed 's/.* -F \\([^ ]*\\).*/\\1/')\n\
             \"$complete_with\" {name} \"${{@: -1}}\" \"${{@: -2:1}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let completed = sh(&script, folder.path()).expect(0).stdout;
        assert!(completed.lines().any(|word| word == expected), "{words}: {completed}");
    }
}

#[test]
fn zsh_and_fish_read_their_completions() {
    let folder = made();
    for (shell, file) in [("zsh", "zsh/site-functions/_"), ("fish", "fish/vendor_completions.d/")] {
        if !has(shell) {
            skip(&format!("no {shell}"));
            continue;
        }
        for name in TOOLS {
            let ending = if shell == "fish" { ".fish" } else { "" };
            sh(&format!("{shell} -n share/{file}{name}{ending}"), folder.path()).expect(0);
        }
    }
}
