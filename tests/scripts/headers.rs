//! The four lines at the top of a task and of a check: what it needs, reads and writes, and its exit statuses.
//!
//! They are held against the text: the functions that a task calls, its own and those of scripts/lib, and of these again.
//! What a text does not show (a program that is called, a status that another script gave) is left to who writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pai_tests::repository;

use crate::house::sources;

const WORDS: [&str; 4] = ["# Needs:  ", "# Reads:  ", "# Writes: ", "# Exit:   "];
/// Words of the shell that a command stands behind.
const BEFORE_COMMANDS: [&str; 11] =
    ["if", "elif", "then", "else", "do", "while", "until", "exec", "trap", "!", "{"];

/// The code of a script: no comments, no texts of help.
fn code(text: &str) -> Vec<&str> {
    let mut end: Option<String> = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(word) = &end {
            if line == word {
                end = None;
            }
            continue;
        }
        end = line.split_once("<<").filter(|(_, rest)| !rest.starts_with('<')).map(|(_, rest)| {
            rest.trim_start_matches(['-', '\'', '"']).chars().take_while(|c| c.is_alphanumeric()).collect()
        });
        if !line.trim_start().starts_with('#') {
            lines.push(line);
        }
    }
    lines
}

/// The functions of a script and their lines; what stands outside of them has the name "".
fn functions(text: &str) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let mut inside = String::new();
    for line in code(text) {
        let begins = line.split_once("() {").filter(|(name, _)| !name.contains(' '));
        if let Some((name, rest)) = begins {
            let whole = rest.trim_end().ends_with('}');
            all.insert(name.to_owned(), rest.trim_end().trim_end_matches('}').to_owned() + "\n");
            inside = if whole { String::new() } else { name.to_owned() };
        } else if line == "}" {
            inside.clear();
        } else {
            all.entry(inside.clone()).or_default().extend([line, "\n"]);
        }
    }
    all
}

/// The words of each command: what stands between the shell's signs.
fn commands(body: &str) -> impl Iterator<Item = Vec<&str>> {
    body.split(['\n', '|', '&', ';', '(', ')', '`', '\'']).map(|command| {
        let words = command.split_whitespace();
        words.skip_while(|word| BEFORE_COMMANDS.contains(word)).collect()
    })
}

/// What a script does, as far as its text shows it.
#[derive(Default)]
struct Shown {
    settings: BTreeSet<String>,
    programs: BTreeSet<String>,
    statuses: BTreeSet<u8>,
    /// It ends with a status that it did not choose itself.
    passes_on: bool,
    records: bool,
}

/// The functions that are called from `start` on, itself among them.
fn called<'a>(start: &'a str, all: &'a BTreeMap<String, String>) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(name) = open.pop() {
        if !seen.insert(name) {
            continue;
        }
        for words in commands(&all[name]) {
            let Some(first) = words.first() else { continue };
            // `"gather_$part"` may be any of them.
            let many = first
                .strip_prefix('"')
                .and_then(|word| word.split_once('$'))
                .filter(|(begin, _)| !begin.is_empty());
            open.extend(all.keys().map(String::as_str).filter(|name| {
                !name.is_empty() && many.map_or(name == first, |(begin, _)| name.starts_with(begin))
            }));
        }
    }
    seen
}

/// `NAME`, or `PREFIX_*` of `"PREFIX_$name"`.
fn setting_named(word: &str) -> Option<String> {
    let word = word.trim_matches('"');
    let name: String =
        word.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
    let rest = &word[name.len()..];
    (!name.is_empty() && (rest.is_empty() || rest.starts_with('$')))
        .then(|| if rest.is_empty() { name } else { name + "*" })
}

fn shown(all: &BTreeMap<String, String>) -> Shown {
    let mut shown = Shown::default();
    // What task_begin reads, every task reads.
    let common = called("task_begin", all);
    for name in called("", all) {
        for words in commands(&all[name]) {
            match words.as_slice() {
                ["setting" | "setting_list" | "setting_seconds", setting, ..] if !common.contains(name) => {
                    shown.settings.extend(setting_named(setting));
                }
                ["need", programs @ ..] if name != "need" => {
                    let plain = programs.iter().filter(|word| !word.contains(['$', '"', '#']));
                    shown.programs.extend(plain.map(|word| (*word).to_owned()));
                }
                ["complaints=1", ..] => _ = shown.statuses.insert(1),
                // 143 says that it was ended by a signal.
                ["exit", "143", ..] => {}
                ["exit", status, ..] => match status.parse() {
                    Ok(status) => _ = shown.statuses.insert(status),
                    Err(_) => shown.passes_on |= *status != "\"$complaints\"",
                },
                ["record_action", ..] => shown.records = true,
                _ => {}
            }
        }
        shown.passes_on |= all[name].contains("exec \"$scripts_folder");
    }
    shown
}

/// The words of a line that may be names of settings.
fn names(line: &str) -> Vec<&str> {
    let parts = line.split(|c: char| !(c.is_ascii_alphanumeric() || "_*".contains(c)));
    parts
        .filter(|word| {
            word.len() > 2
                && word.chars().all(|c| !c.is_ascii_lowercase())
                && word.contains(|c: char| c.is_ascii_uppercase())
        })
        .collect()
}

/// The four lines of a text, if they stand where they belong, in order.
fn four_lines(text: &str) -> Option<[&str; 4]> {
    let above: Vec<&str> = text.split_once("\nset -euo pipefail\n")?.0.lines().collect();
    let four = above.len().checked_sub(4).map(|from| &above[from..])?;
    let said: Vec<&str> = four
        .iter()
        .zip(WORDS)
        .filter_map(|(line, word)| line.strip_prefix(word).filter(|rest| !rest.trim().is_empty()))
        .collect();
    let once =
        WORDS.iter().all(|word| text.lines().filter(|line| line.starts_with(word.trim_end())).count() == 1);
    said.try_into().ok().filter(|_| once && above.iter().all(|line| line.starts_with('#')))
}

/// The statuses of `0 done, 1 in part, or not at all, 2 not`; what is not one belongs to the one before it.
fn statuses(line: &str) -> Vec<u8> {
    let parts = line.split(", ").filter_map(|part| part.split_once(' '));
    parts.filter_map(|(status, _)| status.parse().ok()).collect()
}

/// What a file of the library, and all that it sources, add to the functions and the text.
fn add_sources(text: &str, scripts: &Path, all: &mut BTreeMap<String, String>, whole: &mut String) {
    for source in sources(text) {
        let library = fs::read_to_string(scripts.join(&source)).unwrap();
        add_sources(&library, scripts, all, whole);
        all.extend(functions(&library).into_iter().filter(|(name, _)| !name.is_empty()));
        whole.push_str(&library);
    }
}

/// Where the four lines of a task say something else than its text.
fn untrue(text: &str) -> Vec<String> {
    let scripts = repository().join("scripts");
    let (mut all, mut whole) = (BTreeMap::new(), text.to_owned());
    add_sources(text, &scripts, &mut all, &mut whole);
    all.extend(functions(text));
    // What it starts, and by way of a check or a library of its own reads.
    for part in text.split("$scripts_folder/").skip(1) {
        let file = scripts.join(part.split('"').next().unwrap());
        whole.push_str(&fs::read_to_string(file).unwrap_or_default());
    }
    let Some([needs, reads, writes, exit]) = four_lines(text) else {
        return vec!["no four lines: Needs, Reads, Writes, Exit, before set -euo pipefail".to_owned()];
    };
    let (shown, read, listed) = (shown(&all), names(reads), statuses(exit));
    let mut found = Vec::new();
    for setting in &shown.settings {
        let covers = |name: &&str| {
            *name == setting || name.strip_suffix('*').is_some_and(|begin| setting.starts_with(begin))
        };
        if !read.iter().any(covers) {
            found.push(format!("Reads lacks {setting}"));
        }
    }
    let code_of_all = whole.lines().filter(|line| !line.starts_with(WORDS[1])).collect::<String>();
    for name in read.iter().filter(|name| !code_of_all.contains(name.trim_end_matches('*'))) {
        found.push(format!("Reads has {name}, which nothing reads"));
    }
    for program in shown.programs.iter().filter(|program| !needs.contains(program.as_str())) {
        found.push(format!("Needs lacks {program}"));
    }
    if shown.records != writes.contains("LOG_DIR/actions.jsonl") {
        found.push(format!("actions.jsonl is written: {}; Writes says otherwise", shown.records));
    }
    if listed.first() != Some(&0) || !listed.is_sorted_by(|a, b| a < b) {
        found.push(format!("Exit is not in order from 0 on: {listed:?}"));
    }
    for status in shown.statuses.iter().filter(|status| !listed.contains(status)) {
        found.push(format!("Exit lacks {status}"));
    }
    for status in listed
        .iter()
        .filter(|status| !shown.statuses.contains(status) && (**status == 75 || !shown.passes_on))
    {
        found.push(format!("Exit has {status}, which it does not give"));
    }
    found
}

/// The scripts of a folder: name and text.
fn scripts_in(folder: &str) -> Vec<(String, String)> {
    let folder = repository().join("scripts").join(folder);
    let files = fs::read_dir(folder).unwrap().flatten();
    files
        .map(|file| {
            (file.file_name().to_string_lossy().into_owned(), fs::read_to_string(file.path()).unwrap())
        })
        .collect()
}

#[test]
fn a_task_says_what_it_needs_reads_and_writes_and_how_it_ends_and_that_is_true() {
    let tasks = scripts_in("tasks");
    assert!(tasks.len() >= 35);
    let found: Vec<String> = tasks
        .iter()
        .flat_map(|(name, text)| untrue(text).into_iter().map(move |what| format!("{name}: {what}")))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let manual = fs::read_to_string(repository().join("docs/ecosystem.md")).unwrap();
    let example = manual.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(untrue(example), Vec::<String>::new(), "the task of the manual");
}

#[test]
fn a_check_says_so_too() {
    for (name, text) in scripts_in("checks") {
        let [needs, _, _, exit] = four_lines(&text).unwrap_or_else(|| panic!("{name}: no four lines"));
        assert_eq!(statuses(exit), [0, 3, 1, 2], "{name}");
        for words in functions(&text).values().flat_map(|body| commands(body)) {
            if let ["need", programs @ ..] = words.as_slice() {
                assert!(programs.iter().all(|program| needs.contains(program)), "{name}: {programs:?}");
            }
        }
    }
}

#[test]
fn lines_of_a_task_that_are_not_true_are_named() {
    let text = |name: &str| fs::read_to_string(repository().join("scripts/tasks").join(name)).unwrap();
    for (task, from, to, finding) in [
        ("docker-cleanup.sh", "# Needs:  docker\n", "", "no four lines"),
        ("docker-cleanup.sh", "# Needs:  docker\n# Reads", "# Reads:  x\n# Needs", "no four lines"),
        (
            "docker-cleanup.sh",
            "# Reads:  DOCKER_CLEANUP, DOCKER_CLEANUP_AGE",
            "# Reads:  DOCKER_CLEANUP_AGE",
            "Reads lacks DOCKER_CLEANUP",
        ),
        (
            "docker-cleanup.sh",
            "DOCKER_CLEANUP_AGE\n# W",
            "DOCKER_CLEANUP_AGE, DOCKER_CLEANUP_AGES\n# W",
            "Reads has DOCKER_CLEANUP_AGES",
        ),
        ("docker-cleanup.sh", ", 75 no docker", "", "Exit lacks 75"),
        ("docker-cleanup.sh", ", 1 in part", "", "Exit lacks 1"),
        ("docker-cleanup.sh", "0 done, 1 in part", "1 in part, 0 done", "Exit is not in order"),
        ("metrics.sh", ", 2 not done", ", 2 not done, 75 no process", "Exit has 75"),
        ("auto-restart.sh", "# Reads:  RESTART_*", "# Reads:  RESTART_NAME", "Reads lacks RESTART_*"),
        // What only the library reads and needs.
        ("database-maintenance.sh", "DATABASE_USER, ", "", "Reads lacks DATABASE_USER"),
        ("stress-test.sh", "sqlite3, docker", "docker", "Needs lacks sqlite3"),
        ("maintenance-report.sh", "# Reads:  REPORT_*, ", "# Reads:  ", "Reads lacks REPORT_BACKUPS"),
        ("stress-test.sh", ", LOG_DIR/actions.jsonl", "", "actions.jsonl is written"),
    ] {
        let good = text(task);
        assert!(good.contains(from), "{task}: {from}");
        let found = untrue(&good.replacen(from, to, 1));
        assert!(found.iter().any(|what| what.starts_with(finding)), "{task}: {finding}: {found:?}");
    }
}
