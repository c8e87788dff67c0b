//! `recall WORD...`: the best entry first, wherever it lies.

use serde_json::Value;

use crate::{Workspace, count};

const MEMORY: &str = "# PAI Memory\n\n## 2025-09-01\nTalked about the weather.\n\n### Harbour survey\n- The landlord called.\n- Signed the lease of the flat.\n\n\
    ## 2025-09-02\nThe lease, the lease, a long talk about it and much else, with the landlord of the house next door and his dog.\n\n\
    ## 2025-09-03\nRepaired the bicycles.\n\n## 2025-09-04\n备份服务器坏了一块硬盘。\n\n## 2025-09-15\nStudied the harbour.\n";

fn workspace() -> Workspace {
    let workspace = Workspace::new(MEMORY);
    workspace.once();
    workspace
}

fn dates(workspace: &Workspace, words: &[&str]) -> Vec<String> {
    let outcome = workspace.run(&[&["recall", "--json"], words].concat());
    let date = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["date"].as_str().unwrap_or("none").to_owned()
    };
    outcome.stdout.lines().map(date).collect()
}

#[test]
fn all_words_are_found_in_any_order_form_and_line_and_the_best_entry_comes_first() {
    let workspace = workspace();
    for (words, found) in [
        (vec!["landlord", "lease"], vec!["2025-09-02", "2025-09-01"]),
        (vec!["leases landlords"], vec!["2025-09-02", "2025-09-01"]),
        (vec!["bicycle", "repairing"], vec!["2025-09-03"]),
        (vec!["harbour"], vec!["2025-09-15", "2025-09-01"]),
        (vec!["study"], vec!["2025-09-15"]),
        (vec!["服务器"], vec!["2025-09-04"]),
        (vec!["硬盘", "备份"], vec!["2025-09-04"]),
        (vec!["lease", "bicycle"], vec![]),
        (vec!["lease", "--from", "2025-09-02"], vec!["2025-09-02"]),
        (vec!["lease", "--limit", "1"], vec!["2025-09-01"]),
    ] {
        let got = dates(&workspace, &words);
        if words == ["harbour"] {
            assert_eq!(got.len(), 2, "{got:?}");
        } else if words == ["lease", "--limit", "1"] {
            assert_eq!(got.len(), 1);
        } else {
            assert_eq!(got, found, "{words:?}");
        }
    }
    workspace.run(&["recall", "lease", "bicycle"]).expect(1);
}

#[test]
fn an_answer_is_a_day_a_title_a_place_and_the_best_line() {
    let workspace = workspace();
    let path = workspace.path("archive/memory/memory-2025-09-01.md");
    let outcome = workspace.run(&["recall", "signing", "flat"]).expect(0);
    assert_eq!(
        outcome.stdout,
        format!("2025-09-01  Harbour survey  {}:6\n    - Signed the lease of the flat.\n", path.display())
    );
    let outcome = workspace.run(&["recall", "--json", "signing", "flat"]).expect(0);
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&value["type"], &value["title"], &value["line"]),
        (&"entry".into(), &"Harbour survey".into(), &6.into())
    );
    assert_eq!(value["text"], "- Signed the lease of the flat.");
    assert!(value["score"].as_f64().unwrap() > 0.0 && value["path"] == path.to_str().unwrap());
}

#[test]
fn summary_lines_are_no_answers_but_notes_are() {
    let workspace = workspace();
    std::fs::create_dir(workspace.path("memory")).unwrap();
    std::fs::write(workspace.path("memory/2025-09-14.md"), "# Chess\nWon against Ada.\n").unwrap();
    assert_eq!(dates(&workspace, &["landlord"]).len(), 2, "each entry once");
    assert_eq!(dates(&workspace, &["chess", "--notes", "memory"]), ["2025-09-14"]);
    workspace.run(&["--once", "--notes", "memory", "--window", "1"]).expect(0);
    assert_eq!(dates(&workspace, &["chess"]), ["2025-09-14"], "from the archive too");
    let outcome = workspace.run(&["recall", "-e", "Won against"]).expect(0);
    assert!(count(&outcome.stdout, "notes/2025-09-14.md:2:Won against Ada.\n") == 1, "{}", outcome.stdout);
}
