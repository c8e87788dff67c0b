//! `--headings dated`: entries under the headings that people write.

use crate::{Workspace, count};

const DATED: [&str; 3] = ["--once", "--headings", "dated"];

/// A memory file as assistants keep it: entries below headings that stay.
const NESTED: &str = "# MEMORY.md - long-term memory\n\n## Preferences\n- Answer briefly.\n\n## Projects\nWhat runs.\n\n\
    ### Harbour survey begun (2025-09-07)\n- Rented the sonar.\n\n### Site moved (2025-08-28)\n- New host.\n\n\
    ### Standing orders\nNever delete the raw data.\n\n## Lessons\n\n### Backups (2025-09-15)\nTest them.\n";

#[test]
fn every_heading_with_one_date_is_an_entry_and_is_archived_byte_for_byte() {
    for heading in [
        "## 2025-09-01",
        "# 2025-09-01 — Daily log",
        "### Title (2025-09-01)",
        "#### name (2025-09-01 added)",
        "## [2025-09-01 15:30] - title",
        "## [1.2.0] - 2025-09-01",
        "## 2025-09-01 ~14:27 UTC",
        "## 标题（2025-09-01）",
        "## 2025年9月1日 部署",
        "## 1. September 2025",
        "## September 1, 2025: moved",
        "## [[2025-09-01]]",
        "## 20250901",
        "Moved on 2025-09-01\n-------------------",
    ] {
        let entry = format!("{heading}\ntext of the day\n\n");
        let workspace = Workspace::new(format!("# Memory\n\n{entry}# Notes\nstay\n"));
        workspace.run(&DATED).expect(0);
        assert_eq!(workspace.archived("2025-09-01"), entry, "{heading}");
        assert_eq!(count(&workspace.memory(), "text of the day"), 1, "the summary line of {heading}");
        workspace.run(&["check", "--headings", "dated"]).expect(0);
        workspace.run(&["restore", "--headings", "dated", "2025-09-01"]).expect(0);
        assert!(workspace.memory().contains(&entry), "{}", workspace.memory());
    }
}

#[test]
fn what_is_no_day_stays_and_is_named() {
    let memory = "# Memory (2025-09-01)\n\n## 2025-08-01 to 2025-08-07\na\n\n## March 1-7, 2025\nb\n\n## 2025-02-30\nc\n\n\
        ## 06.03.2025\nd\n\n## [1.2.0]\ne\n\n## v2025.1.1\nf\n\n## 10:00-11:30\ng\n";
    let workspace = Workspace::new(memory);
    let outcome = workspace.run(&DATED).expect(0);
    assert_eq!(workspace.memory(), memory);
    for told in [
        "2025-08-01 to 2025-08-07 (line 3: it has more than one date)",
        "March 1-7, 2025 (line 6: it has the first and last day of something)",
        "2025-02-30 (line 9: there is no such day)",
        "06.03.2025 (line 12: --date-order dmy or mdy would tell which day that is)",
    ] {
        assert!(outcome.stderr.contains(told), "{told}: {}", outcome.stderr);
    }
    workspace.run(&[&DATED[..], &["--date-order", "dmy"]].concat()).expect(0);
    assert!(workspace.archived("2025-03-06").starts_with("## 06.03.2025\nd\n"));
}

#[test]
fn nested_entries_leave_their_parents_in_place_and_come_back_below_them() {
    let workspace = Workspace::new(NESTED);
    workspace.run(&DATED).expect(0);
    assert_eq!(
        workspace.memory(),
        "# MEMORY.md - long-term memory\n\n## Preferences\n- Answer briefly.\n\n\
         ## Summaries\n_Last updated: 2025-09-16T09:00:17+03:00_\n\n\
         - 2025-09-07: Harbour survey begun: Rented the sonar. ([archive](archive/memory/memory-2025-09-07.md))\n\
         - 2025-08-28: Site moved: New host. ([archive](archive/memory/memory-2025-08-28.md))\n\n\
         ## Projects\nWhat runs.\n\n### Standing orders\nNever delete the raw data.\n\n\
         ## Lessons\n\n### Backups (2025-09-15)\nTest them.\n"
    );
    let short = workspace.files();
    workspace.run(&DATED).expect(0);
    assert_eq!(workspace.files(), short, "a second run changes nothing");

    workspace.run(&["restore", "--headings", "dated", "2025"]).expect(0);
    let memory = workspace.memory();
    let (before, rest) = memory.split_once("## Summaries\n").unwrap();
    let (_, after) = rest.split_once("## Projects\n").unwrap();
    assert_eq!(format!("{before}## Projects\n{after}"), NESTED, "everything is where it was");
    workspace.run(&DATED).expect(0);
    assert_eq!(workspace.files(), short, "and is not stored twice");
}

#[test]
fn an_entry_goes_home_though_the_file_was_rearranged() {
    let workspace = Workspace::new(NESTED);
    workspace.run(&DATED).expect(0);
    let memory = workspace.memory();
    let (head, projects) = memory.split_once("## Projects\n").unwrap();
    let (projects, lessons) = projects.split_once("## Lessons\n").unwrap();
    std::fs::write(
        workspace.path("memory.md"),
        format!("{head}## Lessons\n{lessons}\n## Projects\n{projects}"),
    )
    .unwrap();
    workspace.run(&["restore", "--headings", "dated", "2025-08-28", "2025-09-07"]).expect(0);
    let memory = workspace.memory();
    let (_, projects) = memory.split_once("## Projects\n").unwrap();
    assert!(
        projects.contains("### Harbour survey begun (2025-09-07)\n- Rented the sonar.\n\n### Site moved"),
        "{memory}"
    );
    // And where the heading is gone, it goes where its date belongs.
    workspace.run(&DATED).expect(0);
    std::fs::write(workspace.path("memory.md"), "# Anything\n").unwrap();
    workspace.run(&["restore", "--headings", "dated", "2025-08-28"]).expect(0);
    assert_eq!(workspace.memory(), "# Anything\n### Site moved (2025-08-28)\n- New host.\n\n");
}

#[test]
fn an_entry_reaches_to_the_next_heading_of_its_level_or_above() {
    let workspace = Workspace::new(
        "## 2025-09-01 log\na\n### Part\nb\n#### Deeper (2025-09-14)\nc\n## Other\nd\n### 2025-09-02\ne\n#### more\nf\n### next\ng\n",
    );
    workspace.run(&DATED).expect(0);
    assert_eq!(
        workspace.archived("2025-09-01"),
        "## 2025-09-01 log\na\n### Part\nb\n#### Deeper (2025-09-14)\nc\n"
    );
    assert_eq!(workspace.archived("2025-09-02"), "### 2025-09-02\ne\n#### more\nf\n");
    assert!(workspace.memory().ends_with("## Other\nd\n### next\ng\n"), "{}", workspace.memory());
}

#[test]
fn the_default_stays_exact_and_hints_at_what_others_would_find() {
    let workspace = Workspace::new(NESTED);
    let outcome = workspace.once();
    assert_eq!(workspace.memory(), NESTED);
    let hint = "INFO __main__ hint: --headings dated would take line 9, \"### Harbour survey begun (2025-09-07)\" and 2 more for \
        entries; try pai-optimize -n --headings dated\n";
    assert!(workspace.log().ends_with(hint), "{}", workspace.log());
    assert!(outcome.stderr.contains("hint: --headings dated"), "{}", outcome.stderr);
    let bullets = Workspace::new("# M\n\n- 2025-09-01: learned\n");
    bullets.once();
    assert!(
        bullets
            .log()
            .contains("hint: --bullets dated would take line 3, \"- 2025-09-01: learned\" for entries"),
        "{}",
        bullets.log()
    );
}

#[test]
fn settings_beside_the_memory_file_are_options_that_the_command_line_overrules() {
    let workspace = Workspace::new(NESTED);
    std::fs::write(workspace.path(".pai-optimize.toml"), "headings = \"dated\"\nwindow = 14\n").unwrap();
    workspace.once();
    assert!(workspace.path("archive/memory/memory-2025-08-28.md").exists());
    assert!(!workspace.path("archive/memory/memory-2025-09-07.md").exists());
    workspace.run(&["--once", "--window", "7"]).expect(0);
    assert!(workspace.path("archive/memory/memory-2025-09-07.md").exists());
    std::fs::write(workspace.path(".pai-optimize.toml"), "heading = \"dated\"\n").unwrap();
    let outcome = workspace.run(&["--once"]).expect(2);
    assert!(
        outcome.stderr.contains(".pai-optimize.toml: line 1: unknown field `heading`"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn memory_in_capitals_is_found_and_two_files_are_refused() {
    let workspace = Workspace::new("");
    std::fs::remove_file(workspace.path("memory.md")).unwrap();
    std::fs::write(workspace.path("MEMORY.md"), "# M\n\n## 2025-09-01\nx\n").unwrap();
    workspace.once();
    assert_eq!(workspace.archived("2025-09-01"), "## 2025-09-01\nx\n");
    let memory = std::fs::read_to_string(workspace.path("MEMORY.md")).unwrap();
    assert!(memory.contains("([archive](archive/memory/memory-2025-09-01.md))"), "{memory}");
    assert!(!workspace.path("memory.md").exists());
    std::fs::write(workspace.path("memory.md"), "another\n").unwrap();
    let outcome = workspace.run(&["--once"]).expect(2);
    assert!(outcome.stderr.contains("MEMORY.md are two files"), "{}", outcome.stderr);
    workspace.run(&["--once", "--file", "memory.md"]).expect(0);
    // A link from one to the other is one file by two names.
    std::fs::remove_file(workspace.path("memory.md")).unwrap();
    std::os::unix::fs::symlink("MEMORY.md", workspace.path("memory.md")).unwrap();
    workspace.once();
}

#[test]
fn max_lines_archives_the_oldest_until_the_file_fits() {
    let entry = |day: u32| format!("### Day {day} (2025-09-{day:02})\n{}\n", "line\n".repeat(40));
    let workspace = Workspace::new(format!("# M\n\n## Log\n{}", (10..=16).map(entry).collect::<String>()));
    workspace.run(&[&DATED[..], &["--max-lines", "200", "--max-size", "25k"]].concat()).expect(0);
    let memory = workspace.memory();
    assert!(
        memory.lines().count() <= 200 && memory.contains(&entry(13)) && !memory.contains(&entry(12)),
        "{memory}"
    );
    let outcome = workspace.run(&[&DATED[..], &["--max-lines", "5"]].concat()).expect(1);
    assert!(outcome.stderr.contains(" lines, more than the 5 allowed"), "{}", outcome.stderr);
}

#[test]
fn a_file_beyond_all_measure_is_refused_and_left_alone() {
    let workspace = Workspace::new("## 2025-09-01\nx\n");
    let file = std::fs::OpenOptions::new().write(true).open(workspace.path("memory.md")).unwrap();
    file.set_len(6 << 30).unwrap();
    for args in [vec!["--once"], vec!["-n"], vec!["stats"], vec!["check"], vec!["restore", "2025"]] {
        let outcome = workspace.run(&args).expect(2);
        assert!(outcome.stderr.contains("it has 6.0 GiB, more than the 1.0 GiB"), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("hint: find out what writes to it; nothing was changed"),
            "{}",
            outcome.stderr
        );
    }
    let outcome = workspace.run(&["recall", "x"]).expect(1);
    assert!(outcome.stderr.contains("it has 6.0 GiB"), "{}", outcome.stderr);
    assert_eq!(std::fs::metadata(workspace.path("memory.md")).unwrap().len(), 6 << 30);
    assert!(!workspace.path("archive").exists());
}

#[test]
fn a_run_killed_between_archive_and_memory_is_recognised_with_any_heading() {
    let workspace = Workspace::new(NESTED);
    workspace.run(&DATED).expect(0);
    let done = workspace.files();
    // The archive has its names, memory.md is still the old one.
    std::fs::write(workspace.path("memory.md"), NESTED).unwrap();
    workspace.run(&DATED).expect(0);
    assert_eq!(workspace.files(), done);
    // The same without the ledger: it only tells where entries stood.
    std::fs::write(workspace.path("memory.md"), NESTED).unwrap();
    std::fs::remove_file(workspace.path("archive/memory/memory-entries.jsonl")).unwrap();
    workspace.run(&DATED).expect(0);
    assert_eq!(workspace.memory().as_bytes(), done[&workspace.path("memory.md")].as_slice());
    let outcome = workspace.run(&["restore", "--headings", "dated", "2025"]).expect(0);
    assert_eq!(count(&outcome.stdout, "\n"), 2);
}
