//! The summaries block: rolling up, the user's own summariser, titles.

use std::time::Instant;

use pai_tests::{PATIENCE, run};

use crate::{Workspace, count};

/// One entry a day for the 400 days before [`crate::NOW`].
fn long_memory() -> String {
    let mut text = String::from("# PAI Memory\n\n");
    for (year, month, days) in
        (8..=12).map(|month| (2024, month)).chain((1..=9).map(|month| (2025, month))).map(days_of)
    {
        for day in 1..=days {
            let words =
                format!("Day {day} of month {month}: worked on the harbour survey with team {}.", day % 7);
            text.push_str(&format!("## {year}-{month:02}-{day:02}\n{words}\n\n"));
        }
    }
    text
}

fn days_of((year, month): (u32, u32)) -> (u32, u32, u32) {
    let days = match month {
        9 if year == 2025 => 16,
        4 | 6 | 9 | 11 => 30,
        2 => 28,
        _ => 31,
    };
    (year, month, days)
}

#[test]
fn old_days_roll_up_into_months_and_old_months_into_years() {
    let workspace = Workspace::new(long_memory());
    workspace.once();
    let memory = workspace.memory();
    let lines: Vec<&str> = memory.lines().filter(|line| line.starts_with("- ")).collect();
    let keys: Vec<&str> = lines.iter().map(|line| line[2..].split(':').next().unwrap()).collect();
    assert_eq!(keys.len(), 53 + 11 + 1, "{keys:?}");
    assert_eq!(
        (keys[0], keys[52], keys[53], keys[63], keys[64]),
        ("2025-09-09", "2025-07-19", "2025-07", "2024-09", "2024")
    );
    assert!(lines[53].starts_with("- 2025-07: 18 days: "), "{}", lines[53]);
    assert!(lines[53].ends_with(
        "([2025-07-01](archive/memory/memory-2025-07-01.md) … [2025-07-18](archive/memory/memory-2025-07-18.md))"
    ));
    assert!(
        lines[64].starts_with("- 2024: 31 days: ") && lines[64].ends_with(" ([archive](archive/memory/))")
    );
    workspace.run(&["check", "--max-size", "1M"]).expect(0);

    // A year on, everything but the newest weeks is months and years, made from the originals again.
    std::fs::write(workspace.path("memory.md"), memory + "## 2026-09-15\nstill here\n").unwrap();
    run(workspace.command(&["--once"]).env("PAI_NOW", "2026-09-16T12:00:00Z")).expect(0);
    let lines: Vec<String> =
        workspace.memory().lines().filter(|line| line.starts_with("- ")).map(str::to_owned).collect();
    let keys: Vec<&str> = lines.iter().map(|line| line[2..].split(": ").next().unwrap()).collect();
    assert_eq!(keys, ["2025-09", "2025", "2024"]);
    assert!(lines[2].starts_with("- 2024: 153 days: "), "{}", lines[2]);
    // The lines of the days are kept, for nobody can tell whether a person or a model wrote them.
    let retired =
        std::fs::read_to_string(workspace.path("archive/memory/memory-retired-summaries.md")).unwrap();
    assert_eq!(count(&retired, "\n"), 53);
}

#[test]
fn twenty_years_of_days_stay_a_short_block() {
    let mut text = String::new();
    for year in 2005..2025 {
        for month in 1..=12 {
            text.push_str(&format!(
                "## {year}-{month:02}-11\nSurveyed the harbour number {month} again.\n\n"
            ));
        }
    }
    let workspace = Workspace::new(text);
    workspace.once();
    assert!(workspace.memory().len() < 8000, "{}", workspace.memory().len());
    assert_eq!(workspace.files().len(), 241);
}

#[test]
fn titles_make_a_dated_section_and_lead_its_summary() {
    let workspace = Workspace::new("## 2025-09-01 - Trip to Rome\nTook the night train from Vienna.\n");
    workspace.once();
    assert!(workspace.memory().starts_with("## 2025-09-01 - Trip to Rome\n"));
    workspace.run(&["--once", "--titles"]).expect(0);
    assert!(workspace.memory().contains("- 2025-09-01: Trip to Rome: Took the night train from Vienna. (["));
    assert_eq!(
        workspace.archived("2025-09-01"),
        "## 2025-09-01 - Trip to Rome\nTook the night train from Vienna.\n"
    );
}

#[test]
fn a_summariser_of_one_s_own_gets_each_entry_whole() {
    let workspace = Workspace::new("## 2025-09-01\none\ntwo\n\n## 2025-09-02\nthree\n");
    workspace.run(&["--once", "--summarizer", "wc -c; echo bytes"]).expect(0);
    assert!(workspace.memory().contains("- 2025-09-01: 23 bytes (["), "{}", workspace.memory());
    assert!(workspace.memory().contains("- 2025-09-02: 20 bytes (["), "{}", workspace.memory());
}

#[test]
fn a_summariser_that_fails_hangs_or_is_given_too_much_is_replaced_by_an_extract() {
    for (args, told) in [
        (vec!["--summarizer", "cat >/dev/null; exit 4"], "it ended with exit status: 4"),
        (vec!["--summarizer", "sleep 600", "--summarizer-timeout", "200ms"], "no answer within 0.2 s"),
        (
            vec!["--summarizer", "cat", "--summarizer-max-input", "10"],
            "the text has 30 bytes, more than --summarizer-max-input",
        ),
        (vec!["--summarizer", "cat >/dev/null"], "it wrote nothing"),
        (vec!["--summarizer", "/nonexistent/model"], "it ended with exit status: 127"),
    ] {
        let workspace = Workspace::new("## 2025-09-01\nSigned it today\n");
        let start = Instant::now();
        let outcome = workspace.run(&[&["--once"], args.as_slice()].concat()).expect(0);
        assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
        assert!(workspace.memory().contains("- 2025-09-01: Signed it today (["), "{args:?}");
        assert!(start.elapsed() < PATIENCE, "a hanging command is ended");
    }
}

#[test]
fn a_summariser_s_flood_becomes_one_line_of_160_characters() {
    let workspace = Workspace::new("## 2025-09-01\nx\n");
    workspace.run(&["--once", "--summarizer", "yes 'multi word' | head -c 3000000; true"]).expect(0);
    let memory = workspace.memory();
    let line = memory.lines().find(|line| line.starts_with("- 2025-09-01: ")).unwrap();
    let text = line.strip_prefix("- 2025-09-01: ").unwrap().split(" ([archive]").next().unwrap();
    assert!(text.ends_with('…') && text.chars().count() <= 160, "{text}");
}

#[test]
fn somebody_else_s_words_in_the_block_stay() {
    let workspace = Workspace::new(
        "## Summaries\n\nMy own note.\n\n- 2024: moved to Rome\n- 2025-08-01: by hand\n\n## Recent Entries\n\n## 2025-09-01\nx\n",
    );
    workspace.once();
    let memory = workspace.memory();
    for words in ["My own note.\n", "- 2024: moved to Rome\n", "- 2025-08-01: by hand\n", "- 2025-09-01: x ("]
    {
        assert_eq!(count(&memory, words), 1, "{words} in {memory}");
    }
}

#[test]
fn doubled_blocks_become_one() {
    let workspace = Workspace::new(
        "## Summaries\n- 2025-08-01: a\n\n## Recent Entries\n\n## 2025-09-15\nx\n\n## Summaries\n- 2025-08-01: a\n- 2025-08-02: b\n\n\
         ## Recent Entries\n\n## 2025-09-14\ny\n",
    );
    workspace.once();
    assert_eq!(
        workspace.memory(),
        "## Summaries\n_Last updated: 2025-09-16T09:00:17+03:00_\n\n- 2025-08-02: b\n- 2025-08-01: a\n\n## Recent Entries\n\n\
         ## 2025-09-15\nx\n\n## 2025-09-14\ny\n"
    );
}
