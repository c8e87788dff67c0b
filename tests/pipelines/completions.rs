//! What the shells offer, asked of the shells themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pai_tests::{command, has, repository, run, scratch, sh, skip};

use crate::helps::{TOOLS, commands, help};
use crate::manuals::made;

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

/// What zsh offers when each line is typed and completed, and the line it leaves.
fn zsh_offers(functions: &Path, lines: &[&str]) -> Vec<(BTreeSet<String>, String)> {
    let folder = scratch();
    fs::write(folder.path().join("a-file"), "").unwrap();
    let out = folder.path().join("out");
    let mut zsh = command("timeout");
    zsh.args(["60", "zsh", "-f"]).arg(repository().join("tests/pipelines/complete.zsh"));
    zsh.arg(functions).arg(&out).args(lines).current_dir(folder.path()).env("HOME", folder.path());
    run(zsh.env("TERM", "dumb")).expect(0);
    let answers = fs::read_to_string(out).unwrap();
    let answer = |answer: &str| {
        let (offered, line) = answer.rsplit_once("line: ").expect("every line comes back");
        (offered.lines().skip(1).map(str::to_owned).collect(), line.trim_end().to_owned())
    };
    answers.split("asked: ").skip(1).map(answer).collect()
}

/// The long options in a help.
fn long_options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = lines.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")));
    words.map(str::to_owned).collect()
}

#[test]
fn zsh_offers_the_options_of_the_command_that_was_typed_and_no_others() {
    if !has("zsh") {
        return skip("no zsh");
    }
    let folder = made();
    let functions = folder.path().join("share/zsh/site-functions");
    let typed: Vec<Vec<String>> = TOOLS
        .iter()
        .flat_map(|&tool| {
            let alone = std::iter::once(vec![tool.to_owned()]);
            alone.chain(commands(tool).into_iter().map(move |command| vec![tool.to_owned(), command]))
        })
        .collect();
    let lines: Vec<String> = typed.iter().map(|words| format!("{} --", words.join(" "))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let offers = zsh_offers(&functions, &lines);
    assert_eq!(offers.len(), typed.len());
    for (words, (offered, _)) in typed.iter().zip(offers) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(offered, long_options(&help(words[0], &words[1..])), "{words:?}");
    }
}

#[test]
fn zsh_completes_commands_files_and_what_follows_either() {
    if !has("zsh") {
        return skip("no zsh");
    }
    let folder = made();
    let functions = folder.path().join("share/zsh/site-functions");
    let lines = [
        ("pai-backup restore --ta", "pai-backup restore --target="),
        ("pai-backup --home /x verify --ag", "pai-backup --home /x verify --against-disk"),
        ("pai-backup ver", "pai-backup verify"),
        ("pai-backup a-f", "pai-backup a-file"),
        ("pai-backup projects --exclude-c", "pai-backup projects --exclude-caches"),
        ("pai-backup projects a-f", "pai-backup projects a-file"),
        ("pai-rotate lo", "pai-rotate logs"),
        ("pai-rotate logs --copyt", "pai-rotate logs --copytruncate"),
        ("pai-rotate --keep-last 1 a-file --dr", "pai-rotate --keep-last 1 a-file --dry-run"),
        ("pai-optimize recall --fr", "pai-optimize recall --from="),
        ("pai-optimize a-file --on", "pai-optimize a-file --once"),
        ("pai-checksum --chec", "pai-checksum --check"),
    ];
    let typed = lines.map(|(line, _)| line);
    for ((line, expected), (_, completed)) in lines.iter().zip(zsh_offers(&functions, &typed)) {
        assert_eq!(completed, *expected, "{line}");
    }
}

#[test]
fn a_script_that_looks_for_the_command_in_the_wrong_word_is_noticed() {
    if !has("zsh") {
        return skip("no zsh");
    }
    let folder = made();
    let functions = folder.path().join("share/zsh/site-functions");
    let script = functions.join("_pai-backup");
    let good = fs::read_to_string(&script).unwrap();
    fs::write(&script, good.replace("$line[1]", "$line[2]")).unwrap();
    let completed = zsh_offers(&functions, &["pai-backup restore --ta"]).remove(0).1;
    assert_eq!(completed, "pai-backup restore --ta");
}

#[test]
fn fish_completes_commands_and_options_of_every_tool() {
    if !has("fish") {
        return skip("no fish");
    }
    let folder = made();
    for (line, expected) in [
        ("pai-backup ver", "verify"),
        ("pai-backup restore --ta", "--target"),
        ("pai-backup capture --ex", "--expect-tail"),
        ("pai-rotate logs --copyt", "--copytruncate"),
        ("pai-optimize recall --fr", "--from"),
        ("pai-checksum --chec", "--check"),
    ] {
        let tool = line.split(' ').next().unwrap();
        let script = format!("source share/fish/vendor_completions.d/{tool}.fish; complete -C '{line}'");
        let mut fish = command("fish");
        fish.args(["--no-config", "-c", &script]).current_dir(folder.path()).env("HOME", folder.path());
        let offered = run(&mut fish).expect(0).stdout;
        assert!(offered.lines().any(|offer| offer.split('\t').next() == Some(expected)), "{line}: {offered}");
    }
}
