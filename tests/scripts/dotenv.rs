//! `scripts/lib/dotenv.sh`: the one reader of .env files, which never runs them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use pai_tests::{command, repository, run, scratch};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What the reader makes of a file: `KEY=<VALUE>` lines sorted by key, then what it complains of.
fn read(text: &str, mode: u32) -> (String, String) {
    let folder = scratch();
    let file = folder.path().join("env");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    let script = r#"set -euo pipefail
        . "$1/lib/dotenv.sh"
        declare -A env=()
        dotenv_read env env
        for key in $(printf '%s\n' "${!env[@]}" | sort); do printf '%s=<%s>\n' "$key" "${env[$key]}"; done
        printf '%s\n' "${dotenv_errors[@]}" >&2"#;
    let mut bash = command("bash");
    bash.args(["-c", script, "read"]).arg(repository().join("scripts")).current_dir(folder.path());
    let outcome = run(&mut bash).expect(0);
    assert!(!folder.path().join("canary").exists(), "nothing in the file was executed");
    (outcome.stdout, outcome.stderr.trim().to_owned())
}

#[test]
fn values_are_read_by_the_rules_and_nothing_is_expanded() {
    let cases = [
        ("A=plain", "A=<plain>\n"),
        ("export A=plain", "A=<plain>\n"),
        ("A=", "A=<>\n"),
        ("A=two words  # a comment", "A=<two words>\n"),
        ("A=no#comment", "A=<no#comment>\n"),
        ("A=#hash", "A=<#hash>\n"),
        ("A= # only a comment", "A=<>\n"),
        ("A='raw $HOME \\n \"x\" # no'  # yes", "A=<raw $HOME \\n \"x\" # no>\n"),
        (r#"A="a\tb \"q\" \\ \$x # no""#, "A=<a\tb \"q\" \\ \\$x # no>\n"),
        ("A=\"a\\nb\"", "A=<a\nb>\n"),
        ("A=$(touch canary)`touch canary`;touch canary", "A=<$(touch canary)`touch canary`;touch canary>\n"),
        ("A=\"$(touch canary)\"", "A=<$(touch canary)>\n"),
        ("A=pa$$word!x", "A=<pa$$word!x>\n"),
        ("A=1\r\nB=2\r\n", "A=<1>\nB=<2>\n"),
        ("\u{feff}A=1", "A=<1>\n"),
        ("# A=no\n\n  A=1\nA=2", "A=<2>\n"),
        ("A=b=c", "A=<b=c>\n"),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text, 0o600), (expected.to_owned(), String::new()), "{text:?}");
    }
}

#[test]
fn a_bad_line_is_named_by_its_number_without_its_value_and_the_rest_is_read() {
    let cases = [
        ("9A=secret", "env:1: not KEY=VALUE"),
        ("just secret words", "env:1: not KEY=VALUE"),
        ("A=\"secret", "env:1: A: a quote is not closed"),
        ("A='secret' more", "env:1: A: text after the closing quote"),
    ];
    for (line, expected) in cases {
        let (values, complaint) = read(&format!("{line}\nB=2\n"), 0o600);
        assert_eq!((values.as_str(), complaint.as_str()), ("B=<2>\n", expected), "{line:?}");
    }
}

#[test]
fn a_file_that_others_could_have_written_gives_no_values() {
    for mode in [0o620, 0o602, 0o666] {
        let (values, complaint) = read("A=1\n", mode);
        assert_eq!(values, "", "mode {mode:o}");
        assert!(complaint.contains("others can write it"), "{complaint}");
    }
}

/// What the rules at the head of the reader make of one line: nothing, a value, or a complaint.
fn by_the_rules(line: &str) -> Option<Result<(String, String), String>> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let line = line.strip_suffix('\r').unwrap_or(line).trim_start_matches(BLANKS);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let exported = line.strip_prefix("export").filter(|rest| rest.starts_with(BLANKS));
    let assignment = |text: &str| {
        let (key, text) = text.split_once('=')?;
        let key = key.trim_end_matches(BLANKS).to_owned();
        let named = key.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
            && key.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        named.then_some((key, text.to_owned()))
    };
    let found = exported.and_then(|rest| assignment(rest.trim_start_matches(BLANKS)));
    let Some((key, text)) = found.or_else(|| assignment(line)) else {
        return Some(Err("not KEY=VALUE".to_owned()));
    };
    let bare = text.trim_start_matches(BLANKS);
    let quoted = match bare.chars().next() {
        Some('\'') => bare[1..].split_once('\'').map(|(value, rest)| (value.to_owned(), rest)),
        Some('"') => double_quoted(&bare[1..]),
        _ => {
            let comment = text.match_indices(BLANKS).find(|(at, _)| text[at + 1..].starts_with('#'));
            let text = comment.map_or(text.as_str(), |(at, _)| &text[..at]);
            return Some(Ok((key, text.trim_matches(BLANKS).to_owned())));
        }
    };
    Some(match quoted {
        None => Err(format!("{key}: a quote is not closed")),
        Some((value, rest)) => match rest.trim_start_matches(BLANKS) {
            rest if rest.is_empty() || rest.starts_with('#') => Ok((key, value)),
            _ => Err(format!("{key}: text after the closing quote")),
        },
    })
}

/// The inside of a double-quoted value, and what follows its closing quote.
fn double_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                plain @ ('"' | '\\') => value.push(plain),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

/// A line that is mostly nearly an assignment.
fn line() -> impl Strategy<Value = String> {
    const INSIDE: &[&str] = &[
        "x",
        "ümlaut",
        " ",
        "\t",
        "\\n",
        "\\t",
        "\\\\",
        "\\\"",
        "\\",
        "#",
        " #",
        "=",
        "'",
        "\"",
        "$HOME",
        "$(touch canary)",
        "`touch canary`",
        "; touch canary",
        "*",
        "!",
        "[",
    ];
    let start = select(vec!["", "", "", " ", "export ", "export\t", "export", "#", "\u{feff}"]);
    let key = select(vec!["A", "A", "B_1", "_", "9x", "ü", ""]);
    let equals = select(vec!["=", "=", "=", "= ", " =", ""]);
    let quote = || select(vec!["", "'", "\""]);
    let end = select(vec!["\n", "\n", "\r\n", " # why\n", " more\n", "\r\r\n", ""]);
    (start, key, equals, quote(), vec(select(INSIDE), 0..5), quote(), end).prop_map(
        |(start, key, equals, open, inside, close, end)| {
            [start, key, equals, open, &inside.concat(), close, end].concat()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    // The reader is bash, so no fuzzer looks into it: random files, and the rules written a second time.
    #[test]
    fn any_file_is_read_by_the_rules_and_nothing_in_it_is_run(lines in vec(line(), 0..9)) {
        let text = lines.concat();
        let mut values = BTreeMap::new();
        let mut complaints = Vec::new();
        for (line, number) in text.strip_prefix('\u{feff}').unwrap_or(&text).split('\n').zip(1..) {
            match by_the_rules(line) {
                None => {}
                Some(Ok((key, value))) => drop(values.insert(key, value)),
                Some(Err(why)) => complaints.push(format!("env:{number}: {why}")),
            }
        }
        let lines: Vec<String> = values.iter().map(|(key, value)| format!("{key}=<{value}>\n")).collect();
        let values = lines.concat();
        prop_assert_eq!(read(&text, 0o600), (values, complaints.join("\n")), "{:?}", text);
    }
}
