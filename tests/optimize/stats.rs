//! `stats`: what a memory file weighs, and what the next run would do.

use serde_json::Value;

use crate::Workspace;

#[test]
fn stats_say_what_is_there_what_is_loaded_and_what_a_run_would_do() {
    let old = "## 2025-09-01\nSigned the lease.\n\n## 2025-09-02\nKeys.\n\n";
    let workspace = Workspace::new(format!("# M\n\n{old}## 2025-09-15\n{}", "young\n".repeat(300)));
    let before = workspace.files();
    let outcome = workspace.run(&["stats", "--json"]).expect(0);
    let stats: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(workspace.files(), before, "nothing is written");
    assert_eq!(
        (&stats["lines"], &stats["loaded_lines"], &stats["entries"]),
        (&309.into(), &200.into(), &3.into())
    );
    assert_eq!(stats["next_run"]["entries"], 2);
    assert_eq!(stats["months"], serde_json::json!([{ "month": "2025-09", "here": 3, "archived": 0 }]));
    workspace.once();
    let size = std::fs::metadata(workspace.path("memory.md")).unwrap().len();
    assert_eq!(stats["next_run"]["bytes"], size, "it does what it said");
    let told = workspace.run(&["stats"]).expect(0).stdout;
    for part in [
        "tokens (estimated)",
        "load 200 lines, ",
        "the next run archives 0 entries and 0 notes",
        "2025-09      1 here      2 archived\n",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
