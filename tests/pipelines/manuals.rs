//! The man pages that `scripts/install.sh` puts in place.

use std::fs;
use std::path::{Path, PathBuf};

use pai_tests::{command, has, repository, run, scratch, sh, skip, tool};

const TOOLS: [&str; 4] = ["pai-backup", "pai-checksum", "pai-optimize", "pai-rotate"];

/// An installation, of which the scripts in `bin/` have pages too.
fn installed() -> tempfile::TempDir {
    let folder = scratch();
    let from = tool("pai-docs").parent().unwrap().to_owned();
    for name in TOOLS {
        tool(name);
    }
    let install = repository().join("scripts/install.sh");
    run(command(install).arg("--prefix").arg(folder.path()).arg("--from").arg(from)).expect(0);
    folder
}

/// The pages and completions in a folder of their own.
pub(crate) fn made() -> tempfile::TempDir {
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
    let folder = installed();
    let pages = pages(folder.path());
    for command in fs::read_dir(folder.path().join("bin")).unwrap() {
        let name = command.unwrap().file_name().into_string().unwrap();
        assert!(pages.iter().any(|page| page.ends_with(format!("{name}.1"))), "{name} has no page");
    }
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
fn a_script_s_page_shows_its_help() {
    if !has("mandoc") {
        return skip("no mandoc");
    }
    let folder = installed();
    for (name, summary) in [
        ("pai-stack-verify", "pai-stack-verify - Checks backups down to the last byte"),
        ("pai-run-job", "pai-run-job - Runs one job of a schedule"),
    ] {
        let help = run(command(folder.path().join("bin").join(name)).arg("--help")).expect(0).stdout;
        let line = format!("mandoc -T utf8 -O width=300 share/man/man1/{name}.1 | col -bx | tr -s ' '");
        let shown = sh(&line, folder.path()).expect(0).stdout;
        assert!(shown.contains(summary), "{shown}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (shown_words, mut missing) = (words(&shown), Vec::new());
        for word in words(&help).into_iter().filter(|word| word.starts_with('-')) {
            if !shown_words.contains(&word) {
                missing.push(word);
            }
        }
        assert!(missing.is_empty(), "{name}: {missing:?}\n{shown}");
        for section in ["SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES"] {
            assert!(shown.contains(section), "{shown}");
        }
    }
}

#[test]
fn a_synopsis_tells_what_options_take_and_what_may_be_repeated() {
    if !has("mandoc") {
        return skip("no mandoc");
    }
    let folder = made();
    let synopsis = |page: &str| {
        let line = format!("mandoc -T utf8 share/man/man1/{page}.1 | col -bx");
        let shown = sh(&line, folder.path()).expect(0).stdout;
        let section = shown.split("\nSYNOPSIS\n").nth(1).and_then(|rest| rest.split("\nDESCRIPTION").next());
        section.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (page, says) in [
        ("pai-backup", "[-e|--exclude GLOB]..."),
        ("pai-backup", "[-o|--output FILE|-]"),
        ("pai-backup", " [PATH]... [COMMAND]"),
        ("pai-backup-restore", "pai-backup restore [-t|--target DIR]"),
        ("pai-backup-restore", " ARCHIVE|latest|- [PATH]..."),
        ("pai-backup-capture", " -- COMMAND..."),
        ("pai-rotate", "[--keep-daily N]"),
        ("pai-checksum", " [FILE]..."),
    ] {
        let shown = synopsis(page);
        assert!(shown.contains(says), "{says}: {shown}");
    }
}

#[test]
fn no_help_has_the_marks_of_another_format() {
    for help in TOOLS.iter().flat_map(|name| crate::helps::helps(name)) {
        assert!(!help.contains('`'), "{help}");
    }
}
