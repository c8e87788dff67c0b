//! kill -9 at any moment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

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
fn whatever_moment_a_run_is_killed_at_nothing_is_lost_and_the_next_run_ends_the_same() {
    let undisturbed = Workspace::new(memory());
    let start = Instant::now();
    undisturbed.run(&["--once", "-q"]).expect(0);
    let whole = start.elapsed();
    let expected = state(&undisturbed);
    let sections: Vec<String> =
        memory().split_inclusive("\n\n").filter(|text| text.starts_with("## ")).map(str::to_owned).collect();
    let mut killed = 0;
    for moment in 0..200 {
        let workspace = Workspace::new(memory());
        let mut child = workspace.command(&["--once", "-q"]).stderr(Stdio::null()).spawn().unwrap();
        // Spread over a little more than a whole run, in an order that does not drift with the machine's load.
        let step = (moment * 73) % 200;
        std::thread::sleep(whole.mul_f64(f64::from(step) / 180.0).min(Duration::from_millis(100)));
        let _ = child.kill();
        killed += usize::from(child.wait().unwrap().code().is_none());

        let everything: Vec<Vec<u8>> = workspace.files().into_values().collect();
        for section in &sections {
            let found =
                everything.iter().any(|bytes| String::from_utf8_lossy(bytes).contains(section.as_str()));
            assert!(found, "moment {step}: {section}");
        }
        workspace.run(&["--once", "-q"]).expect(0);
        assert_eq!(state(&workspace), expected, "moment {step}");
        let left = std::fs::read_dir(workspace.folder.path())
            .unwrap()
            .chain(std::fs::read_dir(workspace.path("archive/memory")).unwrap());
        for entry in left {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.ends_with(".partial"), "{name} is tidied away");
        }
    }
    assert!(killed > 20, "only {killed} of 200 runs were caught alive");
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
