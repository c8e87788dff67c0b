//! What pai-optimize/README.md shows of a memory file before and after a run.

use pai_tests::{repository, run};

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
