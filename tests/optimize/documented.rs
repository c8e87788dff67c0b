//! What the runbook documents.

use crate::{Workspace, count};

const MEMORY: &str = "# PAI Memory\n\n## 2025-09-01\n- Signed the lease for the flat.\n\n## 2025-09-15\n- Fixed the bicycle.\n";

#[test]
fn row_0_12_the_window_is_seven_days_and_counts_local_ones() {
    let memory = "## 2025-09-08\nold\n\n## 2025-09-09\nat the edge\n\n## 2025-09-10\nyoung\n";
    for (args, now, kept) in [
        (vec!["--once"], "2025-09-16T12:00:00Z", vec!["2025-09-10"]),
        (vec!["--window", "7", "--once"], "2025-09-16T12:00:00Z", vec!["2025-09-10"]),
        // Helsinki is three hours ahead: there it is the 16th already, or still the 15th.
        (vec!["--once"], "2025-09-15T21:00:00Z", vec!["2025-09-10"]),
        (vec!["--once"], "2025-09-15T20:59:59Z", vec!["2025-09-09", "2025-09-10"]),
        (vec!["--window", "8", "--once"], "2025-09-16T12:00:00Z", vec!["2025-09-09", "2025-09-10"]),
        (vec!["--window", "0", "--once"], "2025-09-10T12:00:00Z", vec![]),
    ] {
        let workspace = Workspace::new(memory);
        pai_tests::run(workspace.command(&args).env("PAI_NOW", now)).expect(0);
        let text = workspace.memory();
        let found: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## 2025")).collect();
        let kept: Vec<&str> = kept.iter().map(|date| &date[4..]).collect();
        assert_eq!(found, kept, "{args:?} at {now}");
    }
}

#[test]
fn row_0_13_dated_headings_are_found_as_markdown_has_them() {
    for (memory, archived) in [
        ("## 2025-09-01  \ntext\n", true),
        ("##\t2025-09-01\ntext\n", true),
        ("   ## 2025-09-01 ##\ntext\n", true),
        ("2025-09-01\n----------\ntext\n", true),
        ("## 2025-09-01\r\ntext\r\n", true),
        ("\u{feff}## 2025-09-01\ntext\n", true),
        ("---\ntitle: x\n---\n## 2025-09-01\ntext\n", true),
        ("    ## 2025-09-01\ntext\n", false),
        ("```\n## 2025-09-01\n```\n", false),
        ("~~~~ md\n```\n## 2025-09-01\n~~~~\n", false),
        ("<!--\n## 2025-09-01\n-->\n", false),
        ("# 2025-09-01\ntext\n", false),
        ("### 2025-09-01\ntext\n", false),
        ("- item\n\n  ## 2025-09-01\n", false),
    ] {
        let workspace = Workspace::new(memory);
        workspace.once();
        assert_eq!(workspace.path("archive/memory/memory-2025-09-01.md").exists(), archived, "{memory:?}");
    }
}

#[test]
fn row_0_14_archived_bytes_are_exact_and_a_date_that_comes_again_is_added() {
    let first = "## 2025-09-01\n  odd   spacing \t\n\n\n";
    let second = "## 2025-09-01\nthe same day\n";
    let workspace = Workspace::new(format!("# T\n\n{first}## 2025-09-15\nx\n\n{second}"));
    workspace.once();
    assert_eq!(workspace.archived("2025-09-01"), format!("{first}{second}"));
    let again = "## 2025-09-01\nremembered later\n";
    std::fs::write(workspace.path("memory.md"), workspace.memory() + again).unwrap();
    workspace.once();
    assert_eq!(workspace.archived("2025-09-01"), format!("{first}{second}{again}"));
    assert_eq!(count(&workspace.memory(), "- 2025-09-01: "), 1);
}

#[test]
fn row_0_15_the_log_has_the_documented_lines() {
    let workspace = Workspace::new(MEMORY);
    let outcome = workspace.once();
    assert_eq!(
        workspace.log(),
        "2025-09-16 09:00:17,570 INFO __main__ Starting memory optimization for entries older than 7 days\n\
         2025-09-16 09:00:17,570 INFO __main__ Archived memory section for 2025-09-01\n\
         2025-09-16 09:00:17,570 INFO __main__ Memory optimization complete\n"
    );
    assert_eq!(outcome.stdout, "");
    assert_eq!(count(&outcome.stderr, "pai-optimize: "), 3);
    assert_eq!(workspace.run(&["--once", "-q"]).expect(0).stderr, "");
    assert_eq!(count(&workspace.log(), "Starting memory optimization"), 2);
}

#[test]
fn row_0_16_a_file_without_dates_is_told_and_not_even_opened_for_writing() {
    use std::os::unix::fs::MetadataExt;
    let workspace = Workspace::new("# PAI Memory\n\nJust prose.\n");
    let look = || {
        let found = std::fs::metadata(workspace.path("memory.md")).unwrap();
        (found.ino(), found.mtime_nsec(), found.ctime_nsec())
    };
    let before = look();
    workspace.once();
    assert_eq!(look(), before);
    assert!(!workspace.path("archive").exists());
    let lines: Vec<String> = workspace.log().lines().map(|line| line[24..].to_owned()).collect();
    assert_eq!(
        lines,
        [
            "INFO __main__ Starting memory optimization for entries older than 7 days",
            "INFO __main__ No dated sections found; nothing to optimize"
        ]
    );
}

#[test]
fn row_0_17_both_headings_stand_once_and_earlier_summaries_stay() {
    let workspace = Workspace::new(MEMORY);
    for (number, day) in
        ["2025-09-16", "2025-09-16", "2025-09-17", "2025-09-22", "2025-09-23"].iter().enumerate()
    {
        pai_tests::run(workspace.command(&["--once"]).env("PAI_NOW", format!("{day}T09:00:17+03:00")))
            .expect(0);
        let memory = workspace.memory();
        assert_eq!(count(&memory, "## Summaries\n"), 1, "{day}");
        assert_eq!(count(&memory, "## Recent Entries\n"), 1, "{day}");
        assert_eq!(count(&memory, "- 2025-09-01: Signed the lease for the flat."), 1, "{day}");
        assert_eq!(count(&memory, "- 2025-09-15: Fixed the bicycle."), usize::from(number > 2), "{day}");
        let stamp = if number > 2 { "2025-09-22" } else { "2025-09-16" };
        assert!(memory.contains(&format!("_Last updated: {stamp}T09:00:17+03:00_")), "{memory}");
    }
}

#[test]
fn row_0_18_everything_undated_stays_word_for_word_and_is_logged_once() {
    let workspace = Workspace::new(
        "---\nowner: me\n---\n# PAI Memory\n\nA preamble.\n\n## Projects\n- pai\n\n## 2025-09-01\nold\n\n# People\n- Ada\n\n\
         ## 2025-02-30\nno such day\n\n## 2025-09-02 - with a title\ntext\n\n## 2025-09-30\nfuture\n\n## Wishes\nmany\n",
    );
    workspace.once();
    assert_eq!(
        workspace.memory(),
        "---\nowner: me\n---\n# PAI Memory\n\nA preamble.\n\n## Projects\n- pai\n\n\
         ## Summaries\n_Last updated: 2025-09-16T09:00:17+03:00_\n\n\
         - 2025-09-01: old ([archive](archive/memory/memory-2025-09-01.md))\n\n## Recent Entries\n\n# People\n- Ada\n\n\
         ## 2025-02-30\nno such day\n\n## 2025-09-02 - with a title\ntext\n\n## 2025-09-30\nfuture\n\n## Wishes\nmany\n"
    );
    let warnings: Vec<String> = workspace
        .log()
        .lines()
        .filter_map(|line| Some(line.split_once("WARNING __main__ ")?.1.to_owned()))
        .collect();
    assert_eq!(
        warnings,
        [
            "Skipping section with unrecognized date heading: Projects",
            "Skipping section with unrecognized date heading: People",
            "Skipping section with unrecognized date heading: 2025-02-30 (line 17: there is no such day)",
            "Skipping section with a title behind its date: 2025-09-02 - with a title (line 20; --titles archives these too)",
            "Skipping section with unrecognized date heading: Wishes",
            "Keeping sections dated in the future: 2025-09-30",
        ]
    );
}

#[test]
fn a_quiet_run_says_of_undated_headings_to_the_log_alone() {
    let memory = "# PAI Memory\n\n## Projects\n- pai\n\n## 2025-02-30\nno such day\n";
    let workspace = Workspace::new(memory);
    let quiet = workspace.run(&["--once", "-q"]).expect(0).stderr;
    let slip = "pai-optimize: Skipping section with unrecognized date heading: 2025-02-30 (line 6: there is no such day)\n";
    assert_eq!(quiet, slip);
    let undated = "Skipping section with unrecognized date heading: Projects";
    assert!(workspace.log().contains(undated), "{}", workspace.log());
    assert!(workspace.run(&["--once"]).expect(0).stderr.contains(undated));
}

#[test]
fn a_missing_memory_file_is_a_log_line_and_no_failure() {
    let workspace = Workspace::new("");
    std::fs::remove_file(workspace.path("memory.md")).unwrap();
    workspace.once();
    let expected =
        format!("INFO __main__ Memory file does not exist at {}\n", workspace.path("memory.md").display());
    assert!(workspace.log().ends_with(&expected), "{}", workspace.log());
}

#[test]
fn files_of_the_published_script_are_taken_over_without_loss() {
    // Bullets without links, the timestamp of utcnow(), one archive file without a final line feed, one day of which
    // only the summary is left, and archived days whose summaries its second run deleted.
    let workspace = Workspace::new(
        "# PAI Memory\n\n## Summaries\n_Last updated: 2025-09-10T06:00:17.570000_\n\n- 2025-08-30: Bought a lamp...\n\
         - 2025-08-31: The only trace\n\n## Recent Entries\n## 2025-09-01\nnew\n",
    );
    let archive = workspace.path("archive/memory");
    std::fs::create_dir_all(&archive).unwrap();
    for (date, text) in [
        ("2025-08-30", "## 2025-08-30\nBought a lamp and much more"),
        ("2025-05-01", "## 2025-05-01\nLabour day"),
    ] {
        std::fs::write(archive.join(format!("memory-{date}.md")), text).unwrap();
    }
    workspace.once();
    let expected = "# PAI Memory\n\n## Summaries\n_Last updated: 2025-09-16T09:00:17+03:00_\n\n\
        - 2025-09-01: new ([archive](archive/memory/memory-2025-09-01.md))\n\
        - 2025-08-31: The only trace\n\
        - 2025-08-30: Bought a lamp... ([archive](archive/memory/memory-2025-08-30.md))\n\
        - 2025-05: 1 day: Labour day ([2025-05-01](archive/memory/memory-2025-05-01.md))\n\n## Recent Entries\n";
    assert_eq!(workspace.memory(), expected);
    assert_eq!(workspace.archived("2025-08-30"), "## 2025-08-30\nBought a lamp and much more");
}
