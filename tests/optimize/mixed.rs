//! Entries of every form in one file, in five languages: `tests/corpus` has them, and mixes them.

use std::collections::BTreeMap;

use pai_tests::corpus::mix::{Entry, mixed};
use pai_tests::corpus::{self};

use crate::{Workspace, count};

/// All forms at once.
const ALL: [&str; 7] = ["--headings", "dated", "--bullets", "dated", "--date-order", "dmy", "--once"];
/// The same without the job.
const PLACE: [&str; 6] = ["--headings", "dated", "--bullets", "dated", "--date-order", "dmy"];

/// What is archived of each day, as bytes of its file.
fn archived(workspace: &Workspace) -> BTreeMap<String, String> {
    let day = |name: &str| Some(name.strip_prefix("memory-")?.strip_suffix(".md")?.to_owned());
    let files = workspace.files();
    let days = files
        .iter()
        .filter(|(path, _)| path.parent().is_some_and(|folder| folder.ends_with("archive/memory")));
    days.filter_map(|(path, bytes)| {
        let day = day(path.file_name()?.to_str()?).filter(|day| day.starts_with("20"))?;
        Some((day, String::from_utf8(bytes.clone()).unwrap()))
    })
    .collect()
}

/// The file without what the tool puts in: its block of summaries, the heading behind it, its separators.
fn without_own(memory: &str) -> String {
    let mut kept = String::new();
    let mut own = false;
    for line in memory.split_inclusive('\n') {
        let bare = line.trim_end();
        own = match bare {
            "## Summaries" => true,
            "## Recent Entries" | "<!-- pai-optimize -->" => continue,
            _ if bare.starts_with("- 20") && bare.contains("](archive/") => own,
            _ if own && (bare.is_empty() || bare.starts_with("_Last updated")) => own,
            _ => false,
        };
        if !own && !bare.is_empty() {
            kept.push_str(line);
        }
    }
    kept
}

/// Without blank lines, as [`without_own`] leaves it.
fn dense(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim().is_empty()).collect()
}

/// The lines below each heading of level 2, sorted: a dated list item comes back below its heading, but whether before or
/// behind its undated neighbours nobody knows.
fn chapters(text: &str) -> Vec<Vec<&str>> {
    let mut chapters = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with("## ") {
            chapters.push(Vec::new());
        }
        chapters.last_mut().unwrap().push(line);
    }
    for lines in &mut chapters {
        lines.sort_unstable();
    }
    chapters
}

/// The heading that `entry` stands below in `memory`.
fn parent(memory: &str, entry: &Entry) -> Option<String> {
    let before = &memory[..memory.find(entry.text.trim_end()).unwrap()];
    before
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("## "))
        .map(|heading| heading.trim_end().to_owned())
}

fn check_mixed(seed: u64) {
    let file = mixed(seed);
    let workspace = Workspace::new(&file.text);
    workspace.run(&ALL).expect(0);
    let memory = workspace.memory();
    let days = archived(&workspace);
    let mut stays = file.text.clone();
    for entry in &file.entries {
        let text = entry.text.trim_end();
        let there = days.get(&entry.day).map_or(0, |day| count(day, text));
        assert_eq!(
            (there, count(&memory, text)),
            if entry.old { (1, 0) } else { (0, 1) },
            "{seed}: {entry:?}\n{memory}"
        );
        if entry.old {
            assert!(days[&entry.day].contains(&entry.text), "{seed}: every byte of {entry:?}");
            stays = stays.replacen(&entry.text, "", 1);
        }
    }
    let all: usize = days.values().map(String::len).sum();
    let old: usize = file.entries.iter().filter(|entry| entry.old).map(|entry| entry.text.len()).sum();
    assert!(
        all >= old && days.values().map(|day| dense(&without_own(day)).len()).sum::<usize>() <= old,
        "{seed}: nothing else is archived"
    );
    assert_eq!(without_own(&memory), dense(&stays), "{seed}: the rest is as it was");

    let done = workspace.files();
    workspace.run(&ALL).expect(0);
    assert_eq!(workspace.files(), done, "{seed}: a second run changes nothing");
    if days.is_empty() {
        return;
    }
    workspace.run(&[&["restore"], &PLACE[..], &["2025"]].concat()).expect(0);
    let restored = workspace.memory();
    for entry in &file.entries {
        assert_eq!(count(&restored, &entry.text), 1, "{seed}: {entry:?} is back, byte for byte:\n{restored}");
        if entry.under.is_some() {
            assert_eq!(
                parent(&restored, entry),
                entry.under,
                "{seed}: {entry:?} is where it was:\n{restored}"
            );
        }
    }
    workspace.run(&ALL).expect(0);
    assert_eq!(workspace.files(), done, "{seed}: what was put back is known again");
}

#[test]
fn entries_of_every_form_in_one_file_go_and_come_back_byte_for_byte() {
    let seeds = std::env::var("PAI_MIXED_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20);
    for seed in 0..seeds {
        check_mixed(seed);
    }
}

#[test]
fn the_documents_of_the_corpus_go_and_come_back() {
    for (name, old) in [
        ("MEMORY.en.md", 6),
        ("MEMORY.de.md", 7),
        ("MEMORY.zh.md", 5),
        ("MEMORY.ja.md", 3),
        ("MEMORY.no.md", 5),
        ("worklog.md", 5),
    ] {
        let document = corpus::documents().into_iter().find(|document| document.name == name).unwrap();
        let workspace = Workspace::new(&document.text);
        let now = |args: &[&str]| {
            let mut command = workspace.command(args);
            pai_tests::run(command.env("PAI_NOW", "2026-06-01T12:00:00Z")).expect(0)
        };
        now(&ALL);
        let days = archived(&workspace);
        let entries = std::fs::read_to_string(workspace.path("archive/memory/memory-entries.jsonl")).unwrap();
        assert_eq!(entries.lines().count(), old, "{name}: {days:?}");
        let done = workspace.files();
        now(&ALL);
        assert_eq!(workspace.files(), done, "{name}: a second run changes nothing");
        now(&[&["restore"], &PLACE[..], &[if name == "worklog.md" { "2025" } else { "2026" }]].concat());
        let (memory, text) = (without_own(&workspace.memory()), dense(&document.text));
        assert_eq!(chapters(&memory), chapters(&text), "{name}: everything is where it was");
        now(&ALL);
        assert_eq!(workspace.files(), done, "{name}: and is known again");
    }
}

#[test]
fn the_notes_of_the_corpus_move_whole_and_their_lines_name_them() {
    let workspace = Workspace::new("# Memory\n");
    std::fs::create_dir(workspace.path("memory")).unwrap();
    let notes: Vec<_> =
        corpus::documents().into_iter().filter(|document| document.name.starts_with("memory/")).collect();
    for note in &notes {
        std::fs::write(workspace.path(&note.name), &note.text).unwrap();
    }
    let mut command = workspace.command(&["--once", "--headings", "dated", "--notes", "memory"]);
    pai_tests::run(command.env("PAI_NOW", "2026-05-01T12:00:00Z")).expect(0);
    for note in &notes {
        let name = note.name.strip_prefix("memory/").unwrap();
        assert_eq!(
            std::fs::read_to_string(workspace.path("archive/memory/notes").join(name)).unwrap(),
            note.text
        );
        assert!(!workspace.path(&note.name).exists());
    }
    let memory = workspace.memory();
    for line in [
        "- 2026-04-09: Recent activity summary: Key replies. \"Take the ferry at noon\", the captain wrote; tickets are at the kiosk. ([note]",
        "- 2026-04-05: Session: nattskift; Beskjed. ",
        "- 2026-04-02: 花見の支度. ",
        "- 2026-03-27: 网站迁移; 晚饭. 新服务器在郊区的机房。迁移用了",
        "- 2026-03-20: Memory: Umzug; Essen. ",
        "- 2026-03-18: Signed the lease for the flat in Mill Lane. ",
        "- 2026-03-10: Daily log: Harbour survey; Errands. ",
    ] {
        assert!(memory.contains(line), "{line}\n{memory}");
    }
}
