//! What stays, and what goes though it is young: pins, sizes, doubt.

use crate::{Workspace, count};

fn days(bytes: usize) -> String {
    let mut text = String::from("# PAI Memory\n\n## Standing orders\nAlways answer briefly.\n\n");
    for day in 10..=16 {
        text.push_str(&format!("## 2025-09-{day}\n{}\n\n", "word ".repeat(bytes / 5)));
    }
    text
}

#[test]
fn max_size_archives_the_oldest_until_the_file_fits() {
    for (args, limit) in [(["--max-size", "4k"], 4096), (["--max-tokens", "1024"], 4096)] {
        let workspace = Workspace::new(days(1000));
        workspace.run(&["--once", args[0], args[1]]).expect(0);
        let memory = workspace.memory();
        assert!(memory.len() <= limit, "{}", memory.len());
        assert!(memory.contains("## Standing orders\nAlways answer briefly.\n"));
        let kept: Vec<&str> = memory.lines().filter(|line| line.starts_with("## 2025")).collect();
        assert_eq!(kept, ["## 2025-09-14", "## 2025-09-15", "## 2025-09-16"]);
        assert!(memory.len() + 1000 > limit, "no more goes than must");
        assert_eq!(
            workspace.run(&["--once", args[0], args[1]]).expect(0).stderr.matches("Archived").count(),
            0
        );
    }
}

#[test]
fn a_file_that_cannot_fit_says_so_and_exits_1() {
    let workspace =
        Workspace::new(format!("# PAI Memory\n\n## Orders\n{}\n\n## 2025-09-15\nx\n", "word ".repeat(1000)));
    let outcome = workspace.run(&["--once", "--max-size", "4k"]).expect(1);
    assert!(outcome.stderr.contains("more than the 4096 allowed"), "{}", outcome.stderr);
    assert_eq!(workspace.archived("2025-09-15"), "## 2025-09-15\nx\n");
}

#[test]
fn a_pinned_section_never_goes() {
    let pinned = "## 2025-01-01\n<!-- pin -->\nMy blood type.\n\n";
    let workspace = Workspace::new(format!("{pinned}## 2025-01-02\nx\n"));
    workspace.run(&["--once", "--max-size", "400"]).expect(0);
    assert!(workspace.memory().ends_with(pinned), "{}", workspace.memory());
    assert!(workspace.path("archive/memory/memory-2025-01-02.md").exists());
    assert!(!workspace.path("archive/memory/memory-2025-01-01.md").exists());
}

#[test]
fn from_an_unclosed_fence_that_swallows_a_date_nothing_is_touched() {
    let doubtful = "## 2025-09-02\n```sh\nforgot to close\n\n## 2025-09-03\nx\n\n## 2025-09-15\ny\n";
    let workspace = Workspace::new(format!("## 2025-09-01\nold\n\n{doubtful}"));
    let outcome = workspace.once();
    assert!(outcome.stderr.contains("Leaving everything from line 4 on as it is"), "{}", outcome.stderr);
    assert!(workspace.memory().ends_with(doubtful));
    assert_eq!(workspace.archived("2025-09-01"), "## 2025-09-01\nold\n\n");
}

#[test]
fn an_old_list_does_not_draw_in_the_heading_that_moves_up() {
    // With the section between them gone, the indented heading would be part of the list item.
    let workspace = Workspace::new("## Todo\n- item\n\n## 2025-09-01\nx\n\n   ## 2025-09-15\ny\n");
    workspace.once();
    let memory = workspace.memory();
    run_again_and_find(&workspace, "   ## 2025-09-15\ny\n");
    assert_eq!(count(&memory, "## Todo\n- item\n\n"), 1);
}

fn run_again_and_find(workspace: &Workspace, section: &str) {
    let outcome = pai_tests::run(workspace.command(&["--once"]).env("PAI_NOW", "2025-10-16T12:00:00Z"));
    outcome.expect(0);
    assert_eq!(workspace.archived("2025-09-15"), section);
}

#[test]
fn a_second_run_on_a_day_changes_nothing_not_even_the_time_of_the_file() {
    let workspace = Workspace::new(days(200) + "## 2025-08-01\nold\n");
    workspace.once();
    let before =
        (workspace.files(), std::fs::metadata(workspace.path("memory.md")).unwrap().modified().unwrap());
    let later = pai_tests::run(workspace.command(&["--once"]).env("PAI_NOW", "2025-09-16T20:00:00+03:00"));
    later.expect(0);
    let after =
        (workspace.files(), std::fs::metadata(workspace.path("memory.md")).unwrap().modified().unwrap());
    assert_eq!(before, after);
}

#[test]
fn the_last_three_versions_are_kept() {
    let workspace = Workspace::new("");
    for day in 1..=5 {
        let memory = std::fs::read_to_string(workspace.path("memory.md")).unwrap();
        std::fs::write(workspace.path("memory.md"), memory + &format!("## 2025-09-0{day}\nentry {day}\n"))
            .unwrap();
        let now = format!("2025-09-16T09:00:{day:02}Z");
        pai_tests::run(workspace.command(&["--once"]).env("PAI_NOW", now)).expect(0);
    }
    let mut versions: Vec<_> = std::fs::read_dir(workspace.path("archive/memory"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name().unwrap().to_string_lossy().starts_with(".memory.md.before-20250916-1200")
        })
        .collect();
    versions.sort();
    assert_eq!(versions.len(), 3);
    for (version, day) in versions.iter().zip(3..) {
        assert!(
            std::fs::read_to_string(version).unwrap().ends_with(&format!("## 2025-09-0{day}\nentry {day}\n"))
        );
    }
}
