//! What a run that was killed leaves; `tests/faults` kills them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Workspace;

fn memory() -> String {
    let mut text = String::from("# PAI Memory\n\n");
    for day in 1..=16 {
        text.push_str(&format!("## 2025-09-{day:02}\nWorked on number {day} of the harbour survey.\n\n"));
    }
    text
}

/// All files relative to the workspace, so that two workspaces compare.
fn state(workspace: &Workspace) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = workspace.folder.path();
    workspace
        .files()
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(root).unwrap().to_owned(), bytes))
        .collect()
}

#[test]
fn a_run_killed_between_archive_and_memory_leaves_sections_in_both_and_the_next_recognises_them() {
    let workspace = Workspace::new(memory());
    let archive = workspace.path("archive/memory");
    std::fs::create_dir_all(&archive).unwrap();
    for day in 1..=5 {
        let text = format!("## 2025-09-{day:02}\nWorked on number {day} of the harbour survey.\n\n");
        std::fs::write(archive.join(format!("memory-2025-09-{day:02}.md")), text).unwrap();
    }
    std::fs::write(archive.join(".memory-2025-09-06.md.partial"), "## 2025-09-06\nWor").unwrap();
    std::fs::write(workspace.path(".memory.md.partial"), "# PAI").unwrap();
    workspace.once();
    let undisturbed = Workspace::new(memory());
    undisturbed.once();
    assert_eq!(state(&workspace), state(&undisturbed));
    assert!(!archive.join(".memory-2025-09-06.md.partial").exists());
}
