//! restore, recall, summarize, check, and the dry run.

use pai_tests::{command, has, run, run_with_input, skip, tool};

use crate::{Workspace, count};

const ENTRIES: [&str; 3] = [
    "## 2025-08-30\nBought a lamp for the study.\n\n",
    "## 2025-09-01\n- Signed the *lease*.\n- Keys come on Friday.\n\n",
    "## 2025-09-01\nThe same day again.\n\n",
];
const RECENT: &str = "## 2025-09-15\nRepaired the bicycle.\n";

fn workspace() -> Workspace {
    Workspace::new(format!("# PAI Memory\n\n{}{RECENT}", ENTRIES.concat()))
}

#[test]
fn what_was_archived_comes_back_byte_for_byte_and_in_order() {
    let workspace = workspace();
    workspace.once();
    let short = workspace.memory();
    let archive =
        workspace.files().into_iter().filter(|(path, _)| !path.ends_with("memory.md")).collect::<Vec<_>>();
    let outcome = workspace.run(&["restore", "2025-08", "2025-09-01"]).expect(0);
    assert_eq!(count(&outcome.stdout, "\n"), 2, "{}", outcome.stdout);
    let restored = workspace.memory();
    assert!(restored.ends_with(&format!("## Recent Entries\n\n{}{RECENT}", ENTRIES.concat())), "{restored}");
    // A second time there is nothing to do, and the next run finds everything in the archive already.
    workspace.run(&["restore", "2025"]).expect(0);
    assert_eq!(workspace.memory(), restored);
    workspace.once();
    assert_eq!(workspace.memory(), short);
    assert_eq!(
        workspace.files().into_iter().filter(|(path, _)| !path.ends_with("memory.md")).collect::<Vec<_>>(),
        archive
    );
}

#[test]
fn restoring_what_is_not_there_is_named_and_the_rest_goes_on() {
    let workspace = workspace();
    workspace.once();
    let outcome = workspace.run(&["restore", "1999", "2025-08-30"]).expect(1);
    assert!(outcome.stderr.contains("nothing of 1999 is in "), "{}", outcome.stderr);
    assert!(workspace.memory().contains(ENTRIES[0]));
    workspace.run(&["restore", "yesterday"]).expect(2);
}

#[test]
fn a_dry_restore_names_the_days_and_changes_nothing() {
    let workspace = workspace();
    workspace.once();
    let before = workspace.files();
    let outcome = workspace.run(&["restore", "-n", "2025"]).expect(0);
    assert!(
        outcome.stdout.starts_with("2025-08-30: ") && count(&outcome.stdout, "\n") == 2,
        "{}",
        outcome.stdout
    );
    assert_eq!(workspace.files(), before);
}

#[test]
fn an_entry_that_ends_in_an_open_fence_goes_to_the_end_where_it_swallows_nothing() {
    let workspace = Workspace::new("## 2025-09-15\nyoung\n\n## 2025-09-01\n```\nopen\n");
    workspace.once();
    workspace.run(&["restore", "2025-09-01"]).expect(0);
    assert!(
        workspace.memory().ends_with("## 2025-09-15\nyoung\n\n## 2025-09-01\n```\nopen\n"),
        "{}",
        workspace.memory()
    );
}

#[test]
fn recall_finds_in_the_archive_and_in_the_file_by_date_and_line() {
    let workspace = workspace();
    workspace.once();
    let archive = workspace.path("archive/memory");
    let outcome = workspace.run(&["recall", "-e", "the .*(lease|bicycle)"]).expect(0);
    let line = workspace.memory().lines().position(|line| line.starts_with("Repaired")).unwrap() + 1;
    assert!(
        outcome
            .stdout
            .starts_with(&format!("{}/memory-2025-09-01.md:2:- Signed the *lease*.\n", archive.display()))
    );
    assert!(
        outcome
            .stdout
            .ends_with(&format!("{}:{line}:Repaired the bicycle.\n", workspace.path("memory.md").display()))
    );
    for (args, found) in [
        (vec!["-e", "LAMP"], 0),
        (vec!["-i", "-e", "LAMP FOR"], 1),
        (vec!["-F", "-e", "*lease*"], 1),
        (vec!["-e", "lamp for", "--from", "2025-09-01"], 0),
        (vec!["-e", "Signed.*lease", "--from", "2025-09-01", "--to", "2025-09-01"], 1),
        (vec!["-e", "^Repaired", "--from", "2025-09-15"], 1),
        (vec!["-e", "^Repaired", "--to", "2025-09-14"], 0),
        (vec!["-e", "lease\\S*\\s+- Keys"], 0),
        (vec!["-e", "no such thing"], 0),
    ] {
        let outcome = workspace.run(&[&["recall"], args.as_slice()].concat());
        let archived =
            outcome.stdout.lines().filter(|line| !line.contains("memory.md:") || line.contains("Repaired"));
        assert_eq!(archived.count(), found, "{args:?}: {}", outcome.stdout);
    }
    workspace.run(&["recall", "no such thing"]).expect(1);
    workspace.run(&["recall", "-e", "("]).expect(2);
    workspace.run(&["recall"]).expect(2);
    workspace.run(&["recall", "..."]).expect(2);
}

#[test]
fn recall_as_json_is_one_object_a_line() {
    let workspace = workspace();
    workspace.once();
    let outcome = workspace.run(&["recall", "--json", "-e", "Keys come"]).expect(0);
    let value: serde_json::Value = serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "type": "match", "date": "2025-09-01", "line": 3, "text": "- Keys come on Friday.",
            "path": workspace.path("archive/memory/memory-2025-09-01.md"),
        })
    );
}

#[test]
fn recall_agrees_with_grep_on_every_line() {
    let mut text = String::new();
    for day in 1..=28 {
        text.push_str(&format!("## 2025-08-{day:02}\nfirst {day}\n\nlease {}\r\nlast lease{day}\n", day * 7));
    }
    let workspace = Workspace::new(text);
    workspace.once();
    let sorted = |text: &str| {
        let mut lines: Vec<String> =
            text.lines().filter(|line| !line.contains("/memory.md:")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for pattern in ["lease", "^first 1", "e[0-9]", "t"] {
        let ours = workspace.run(&["recall", "-e", pattern]).expect(0);
        // grep takes a carriage return for a part of the line.
        let line =
            format!("grep -rE -n '{pattern}' \"$PWD/archive/memory\" --include='memory-2*' | tr -d '\\r'");
        let theirs = pai_tests::sh(&line, workspace.folder.path()).expect(0);
        assert!(!theirs.stdout.is_empty());
        assert_eq!(sorted(&ours.stdout), sorted(&theirs.stdout), "{pattern}");
    }
}

#[test]
fn summarize_is_a_filter() {
    let filter = |args: &[&str], input: &str| {
        let mut tool = command(tool("pai-optimize"));
        run_with_input(tool.arg("summarize").args(args), input.as_bytes()).expect(0).stdout
    };
    assert_eq!(filter(&[], "# T\nOne line only.\n"), "T: One line only.\n");
    assert_eq!(filter(&["-c", "12"], "Several words in a row\n"), "Several…\n");
    assert_eq!(filter(&[], ""), "No details recorded.\n");
}

#[test]
fn check_accounts_for_everything_and_names_what_is_missing() {
    type Damage = fn(&Workspace);
    let breaks: [(&str, Damage); 6] = [
        ("", |_| {}),
        ("no summary stands for", |workspace| {
            std::fs::write(workspace.path("archive/memory/memory-2025-08-01.md"), "## 2025-08-01\nx\n")
                .unwrap();
        }),
        ("2025-08-30: 0 of 1 days are in the archive", |workspace| {
            std::fs::remove_file(workspace.path("archive/memory/memory-2025-08-30.md")).unwrap();
        }),
        ("holds no section of its day", |workspace| {
            std::fs::write(workspace.path("archive/memory/memory-2025-08-30.md"), "## 2025-08-31\nx\n")
                .unwrap();
        }),
        ("over the budget of 25.0 KiB", |workspace| {
            let memory = workspace.memory() + &"word ".repeat(6000);
            std::fs::write(workspace.path("memory.md"), memory).unwrap();
        }),
        ("a code fence or comment there is never closed", |workspace| {
            let memory = workspace.memory() + "## 2025-09-15\n```\n## 2025-09-16\n";
            std::fs::write(workspace.path("memory.md"), memory).unwrap();
        }),
    ];
    for (told, damage) in breaks {
        let workspace = workspace();
        workspace.once();
        damage(&workspace);
        let outcome = workspace.run(&["check"]).expect(i32::from(!told.is_empty()));
        assert!(
            outcome.stdout.contains(if told.is_empty() { "memory.md: OK (2 days archived)" } else { told }),
            "{}",
            outcome.stdout
        );
    }
}

#[test]
fn check_follows_every_link() {
    let workspace = workspace();
    workspace.once();
    let archive = workspace.path("archive");
    std::fs::rename(&archive, workspace.path("moved")).unwrap();
    let outcome = workspace.run(&["check"]).expect(1);
    assert_eq!(count(&outcome.stdout, "memory.md does not exist"), 0);
    assert_eq!(count(&outcome.stdout, ".md does not exist"), 2, "{}", outcome.stdout);
}

#[test]
fn a_dry_run_shows_a_diff_that_patch_turns_into_what_a_run_writes() {
    if !has("patch") {
        return skip("no patch(1)");
    }
    let texts = [
        format!("# PAI Memory\n\n{}{RECENT}", ENTRIES.concat()),
        "## 2025-09-01\r\nCRLF\r\n\r\n## 2025-09-15\r\nno end".to_owned(),
        "intro\n\n## Projects\na\nb\nc\nd\ne\nf\ng\nh\n\n## 2025-09-15\nx\n\n## 2025-09-02\nlast, no end".to_owned(),
        "## Summaries\n_Last updated: x_\n\n- 2025-08-30: old\n\n## Recent Entries\n\n## 2025-09-01\nx\n\n## 2025-09-15\ny\n".to_owned(),
    ];
    for text in texts {
        let workspace = Workspace::new(&text);
        let outcome = workspace.run(&["-n"]).expect(0);
        assert_eq!(workspace.memory(), text);
        assert_eq!(workspace.files().len(), 1, "a dry run writes nothing");
        assert!(outcome.stdout.starts_with("archive 2025-"), "{}", outcome.stdout);
        let copy = workspace.path("copy.md");
        std::fs::write(&copy, &text).unwrap();
        let mut patch = command("patch");
        run_with_input(patch.args(["--binary", "--no-backup-if-mismatch", "-F0"]).arg(&copy), &outcome.bytes)
            .expect(0);
        workspace.once();
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), workspace.memory(), "{}", outcome.stdout);
    }
}

#[test]
fn another_file_has_an_archive_of_its_own() {
    let workspace = workspace();
    std::fs::write(workspace.path("my notes.md"), "## 2025-09-01\nnote\n").unwrap();
    let mut tool = command(tool("pai-optimize"));
    tool.args(["--once", "-q", "my notes.md"])
        .current_dir(workspace.folder.path())
        .env("PAI_NOW", crate::NOW);
    run(&mut tool).expect(0);
    let notes = std::fs::read_to_string(workspace.path("my notes.md")).unwrap();
    assert!(notes.contains("([archive](archive/my%20notes/my%20notes-2025-09-01.md))"), "{notes}");
    assert!(workspace.path("archive/my notes/my notes-2025-09-01.md").exists());
    workspace.run(&["check", "--file", "my notes.md"]).expect(0);
    let elsewhere = workspace.path("elsewhere");
    workspace.run(&["--once", "--archive-dir", elsewhere.to_str().unwrap()]).expect(0);
    assert!(elsewhere.join("memory-2025-09-01.md").exists());
    assert!(workspace.memory().contains("](elsewhere/memory-2025-09-01.md)"), "{}", workspace.memory());
    workspace.run(&["--once", "missing.md"]).expect(2);
}

#[test]
fn without_a_workspace_pai_home_is_named() {
    let outcome = run(command(tool("pai-optimize")).arg("--once")).expect(2);
    assert!(outcome.stderr.contains("PAI_HOME"), "{}", outcome.stderr);
}
