//! `scripts/lib/dotenv.sh`: the one reader of .env files, which never runs them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pai_tests::{command, repository, run, scratch};

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
