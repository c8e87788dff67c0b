//! `history` and `find`: what many nights held of a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, run};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::fixtures::{Workspace, tree};

/// A workspace, and a backup of it at two o'clock of each day of November 2026.
pub(crate) struct Nights {
    pub(crate) workspace: Workspace,
    pub(crate) count: u32,
    store: Option<PathBuf>,
}

impl Nights {
    pub(crate) fn new() -> Self {
        Self { workspace: Workspace::empty(), count: 0, store: None }
    }

    pub(crate) fn in_a_store() -> Self {
        let workspace = Workspace::empty();
        let store = workspace.beside("store");
        Self { workspace, count: 0, store: Some(store) }
    }

    pub(crate) fn pai(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.pai(args);
        command.env("XDG_CACHE_HOME", self.workspace.beside("cache"));
        command.env("PAI_NOW", format!("2026-11-{:02}T02:00:00Z", self.count.max(1)));
        if let Some(store) = &self.store {
            command.arg("--store").arg(store);
        }
        command
    }

    /// Backs up, and says what the archive is called.
    pub(crate) fn night(&mut self, more: &[&str]) -> String {
        self.count += 1;
        let made = run(self.pai(&["create", "-q"]).args(more));
        assert!(made.status < Some(2), "{}", made.stderr);
        format!("pai-202611{:02}-020000.tar.gz", self.count)
    }

    fn told(&self, args: &[&str]) -> String {
        run(&mut self.pai(args)).expect(0).stdout
    }

    fn rows(&self, args: &[&str]) -> Vec<Value> {
        let told = self.told(args);
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn at(night: u32) -> String {
    format!("2026-11-{night:02}T02:00:00+00:00")
}

#[test]
fn a_file_is_followed_across_versions_names_deletions_and_returns() {
    let mut nights = Nights::new();
    let home = nights.workspace.home().to_owned();
    nights.workspace.write("projects/a.md", b"one\n");
    nights.night(&[]);
    nights.workspace.write("projects/a.md", b"one\ntwo\n");
    nights.night(&[]);
    nights.night(&[]);
    fs::create_dir(home.join("done")).unwrap();
    fs::rename(home.join("projects/a.md"), home.join("done/b.md")).unwrap();
    nights.night(&[]);
    fs::remove_file(home.join("done/b.md")).unwrap();
    nights.night(&[]);
    nights.workspace.write("done/b.md", b"one\ntwo\nthree");
    nights.night(&[]);

    let short = |text: &[u8]| pai_common::sha256::to_hex(&pai_common::sha256::digest(text))[..12].to_owned();
    let line = |first, last, count, text: &[u8]| {
        let (first, size, name) = (at(first), text.len(), format!("pai-202611{last:02}-020000.tar.gz"));
        format!(
            "{first}  {}  {count:>4} {}  {:>10}  {}  {name}\n",
            at(last),
            if count == 1 { "archive " } else { "archives" },
            format!("{size} B"),
            short(text)
        )
    };
    let expected = [
        line(6, 6, 1, b"one\ntwo\nthree"),
        format!(
            "deleted by {}, last in pai-20261104-020000.tar.gz of {}, back in that of {}\n",
            at(5),
            at(4),
            at(6)
        ),
        line(4, 4, 1, b"one\ntwo\n"),
        format!("was projects/a.md until {}\n", at(3)),
        line(2, 3, 2, b"one\ntwo\n"),
        line(1, 1, 1, b"one\n"),
    ];
    assert_eq!(nights.told(&["history", "done/b.md"]), expected.concat());
    // A path is taken as it is written on a command line.
    let absolute = home.join("done/b.md");
    for written in ["./done/b.md", "done//b.md", absolute.to_str().unwrap()] {
        assert_eq!(nights.told(&["history", written]), expected.concat(), "{written}");
    }
    let old = nights.told(&["history", "projects/a.md"]);
    assert!(old.starts_with(&format!("became done/b.md by {}, last in ", at(4))), "{old}");

    let diff = nights.told(&["history", "--diff", "done/b.md"]);
    for part in [
        "--- done/b.md\t2026-11-04T02:00:00+00:00\n+++ done/b.md\t2026-11-06T02:00:00+00:00\n@@ -1,2 +1,3 @@\n one\n two\n+three\n\\ No newline at end of file\n",
        "--- projects/a.md\t2026-11-01T02:00:00+00:00\n+++ projects/a.md\t2026-11-03T02:00:00+00:00\n@@ -1 +1,2 @@\n one\n+two\n",
    ] {
        assert!(diff.contains(part), "{diff}");
    }
    let grep = nights.told(&["history", "--grep", "two", "done/b.md"]);
    assert_eq!(grep.lines().count(), 3, "{grep}");
    assert!(grep.lines().all(|line| line.ends_with("  1 line")), "{grep}");
    let none = run(&mut nights.pai(&["history", "--grep", "four", "done/b.md"])).expect(1);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", ""));
}

#[test]
fn find_tells_which_archives_have_what() {
    let mut nights = Nights::new();
    nights.workspace.write("projects/a.md", b"a");
    nights.workspace.write("memory.md", b"m");
    nights.night(&[]);
    fs::remove_file(nights.workspace.home().join("projects/a.md")).unwrap();
    nights.workspace.write("memory.md", b"mm");
    nights.night(&[]);
    assert_eq!(
        nights.told(&["find", "*.md"]),
        format!(
            "{}  {}     2 archives     2 versions         2 B  memory.md\n\
             {}  {}     1 archive      1 version          1 B  projects/a.md  (gone)\n",
            at(1),
            at(2),
            at(1),
            at(1)
        )
    );
    let rows = nights.rows(&["find", "--json", "projects/*"]);
    assert_eq!(rows[0]["archives"], serde_json::json!(["pai-20261101-020000.tar.gz"]));
    assert_eq!((&rows[0]["type"], &rows[0]["gone"]), (&Value::from("found"), &Value::from(true)));
    let none = run(&mut nights.pai(&["find", "*.txt"])).expect(1);
    assert_eq!(none.stdout, "");
}

#[test]
fn a_path_that_no_archive_or_not_this_one_has_is_told_with_what_to_do() {
    let mut nights = Nights::new();
    let none = run(&mut nights.pai(&["history", "a"])).expect(2);
    assert!(none.stderr.contains("no archive pai-*.tar.gz in "), "{}", none.stderr);
    nights.workspace.write("a", b"a");
    nights.night(&[]);
    let never = run(&mut nights.pai(&["history", "projects/b.md"])).expect(2).stderr;
    assert_eq!(
        never,
        "pai-backup: could not find projects/b.md in any of 1 archive\n\
         pai-backup: hint: pai-backup find '*b.md*' looks for names\n"
    );
    let hint = "pai-backup: hint: pai-backup history b tells which archives have it, and under what name\n";
    let target = nights.workspace.beside("target");
    let restored = run(nights.pai(&["restore", "latest", "b", "--target"]).arg(target)).expect(1);
    assert!(restored.stderr.ends_with(hint), "{}", restored.stderr);
    let shown = run(&mut nights.pai(&["cat", "latest", "b"])).expect(2);
    assert!(shown.stderr.ends_with(hint), "{}", shown.stderr);
}

#[test]
fn a_store_tells_the_same_as_a_folder_and_a_second_time_from_memory() {
    let mut folder = Nights::new();
    let mut store = Nights::in_a_store();
    for nights in [&mut folder, &mut store] {
        for text in ["a", "b", "b", "c"] {
            nights.workspace.write("memory.md", text.as_bytes());
            nights.night(&[]);
        }
    }
    for args in
        [["history", "--json", "memory.md"], ["find", "--json", "*.md"], ["history", "--diff", "memory.md"]]
    {
        let told = folder.told(&args);
        assert_eq!(store.told(&args), told);
        assert_eq!(store.told(&args), told, "from memory");
    }
    // Nothing is asked for but the names of what is there, once all of it is known.
    let verbose = run(&mut store.pai(&["history", "memory.md", "-v"])).expect(0);
    assert_eq!(verbose.stdout, store.told(&["history", "memory.md"]));
    fs::remove_dir_all(store.workspace.beside("store/packs")).unwrap();
    assert_eq!(run(&mut store.pai(&["history", "memory.md"])).expect(0).stdout, verbose.stdout);
}

#[test]
fn what_is_remembered_is_dropped_when_archives_or_the_cache_change() {
    let mut nights = Nights::new();
    for text in ["a", "b", "c"] {
        nights.workspace.write("memory.md", text.as_bytes());
        nights.night(&[]);
    }
    let versions = |nights: &Nights| nights.told(&["history", "memory.md"]).lines().count();
    assert_eq!(versions(&nights), 3);
    let caches: Vec<PathBuf> = walk(&nights.workspace.beside("cache"));
    assert_eq!(caches.len(), 1, "{caches:?}");
    let good = fs::read(&caches[0]).unwrap();
    for at in [0, 20, good.len() / 2, good.len() - 1] {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        fs::write(&caches[0], damaged).unwrap();
        assert_eq!(versions(&nights), 3, "byte {at}");
    }
    fs::remove_file(nights.workspace.home().join("archive/pai-20261102-020000.tar.gz")).unwrap();
    assert_eq!(versions(&nights), 2);
    // The first night takes the name of the second: its content counts, not what was known under that name.
    let first = nights.workspace.home().join("archive/pai-20261101-020000.tar.gz");
    fs::rename(&first, first.with_file_name("pai-20261103-020000.tar.gz")).unwrap();
    assert_eq!(versions(&nights), 1);
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let files = run(command("find").arg(folder).args(["-type", "f"])).expect(0).stdout;
    files.lines().map(PathBuf::from).collect()
}

#[test]
fn a_damaged_archive_is_named_and_takes_no_file_for_deleted() {
    let mut nights = Nights::new();
    nights.workspace.write("a", b"a");
    nights.workspace.write("b", b"b");
    nights.night(&[]);
    let name = nights.night(&[]);
    nights.night(&[]);
    let path = nights.workspace.home().join("archive").join(&name);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
    for _ in 0..2 {
        let told = run(&mut nights.pai(&["history", "b"])).expect(1);
        assert!(told.stderr.contains(&name) && told.stderr.contains("no footer"), "{}", told.stderr);
        assert_eq!(told.stdout.lines().count(), 1, "{}", told.stdout);
    }
    // Nor does an archive of other paths.
    fs::remove_file(&path).unwrap();
    nights.night(&["a"]);
    assert_eq!(nights.told(&["history", "b"]).lines().count(), 1);
    assert_eq!(nights.told(&["history", "a"]).lines().count(), 1);
}

#[test]
fn archives_that_plain_tar_made_are_told_of_too() {
    let mut nights = Nights::new();
    nights.workspace.write("a", b"a");
    nights.night(&[]);
    nights.workspace.write("a", b"aa");
    let archive = nights.workspace.home().join("archive");
    let made = command("tar")
        .args(["--exclude=./archive", "--exclude=./logs", "-czf"])
        .arg(archive.join("pai-20261102-020000.tar.gz"))
        .arg("-C")
        .arg(nights.workspace.home())
        .arg(".")
        .status();
    assert!(made.unwrap().success());
    let told = nights.told(&["history", "a"]);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert_eq!(nights.told(&["history", "a"]), told);
}

/// What a night holds at a path: a letter for its kind, and its content.
type State = Option<(char, String)>;

/// One step of somebody's work on the names 0 to 5.
#[derive(Debug, Clone)]
enum Step {
    Write(usize, u8),
    Rename(usize, usize),
    Delete(usize),
    Link(usize, usize),
    Symlink(usize, u8),
    Folder(usize),
}

const NAMES: [&str; 6] = ["a.md", "b.md", "x/a.md", "x/c", "y/c", "y/long name"];

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    prop_oneof![
        4 => (name.clone(), 0..4_u8).prop_map(|(name, text)| Step::Write(name, text)),
        4 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => name.clone().prop_map(Step::Delete),
        1 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Link(from, to)),
        1 => (name.clone(), 0..2_u8).prop_map(|(name, to)| Step::Symlink(name, to)),
        1 => name.prop_map(Step::Folder),
    ]
}

/// What cannot be done is not done.
fn carry_out(step: &Step, home: &Path) {
    let path = |name: &usize| home.join(NAMES[*name]);
    let clear = |path: &Path| {
        let _ = fs::remove_file(path);
        let _ = fs::remove_dir(path);
    };
    let _ = match step {
        Step::Write(name, text) => {
            clear(&path(name));
            // 0 is an empty file: that it has the content of another tells nothing.
            fs::write(path(name), "text".repeat(usize::from(*text)))
        }
        Step::Rename(from, to) => fs::rename(path(from), path(to)),
        Step::Delete(name) => {
            clear(&path(name));
            Ok(())
        }
        Step::Link(from, to) => fs::hard_link(path(from), path(to)),
        Step::Symlink(name, to) => {
            clear(&path(name));
            std::os::unix::fs::symlink(format!("to-{to}"), path(name))
        }
        Step::Folder(name) => {
            clear(&path(name));
            fs::create_dir(path(name))
        }
    };
}

/// What each night's archive holds, as stock tar extracts it.
fn extracted(nights: &Nights) -> Vec<BTreeMap<PathBuf, (char, String)>> {
    let extract = |night: u32| {
        let target = nights.workspace.beside(&format!("out-{night}"));
        fs::create_dir(&target).unwrap();
        let archive = nights.workspace.home().join(format!("archive/pai-202611{night:02}-020000.tar.gz"));
        let status = command("tar").arg("-xzf").arg(archive).arg("-C").arg(&target).status();
        assert!(status.unwrap().success());
        let nodes = tree(&target).into_iter();
        nodes.map(|(path, node)| (path, (node.kind, node.content))).collect()
    };
    (1..=nights.count).map(extract).collect()
}

/// The history of a path by brute force, newest first, up to the night `end`.
fn expected(held: &[BTreeMap<PathBuf, (char, String)>], path: &Path, end: usize) -> Vec<String> {
    let state = |night: usize, path: &Path| -> State { held[night].get(path).cloned() };
    let other = |content: &(char, String), then: usize, now: usize| {
        let tells = content.0 == '-' && !content.1.starts_with("0 bytes");
        let names = held[then].iter().filter(|(name, found)| *found == content && state(now, name).is_none());
        let names: Vec<&PathBuf> = names.map(|(name, _)| name).filter(|_| tells).collect();
        let alike = names.iter().find(|name| name.file_name() == path.file_name());
        alike.or(names.first()).map(|name| (*name).clone())
    };
    let mut told = Vec::new();
    let mut night = 0;
    let mut first_seen = None;
    while night < end {
        let Some(content) = state(night, path) else {
            night += 1;
            continue;
        };
        first_seen.get_or_insert((night, content.clone()));
        let last =
            (night..end).take_while(|&later| state(later, path).as_ref() == Some(&content)).last().unwrap();
        told.push(format!("{} {}-{last} {}", path.display(), night, content.1));
        night = last + 1;
        if night < end && state(night, path).is_none() {
            let back = (night..end).find(|&later| state(later, path).is_some());
            let to = other(&content, night, last);
            told.push(format!("{} gone {last} {night} {back:?} {to:?}", path.display()));
        }
    }
    told.reverse();
    if let Some((first, content)) = first_seen.filter(|(first, _)| *first > 0)
        && let Some(from) = other(&content, first - 1, first)
    {
        told.push(format!("{} was {}", path.display(), from.display()));
        // A name that was told of already is not told of again.
        told.extend(expected(held, &from, first));
    }
    told
}

/// The same form of what the tool tells.
fn shown(row: &Value) -> String {
    let night = |key: &str| row[key].as_str().map(|time| time[8..10].parse::<usize>().unwrap() - 1);
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    match row["type"].as_str().unwrap() {
        "version" => {
            let content = match row["kind"].as_str().unwrap() {
                "file" => format!("{} bytes {}", row["size"], text("sha256")),
                _ => text("link"),
            };
            let (first, last) = (night("first").unwrap(), night("last").unwrap());
            assert_eq!(row["archives"].as_u64().unwrap() as usize, last - first + 1);
            format!("{} {first}-{last} {content}", text("path"))
        }
        "deleted" => {
            let to = row["to"].as_str().map(PathBuf::from);
            let (last, by) = (night("last").unwrap(), night("by").unwrap());
            format!("{} gone {last} {by} {:?} {to:?}", text("path"), night("back"))
        }
        _ => format!("{} was {}", text("to"), text("from")),
    }
}

/// Whether the tool tells of this history what the archives hold.
fn agrees(history: &[Vec<Step>]) -> Result<Vec<Value>, TestCaseError> {
    let mut nights = Nights::new();
    nights.workspace.write("x/keep", b"kept");
    nights.workspace.write("y/keep", b"kept too");
    for steps in history {
        for step in steps {
            carry_out(step, nights.workspace.home());
        }
        nights.night(&[]);
    }
    let held = extracted(&nights);
    let mut paths: Vec<&PathBuf> = held.iter().flat_map(BTreeMap::keys).collect();
    paths.sort();
    paths.dedup();
    let mut all = Vec::new();
    for path in &paths {
        let rows = nights.rows(&["history", "--json", path.to_str().unwrap()]);
        let told: Vec<String> = rows.iter().map(shown).collect();
        prop_assert_eq!(told, expected(&held, path, held.len()), "{}", path.display());
        all.extend(rows);
    }
    let found: BTreeMap<PathBuf, Vec<usize>> = nights
        .rows(&["find", "--json", "*"])
        .iter()
        .map(|row| {
            let names = row["archives"].as_array().unwrap().iter();
            let numbers = names.map(|name| name.as_str().unwrap()[10..12].parse::<usize>().unwrap());
            (row["path"].as_str().unwrap().into(), numbers.collect())
        })
        .collect();
    let brute: BTreeMap<PathBuf, Vec<usize>> = paths
        .iter()
        .map(|path| {
            let has = |night: &usize| held[night - 1].contains_key(*path);
            ((*path).clone(), (1..=held.len()).filter(has).collect())
        })
        .collect();
    prop_assert_eq!(found, brute);
    Ok(all)
}

#[test]
fn history_and_find_agree_with_the_extraction_of_every_archive() {
    use Step::{Delete, Folder, Link, Rename, Symlink, Write};
    // One that has all of it, whatever is drawn.
    let rows = agrees(&[
        vec![Write(0, 1), Write(3, 2), Link(3, 4)],
        vec![Rename(0, 2), Write(4, 3)],
        vec![Rename(2, 1), Symlink(0, 1), Delete(4)],
        vec![Delete(1), Folder(0), Rename(3, 5)],
        vec![Write(1, 1), Delete(0), Write(0, 0)],
    ]);
    let rows = rows.unwrap();
    let count = |what: &str| rows.iter().filter(|row| row["type"] == what).count();
    assert!(count("version") > 10 && count("renamed") > 2 && count("deleted") > 4, "{rows:?}");
    // A file that got two names at once: the one that is like the old one is told, though the other is first in the archive.
    agrees(&[vec![Write(4, 1)], vec![Link(4, 0), Rename(4, 3)]]).unwrap();
    let strategy = proptest::collection::vec(proptest::collection::vec(step(), 1..6), 2..6);
    let config = Config { cases: 10, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&strategy, |history| agrees(&history).map(drop)).unwrap();
}
