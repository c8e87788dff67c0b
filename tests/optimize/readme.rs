//! What pai-optimize/README.md shows of a memory file before and after a run.

use pai_tests::{command, has, repository, run, skip, tool};

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
fn titled_headings_become_what_is_shown() {
    let text = readme();
    let workspace = Workspace::new(block(&text, "Titled, with `--headings dated`:"));
    let now = "2025-09-16T09:00:17+03:00";
    run(workspace.command(&["--once", "--headings", "dated"]).env("PAI_NOW", now)).expect(0);
    assert_eq!(workspace.memory(), block(&text, "\nbecomes:\n"));
}

#[test]
fn a_folder_of_notes_becomes_what_is_shown() {
    let text = readme();
    let (_, notes) = text.split_once("With `--notes memory`").unwrap();
    let workspace = Workspace::new("");
    std::fs::create_dir(workspace.path("memory")).unwrap();
    for name in block(notes, "a file a day").lines() {
        std::fs::write(workspace.path(name), format!("# {name}\n")).unwrap();
    }
    let settings = block(notes, "the command line wins");
    std::fs::write(workspace.path(".pai-optimize.toml"), settings).unwrap();
    workspace.run(&["--once"]).expect(0);
    let root = workspace.folder.path();
    let mut names: Vec<String> =
        workspace.files().keys().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect();
    names.sort();
    assert_eq!(names, block(notes, "\nbecomes:\n").lines().collect::<Vec<_>>());
}

#[test]
fn stats_say_what_is_shown_with_bars_on_a_terminal() {
    if !has("script") {
        skip("no script");
        return;
    }
    let text = readme();
    let workspace = Workspace::new("");
    std::fs::remove_file(workspace.path("memory.md")).unwrap();
    std::fs::write(workspace.path("MEMORY.md"), block(&text, "Titled, with `--headings dated`:")).unwrap();
    let (_, notes) = text.split_once("With `--notes memory`").unwrap();
    std::fs::create_dir(workspace.path("memory")).unwrap();
    for name in block(notes, "a file a day").lines().filter(|name| name.starts_with("memory/")) {
        std::fs::write(workspace.path(name), format!("# {name}\n")).unwrap();
    }
    std::fs::write(workspace.path(".pai-optimize.toml"), block(notes, "the command line wins")).unwrap();
    let like = workspace.command(&[]);
    let mut script = command("script");
    script.args([
        "-qec",
        &format!("'{}' stats --file MEMORY.md", tool("pai-optimize").display()),
        "/dev/null",
    ]);
    script.current_dir(workspace.folder.path());
    script.envs(like.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let shown = run(&mut script).expect(0).stdout.replace("\r\n", "\n");
    assert_eq!(shown, block(notes, "stats --file MEMORY.md"));
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
