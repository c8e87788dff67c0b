//! `--notes DIR`: a folder with a file a day; and `--bullets dated`: a list with an entry an item.

use crate::{Workspace, count};

const DATED: [&str; 5] = ["--once", "--headings", "dated", "--notes", "memory"];
const NOTE: &str = "# 2025-09-01 — Daily log\n\n## Channel progress\n- Three videos, https://example.org/watch/1\n\n## Skill updates\nNew skill.\n";

fn workspace() -> Workspace {
    let workspace = Workspace::new("# Memory\n\nAnswer briefly.\n");
    std::fs::create_dir(workspace.path("memory")).unwrap();
    for (name, text) in [
        ("2025-09-01.md", NOTE),
        ("2025-09-01-final.md", "Signed the lease.\r\nno end"),
        ("2025-09-15.md", "# 2025-09-15\nyoung\n"),
        ("people.md", "# People\n"),
        ("2025-09-01.txt", "no note\n"),
    ] {
        std::fs::write(workspace.path("memory").join(name), text).unwrap();
    }
    workspace
}

#[test]
fn old_notes_go_to_the_archive_whole_and_leave_a_line_each() {
    let workspace = workspace();
    workspace.run(&DATED).expect(0);
    assert_eq!(
        workspace.memory(),
        "# Memory\n\nAnswer briefly.\n\n## Summaries\n_Last updated: 2025-09-16T09:00:17+03:00_\n\n\
         - 2025-09-01: Signed the lease. no end ([note](archive/memory/notes/2025-09-01-final.md))\n\
         - 2025-09-01: Daily log: Channel progress; Skill updates. Three videos, https://example.org/watch/1 \
         ([note](archive/memory/notes/2025-09-01.md))\n\n"
    );
    let archived =
        |name: &str| std::fs::read_to_string(workspace.path("archive/memory/notes").join(name)).unwrap();
    assert_eq!(
        (archived("2025-09-01.md").as_str(), archived("2025-09-01-final.md").as_str()),
        (NOTE, "Signed the lease.\r\nno end")
    );
    for (name, stays) in [
        ("2025-09-01.md", false),
        ("2025-09-01-final.md", false),
        ("2025-09-15.md", true),
        ("people.md", true),
        ("2025-09-01.txt", true),
    ] {
        assert_eq!(workspace.path("memory").join(name).exists(), stays, "{name}");
    }
    let done = workspace.files();
    workspace.run(&DATED).expect(0);
    assert_eq!(workspace.files(), done, "a second run changes nothing");
    workspace.run(&["check", "--headings", "dated"]).expect(0);
    assert!(
        workspace.log().contains("INFO __main__ Archived note 2025-09-01-final.md\n"),
        "{}",
        workspace.log()
    );
}

#[test]
fn a_note_beyond_all_measure_stays_where_it_is_and_the_others_go() {
    let workspace = workspace();
    let large = workspace.path("memory/2025-09-02.md");
    std::fs::File::create(&large).unwrap().set_len(6 << 30).unwrap();
    let outcome = workspace.run(&DATED).expect(0);
    assert!(outcome.stderr.contains("Leaving a daily note where it is: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("it has 6.0 GiB, more than the 1.0 GiB"), "{}", outcome.stderr);
    assert_eq!(std::fs::metadata(&large).unwrap().len(), 6 << 30);
    assert!(workspace.path("archive/memory/notes/2025-09-01.md").exists());
    let outcome = workspace.run(&["recall", "--notes", "memory", "lease"]).expect(1);
    assert_eq!(count(&outcome.stdout, "2025-09-01-final.md"), 1, "{}", outcome.stdout);
    assert!(outcome.stderr.contains("2025-09-02.md: it has 6.0 GiB"), "{}", outcome.stderr);
}

#[test]
fn notes_come_back_byte_for_byte_and_are_known_again() {
    let workspace = workspace();
    workspace.run(&DATED).expect(0);
    let done = workspace.files();
    let outcome = workspace.run(&["restore", "--notes", "memory", "2025-09"]).expect(0);
    assert_eq!(count(&outcome.stdout, "\n"), 2, "{}", outcome.stdout);
    assert_eq!(std::fs::read_to_string(workspace.path("memory/2025-09-01.md")).unwrap(), NOTE);
    workspace.run(&DATED).expect(0);
    assert_eq!(workspace.files(), done);
    // Another note of that name is never written over, and is archived beside the first.
    std::fs::write(workspace.path("memory/2025-09-01.md"), "another\n").unwrap();
    let outcome = workspace.run(&["restore", "--notes", "memory", "2025-09-01"]).expect(1);
    assert!(outcome.stderr.contains("there is another one"), "{}", outcome.stderr);
    workspace.run(&DATED).expect(0);
    assert_eq!(
        std::fs::read_to_string(workspace.path("archive/memory/notes/2025-09-01.1.md")).unwrap(),
        "another\n"
    );
    assert_eq!(std::fs::read_to_string(workspace.path("archive/memory/notes/2025-09-01.md")).unwrap(), NOTE);
    let outcome = workspace.run(&["restore", "2025-09-01"]).expect(1);
    assert!(outcome.stderr.contains("--notes DIR says where"), "{}", outcome.stderr);
}

#[test]
fn a_run_killed_while_a_note_is_in_both_places_is_finished_by_the_next() {
    let workspace = workspace();
    workspace.run(&DATED).expect(0);
    let done = workspace.files();
    let memory = workspace.path("memory");
    // Killed before memory.md was written; after; and with only one of two in the archive.
    for (memory_file, names) in [
        (Some("# Memory\n\nAnswer briefly.\n"), vec!["2025-09-01.md", "2025-09-01-final.md"]),
        (None, vec!["2025-09-01.md"]),
    ] {
        if let Some(text) = memory_file {
            std::fs::write(workspace.path("memory.md"), text).unwrap();
        }
        for name in names {
            std::fs::hard_link(workspace.path("archive/memory/notes").join(name), memory.join(name)).unwrap();
        }
        workspace.run(&DATED).expect(0);
        assert_eq!(workspace.files(), done);
    }
    std::fs::write(workspace.path("memory.md"), "# Memory\n\nAnswer briefly.\n").unwrap();
    std::fs::rename(workspace.path("archive/memory/notes/2025-09-01.md"), memory.join("2025-09-01.md"))
        .unwrap();
    workspace.run(&DATED).expect(0);
    assert_eq!(workspace.files(), done);
}

#[test]
fn notes_and_entries_of_one_month_roll_up_together() {
    let workspace = Workspace::new("# M\n\n## 2025-05-03 lease\nSigned the lease of the flat.\n");
    std::fs::create_dir(workspace.path("memory")).unwrap();
    for day in [3, 4, 5] {
        let text = format!("# 2025-05-0{day}\n\n## Harbour survey\nThe sonar works, {day} hours.\n");
        std::fs::write(workspace.path(&format!("memory/2025-05-0{day}.md")), text).unwrap();
    }
    workspace.run(&DATED).expect(0);
    let memory = workspace.memory();
    let line = memory.lines().find(|line| line.starts_with("- 2025-05: ")).unwrap();
    assert_eq!(
        line,
        "- 2025-05: 3 days: Harbour survey (3), lease; sonar, works, hours \
         ([2025-05-03](archive/memory/memory-2025-05-03.md), [2025-05-04](archive/memory/notes/2025-05-04.md), \
         [2025-05-05](archive/memory/notes/2025-05-05.md))"
    );
    workspace.run(&["check", "--headings", "dated"]).expect(0);
}

#[test]
fn the_default_hints_at_a_folder_of_notes() {
    let workspace = workspace();
    let outcome = workspace.once();
    assert!(outcome.stderr.contains("memory would take 3 daily notes"), "{}", outcome.stderr);
    assert!(workspace.path("memory/2025-09-01.md").exists());
}

const BULLETS: [&str; 3] = ["--once", "--bullets", "dated"];

#[test]
fn dated_list_items_are_entries_and_leave_the_others_in_place() {
    let memory = "# Memory\n\n## Lessons\nWhat was learned.\n\n- 2025-09-01: Test the *backups*.\n  Twice.\n- Always answer briefly.\n\
        - **2025-09-02** Keys come on Friday.\n\n- 2025-09-15: young\n- [ ] 2025-09-01 an open task\n\nThe end.\n";
    let workspace = Workspace::new(memory);
    workspace.run(&BULLETS).expect(0);
    assert_eq!(workspace.archived("2025-09-01"), "- 2025-09-01: Test the *backups*.\n  Twice.\n");
    assert_eq!(workspace.archived("2025-09-02"), "- **2025-09-02** Keys come on Friday.\n\n");
    assert_eq!(
        workspace.memory(),
        "# Memory\n\n## Summaries\n_Last updated: 2025-09-16T09:00:17+03:00_\n\n\
         - 2025-09-02: Keys come on Friday. ([archive](archive/memory/memory-2025-09-02.md))\n\
         - 2025-09-01: Test the backups. Twice. ([archive](archive/memory/memory-2025-09-01.md))\n\n\
         ## Lessons\nWhat was learned.\n\n- Always answer briefly.\n- 2025-09-15: young\n- [ ] 2025-09-01 an open task\n\nThe end.\n"
    );
    let done = workspace.files();
    workspace.run(&BULLETS).expect(0);
    assert_eq!(workspace.files(), done);
    workspace.run(&["check", "--bullets", "dated"]).expect(0);
    workspace.run(&["restore", "--bullets", "dated", "2025"]).expect(0);
    let restored = workspace.memory();
    let lessons = restored.split_once("## Lessons\n").unwrap().1;
    for text in ["- 2025-09-01: Test the *backups*.\n  Twice.\n", "- **2025-09-02** Keys come on Friday.\n\n"]
    {
        assert_eq!(count(lessons, text), 1, "{restored}");
    }
    workspace.run(&BULLETS).expect(0);
    assert_eq!(workspace.files(), done, "and are not stored twice");
}

#[test]
fn a_paragraph_behind_a_list_does_not_become_a_part_of_the_item_that_stays() {
    let workspace = Workspace::new("# M\n\n- 2025-09-15: young\n- 2025-09-01: old\n\nThe end.\n");
    workspace.run(&BULLETS).expect(0);
    assert!(
        workspace.memory().ends_with("- 2025-09-15: young\n\n<!-- pai-optimize -->\nThe end.\n"),
        "{}",
        workspace.memory()
    );
    let outcome = pai_tests::run(workspace.command(&BULLETS).env("PAI_NOW", "2025-10-16T12:00:00Z"));
    outcome.expect(0);
    assert_eq!(workspace.archived("2025-09-15"), "- 2025-09-15: young\n");
    assert!(
        workspace.memory().ends_with("## Recent Entries\n\nThe end.\n")
            || workspace.memory().ends_with("\nThe end.\n")
    );
}
