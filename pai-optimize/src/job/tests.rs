//! Conservation, idempotence and restoring, over generated memory files and whole runs on a real folder.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pai_common::clock::Timestamp;
use pai_common::console::Console;
use proptest::prelude::*;

use super::*;
use crate::memory::Kind;
use crate::restore::Restore;
use crate::summaries::Period;

/// One piece of a memory file, with a mark of its own in it wherever it has a body.
fn piece() -> impl Strategy<Value = String> {
    let heading = prop::sample::select(vec![
        "## 2025-09-01",
        "## 2025-09-01",
        "## 2025-09-02 ",
        "##\t2025-09-05",
        "   ## 2025-09-09 ##",
        "## 2025-09-10",
        "## 2025-09-15",
        "## 2025-08-20",
        "## 2025-07-01",
        "## 2025-07-02",
        "## 2024-03-05",
        "## 2023-12-31",
        "2025-09-03\n----------",
        "## 2025-09-30",
        "## 2025-02-30",
        "## 2025-09-04 - a title",
        "## Projects",
        "# Title",
        "# PAI Memory",
        "### deeper",
        "## Summaries",
        "## Recent Entries",
        "   ## Recent Entries",
        "Notes\n===",
        "#tag\n---",
        "##",
        "",
    ]);
    let body = prop::sample::select(vec![
        "",
        "\n",
        "Met #MARK# about the lease.\n",
        "\n- bought #MARK#\n- sold #MARK# again\n\n",
        "#MARK# without end",
        "```\n## 2025-09-01\n#MARK#\n```\n",
        "~~~ x\n#MARK#\n",
        "<!--\n## 2025-09-02\n#MARK#\n-->\n",
        "<!-- #MARK#\n",
        "<!-- pin -->\n#MARK#\n",
        "- list #MARK#\n\n  ## in item\n",
        "> quote #MARK#\n",
        "<div>\n#MARK#\n\n",
        "- 2025-06-01: old line #MARK#\n",
        "_Last updated: x_\n\n- 2025-09-01: ours #MARK# ([archive](archive/memory/memory-2025-09-01.md))\n",
        "    code #MARK#\n",
        "[#MARK#]: /x\n",
        "\u{2028}#MARK#\u{85}\u{b}\n",
        "INVALID#MARK#\n",
        "```\n```\n#MARK#\n",
    ]);
    (heading, body).prop_map(|(heading, body)| format!("{heading}\n{body}"))
}

fn document() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::collection::vec(piece(), 0..12);
    (pieces, any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2), 0usize..3).prop_map(
        |(pieces, crlf, mark, front, cut)| {
            let mut text = String::new();
            for (number, piece) in pieces.iter().enumerate() {
                text.push_str(&piece.replace("#MARK#", &format!("mark{number}m")));
            }
            if front {
                text.insert_str(0, "---\ntitle: x\n---\n");
            }
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            let mut bytes = text.into_bytes();
            if mark {
                bytes.splice(0..0, *b"\xef\xbb\xbf");
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            while let Some(at) = memchr::memmem::find(&bytes, b"INVALID") {
                bytes.splice(at..at + 7, *b"\xff\xfe");
            }
            bytes
        },
    )
}

/// In memory where there is such a place: a thousand cases sync a hundred thousand times.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A child that a test beside this one forks holds our locks until it is another program.
const WAIT: Option<Duration> = Some(Duration::from_secs(60));

fn job(folder: &Path, now: &str) -> Job {
    let memory = folder.join("memory.md");
    Job {
        archive: Archive::of(&memory, None),
        notes: None,
        memory,
        named: true,
        window: 7,
        roll_up: 60,
        budget: Budget::default(),
        reading: Reading::EXACT,
        summarizer: None,
        clock: Clock::new(Some(Timestamp::parse(now).unwrap())),
        wait: WAIT,
    }
}

fn run(job: &Job) {
    let console = Console::new("pai-optimize", true, false);
    let mut journal = Journal::console(&console);
    journal.echo = false;
    job.run(&mut journal).unwrap();
}

/// Every visible file: its bytes, and when it was written.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64)> {
    let archive = folder.join("archive/memory");
    let mut files = BTreeMap::new();
    for entry in [folder, &archive].iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten() {
        let path = entry.unwrap().path();
        let hidden = path.file_name().unwrap().as_encoded_bytes().starts_with(b".");
        if path.is_file() && !hidden {
            let found = path.metadata().unwrap();
            files.insert(path.clone(), (std::fs::read(&path).unwrap(), found.mtime(), found.mtime_nsec()));
        }
    }
    files
}

/// The sections that somebody wrote: all but our own two blocks.
fn written(bytes: &[u8]) -> Vec<Vec<u8>> {
    let document = Document::parse(bytes, Reading::EXACT);
    let own = |kind| matches!(kind, Kind::Summaries | Kind::Recent);
    document
        .sections
        .iter()
        .filter(|section| !own(section.kind))
        .map(|section| document.text(section).to_vec())
        .collect()
}

/// Each section once, in one file; a section without a mark may be another's beginning.
fn assert_conserved(sections: &[Vec<u8>], original: &[u8], folder: &Path) -> Result<(), TestCaseError> {
    let files = snapshot(folder);
    let shown = || String::from_utf8_lossy(original).into_owned();
    for section in sections {
        let count: usize =
            files.values().map(|(bytes, ..)| memchr::memmem::find_iter(bytes, section).count()).sum();
        let marked = memchr::memmem::find(section, b"mark").is_some();
        prop_assert!(
            count == 1 || (!marked && count > 1),
            "{count} times {:?} of {:?}",
            String::from_utf8_lossy(section),
            shown()
        );
    }
    // Words in our own blocks too: summaries that were there are somewhere still.
    let everything: Vec<u8> = files.into_values().flat_map(|(bytes, ..)| bytes).collect();
    for at in memchr::memmem::find_iter(original, b"mark") {
        let end = at + original[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        prop_assert!(memchr::memmem::find(&everything, &original[at..end]).is_some(), "{:?}", shown());
    }
    Ok(())
}

fn once(files: &BTreeMap<PathBuf, (Vec<u8>, i64, i64)>, heading: &[u8]) -> bool {
    let memory = files.iter().find(|(path, _)| path.ends_with("memory.md")).unwrap();
    memchr::memmem::find_iter(&memory.1.0, heading).count() <= 1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(3000), failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_section_is_found_exactly_once_after_one_two_and_five_runs_and_comes_back(original in document()) {
        let folder = folder();
        let memory = folder.path().join("memory.md");
        std::fs::write(&memory, &original).unwrap();
        let sections = written(&original);
        for day in ["2025-09-16", "2025-09-17", "2025-10-20", "2026-01-05", "2027-06-01"] {
            let job = job(folder.path(), &format!("{day}T09:00:17Z"));
            run(&job);
            assert_conserved(&sections, &original, folder.path())?;
            let first = snapshot(folder.path());
            run(&job);
            prop_assert_eq!(&first, &snapshot(folder.path()), "the second run of a day changes nothing");
            if memchr::memmem::find(&original, b"Summaries").is_none() {
                prop_assert!(once(&first, b"## Summaries"));
            }
        }
        let job = job(folder.path(), "2027-06-01T09:00:17Z");
        let days: Vec<Period> = job.archive.list().unwrap().dates.into_iter().map(Period::day).collect();
        let restore = Restore {
            memory: &memory, notes: None, archive: &job.archive, periods: &days, reading: Reading::EXACT, clock: job.clock,
            wait: WAIT, dry_run: false,
        };
        restore.put_back(&Console::new("pai-optimize", true, false)).unwrap();
        let restored = std::fs::read(&memory).unwrap();
        for section in &sections {
            prop_assert!(memchr::memmem::find(&restored, section).is_some(), "{:?}", String::from_utf8_lossy(section));
        }
        // What was restored is recognised, not stored twice.
        let archived = |files: BTreeMap<PathBuf, (Vec<u8>, i64, i64)>| {
            let day = |path: &PathBuf| *path != memory && *path != job.archive.retired();
            // A last line without an ending got one when it was restored before others.
            let days = files.into_iter().filter(|(path, _)| day(path));
            days.map(|(path, (bytes, ..))| (path, bytes.trim_ascii_end().to_vec())).collect::<Vec<_>>()
        };
        let before = archived(snapshot(folder.path()));
        run(&job);
        prop_assert_eq!(before, archived(snapshot(folder.path())));
    }
}

fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

#[test]
fn the_smallest_files_are_left_alone() {
    for bytes in [b"".as_slice(), b"x", b"\n", b"#", b"\xff", b"\xef\xbb\xbf"] {
        let folder = tempfile::tempdir().unwrap();
        let memory = folder.path().join("memory.md");
        std::fs::write(&memory, bytes).unwrap();
        run(&job(folder.path(), "2025-09-16T09:00:17Z"));
        assert_eq!(std::fs::read(&memory).unwrap(), bytes);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
