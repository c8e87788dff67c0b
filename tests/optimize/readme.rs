//! The examples of pai-optimize/README.md do what they show.

use pai_tests::{command, repository, run, sh, tool};

use crate::Workspace;

fn readme() -> String {
    std::fs::read_to_string(repository().join("pai-optimize/README.md")).unwrap()
}

/// The fenced block that follows `after`.
fn block<'a>(text: &'a str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(after).unwrap_or_else(|| panic!("{after:?} is in the README"));
    let fence = rest.split_once("\n```").unwrap().1;
    let (_, body) = fence.split_once('\n').unwrap();
    &body[..body.find("```\n").unwrap()]
}

#[test]
fn the_before_becomes_the_after() {
    let text = readme();
    let workspace = Workspace::new(block(&text, "Before:"));
    let now = "2025-09-16T09:00:17+03:00";
    run(workspace.command(&["--once"]).env("PAI_NOW", now)).expect(0);
    assert_eq!(workspace.memory(), block(&text, "After:"));
    assert_eq!(workspace.log(), block(&text, "The log:"));
}

#[test]
fn the_three_examples_run() {
    let text = readme();
    let workspace = Workspace::new(block(&text, "Before:"));
    let home = workspace.folder.path().display();
    for line in block(&text, "Three examples:").lines() {
        let command = line.split("  #").next().unwrap();
        let outcome = sh(
            &format!("export PAI_HOME='{home}' PAI_NOW=2025-09-16T09:00:17+03:00\n{command}"),
            workspace.folder.path(),
        );
        assert_eq!(outcome.status, Some(0), "{line}\n{}", outcome.stderr);
    }
}

#[test]
fn the_help_is_the_tool_s() {
    let mut help = String::new();
    for args in [vec!["--help"], vec!["recall", "--help"]] {
        help += &run(command(tool("pai-optimize")).args(args)).expect(0).stdout;
    }
    let text = readme();
    let shown = block(&text, "The commands:");
    let words = shown.split_whitespace().map(|word| word.trim_end_matches([',', ';']));
    let synopsis: Vec<&str> = words.filter(|word| word.starts_with("--")).collect();
    assert!(synopsis.len() > 8);
    for option in synopsis {
        assert!(help.contains(option), "{option} is in --help");
    }
}
