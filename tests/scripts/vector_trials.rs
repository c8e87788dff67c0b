//! `defragment` under trial, with each store's own library: what it does wrong, kills at every step, writers meanwhile,
//! full disks. `vector_trials.py` runs the trials of a kind of store in one go.

use std::path::Path;

use pai_tests::{command, repository, run, scratch, skip};
use serde_json::Value;

use crate::vector_files::{has_libraries, python};

/// Vectors of a store: few are enough to show what is lost. `PAI_TEST_VECTORS=20000` shows that it is not
/// for their number.
fn made() -> u64 {
    std::env::var("PAI_TEST_VECTORS")
        .map_or(300, |count| count.parse().expect("PAI_TEST_VECTORS is a number"))
}

/// Three in ten are deleted.
fn alive() -> u64 {
    made() - made() * 3 / 10
}

/// What came of each trial of a kind of store; `None`, after a skip, without its library or the right to mount.
struct Trials(Vec<Value>);

impl Trials {
    fn run(kind: &str, topics: &[&str]) -> Option<Self> {
        if !has_libraries(&["numpy", "pyarrow", "faiss", "hnswlib", "annoy", kind]) {
            return None;
        }
        let folder = scratch();
        let mut trials = python();
        trials.arg(repository().join("tests/scripts/vector_trials.py")).arg(kind).arg(folder.path());
        trials.env("PAI_TEST_VECTORS", made().to_string());
        Some(Self::of(run(trials.args(topics)).expect(0).stdout.lines()))
    }

    /// On a small file system of its own.
    fn on_a_disk(kind: &str, folder: &Path) -> Self {
        let mut trials = command("unshare");
        trials.arg("--mount").arg("python3").env("PYTHONPATH", repository().join("target/python"));
        trials.arg(repository().join("tests/scripts/vector_trials.py")).arg(kind).arg(folder).arg("disk");
        Self::of(run(&mut trials).expect(0).stdout.lines())
    }

    fn of<'lines>(lines: impl Iterator<Item = &'lines str>) -> Self {
        Self(lines.map(|line| serde_json::from_str(line).expect("each line is JSON")).collect())
    }

    fn all<'trials>(&'trials self, trial: &str) -> impl Iterator<Item = &'trials Value> {
        let found: Vec<_> = self.0.iter().filter(|one| one["trial"] == trial).collect();
        assert!(!found.is_empty(), "{trial} in {:?}", self.0);
        found.into_iter()
    }

    #[track_caller]
    fn only(&self, trial: &str) -> &Value {
        self.all(trial).next().expect("a trial")
    }

    /// It ended so, said this, and the store is to the byte what it was, with nothing beside it.
    #[track_caller]
    fn unchanged(&self, trial: &str, status: i32, said: &str) {
        let one = self.only(trial);
        assert!(one["said"].as_str().is_some_and(|text| text.contains(said)), "{said} in {one}");
        let is = (&one["status"], &one["store"], &one["left"]);
        assert_eq!(is, (&status.into(), &"old".into(), &Value::Array(Vec::new())), "{one}");
    }

    /// It ended well, with so many vectors.
    #[track_caller]
    fn done(&self, trial: &str, vectors: u64) {
        for one in self.all(trial) {
            let is = (&one["status"], &one["store"], &one["left"]);
            assert_eq!(is, (&0.into(), &vectors.into(), &Value::Array(Vec::new())), "{one}");
        }
    }

    /// At each step the store is the old one or the new one: so it is if the run is killed then.
    #[track_caller]
    fn old_or_new_at_every_step(&self) {
        let steps = self.only("steps");
        assert_eq!((&steps["status"], &steps["swap"]), (&0.into(), &true.into()), "{steps}");
        assert_eq!(steps["states"], serde_json::json!(["old", alive()]), "{steps}");
        assert!(steps["steps"].as_u64() > Some(6), "{steps}");
        assert_eq!(self.only("killed-before-the-swap")["store"], "old");
        assert_eq!(self.only("killed-after-the-swap")["store"], alive());
        for killed in ["killed-before-the-swap", "killed-after-the-swap"].map(|trial| self.only(trial)) {
            assert_eq!(killed["status"], -9, "{killed}");
            assert_ne!(killed["left"], Value::Array(Vec::new()), "the next run has something to clear away");
        }
        self.done("again", alive());
    }
}

/// What holds for every index file; `metric` is what is said of one that measures otherwise.
#[track_caller]
fn an_index_file(kind: &str, metric: &str) {
    let Some(trials) = Trials::run(kind, &["proof", "steps", "writer"]) else { return };
    for (trial, said) in [
        ("wrong-source", "are others in the source; the old one stays"),
        ("few-source", "the source lacks"),
        (
            "lost",
            &*format!(
                "the new one lacks 50 of {} vectors and has {}; the old one stays",
                alive(),
                alive() - 50
            ),
        ),
        ("mixed", "of the new one's vectors are not the source's; the old one stays"),
        ("cut", "the new one could not be made"),
        ("metric", metric),
        ("blind", "the new one's recall is 0."),
    ] {
        trials.unchanged(trial, 1, said);
    }
    trials.done("good", alive());
    trials.old_or_new_at_every_step();
    trials.unchanged("open", 2, "another program writes to it; nothing was changed");
    // One that replaces the file while the new one is built, and one at the very last moment.
    for trial in ["build", "swap"] {
        trials.unchanged(trial, 2, "was written to meanwhile; nothing was changed");
    }
    let written = trials.only("written");
    assert_eq!((&written["status"], &written["store"]), (&2.into(), &"appended".into()), "{written}");
}

#[test]
fn row_3_1_a_faiss_index_is_whole_whatever_goes_wrong_and_a_worse_one_never_takes_its_place() {
    an_index_file("faiss", "the new one's metric is ip, the old one's l2; the old one stays");
}

#[test]
fn row_3_1_an_hnswlib_index_is_whole_whatever_goes_wrong_and_a_worse_one_never_takes_its_place() {
    // Its file does not say its metric: it finds others.
    an_index_file("hnswlib", "the old one's 1.000; the old one stays");
}

#[test]
fn row_3_1_an_annoy_index_is_whole_whatever_goes_wrong_and_a_worse_one_never_takes_its_place() {
    an_index_file("annoy", "Ensure you are opening using the same metric");
}

#[test]
fn row_3_1_a_folder_of_chroma_is_whole_whatever_goes_wrong_and_no_write_to_it_is_lost() {
    let Some(trials) = Trials::run("chroma", &["proof", "steps", "writer"]) else { return };
    for (trial, said) in [
        (
            "lost",
            &*format!("docs lacks 2 of the {} vectors that were there before; the old one stays", alive()),
        ),
        ("others", &*format!("docs: 1 of its {} vectors are others now; the old one stays", alive())),
        ("metric", "docs: the new one's metric is l2, the old one's cosine; the old one stays"),
        ("gone", "docs is gone; the old one stays"),
        ("blind", "the new one's recall is 0."),
    ] {
        trials.unchanged(trial, 1, said);
    }
    trials.done("good", alive());
    trials.old_or_new_at_every_step();
    // A program that has it open, one that comes while the copy is vacuumed, and one at the very last moment.
    for (trial, said) in [
        ("open", "is in use by process"),
        ("vacuum", "was written to meanwhile; nothing was changed"),
        ("swap", "was written to meanwhile; nothing was changed"),
    ] {
        let one = trials.only(trial);
        assert!(one["said"].as_str().is_some_and(|text| text.contains(said)), "{one}");
        assert_eq!(
            (&one["status"], &one["store"], &one["ids"]),
            (&2.into(), &(alive() + 50).into(), &50.into()),
            "{one}"
        );
    }
    let open = trials.only("open");
    assert!(open["copied"] == 2 && open["copy"] == false, "a copy is not made at all: {open}");
}

#[test]
fn a_plain_copy_of_a_chroma_that_is_written_to_is_no_backup_and_the_documented_one_is() {
    let Some(trials) = Trials::run("chroma", &["copy"]) else { return };
    let all_of = |count: u64| format!("{count} of {count}");
    let plain = trials.only("plain-copy");
    assert_ne!((&plain["status"], &plain["said"]), (&0.into(), &all_of(alive() + 1500).into()), "{plain}");
    assert_ne!(plain["said"], all_of(alive() + 3000), "{plain}");
    // A search in a graph may miss one of thousands, in the copy as in the original.
    let (ours, original) = (trials.only("our-copy"), trials.only("original"));
    assert_eq!(ours["said"], original["said"], "{:?}", trials.0);
    let said = ours["said"].as_str().unwrap_or_default();
    assert!(said.ends_with(&format!(" of {}", alive() + 3000)), "{ours}");
    assert!(made() > 300 || said == all_of(alive() + 3000), "{ours}");
}

#[test]
fn row_3_1_a_lancedb_table_keeps_every_row_whatever_goes_wrong_and_whoever_writes() {
    let Some(trials) = Trials::run("lancedb", &["proof", "steps", "writer"]) else { return };
    for (trial, status, said) in [
        (
            "lost",
            1,
            &*format!("docs lacks 1 of the {} vectors that were there before; the old one stays", alive()),
        ),
        ("others", 1, &*format!("docs: 1 of its {} vectors are others now; the old one stays", alive())),
        ("metric", 1, "the old one's 1.000; the old one stays"),
        ("gone", 2, "ot found"),
        ("blind", 1, "the new one's recall is 0."),
    ] {
        trials.unchanged(trial, status, said);
    }
    trials.done("good", alive());
    // It works in place, by new versions: whenever it is killed, every row is there.
    for killed in trials.all("killed") {
        assert_eq!(killed["whole"], true, "{killed}");
    }
    trials.done("again", alive());
    // Writers at two moments, and one all the time; whose new rows are no loss of what is found.
    trials.done("trial", alive() + 50);
    trials.done("forget", alive() + 50);
    assert!(trials.only("forget")["said"].as_str().unwrap().ends_with("1.000 before, 1.000 after"));
    let always = trials.only("all-the-time");
    assert_eq!((&always["status"], &always["ids"]), (&0.into(), &always["expected"]), "{always}");
    // The copy that is made meanwhile has all that was there when it began.
    assert!(trials.only("copy")["status"] == 0 && trials.only("copy")["whole"] == true, "{:?}", trials.0);
}

#[test]
fn row_3_14_a_full_disk_and_a_folder_that_cannot_be_written_leave_every_store_as_it_was() {
    let mounts = run(command("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]));
    if mounts.status != Some(0) {
        return skip("no file system of one's own here (needs root)");
    }
    if !has_libraries(&["numpy", "chromadb", "lancedb", "faiss", "hnswlib", "annoy"]) {
        return;
    }
    for kind in ["faiss", "hnswlib", "annoy", "chroma", "lancedb"] {
        let folder = scratch();
        let trials = Trials::on_a_disk(kind, folder.path());
        let (status, filled) = match kind {
            "chroma" | "lancedb" => (2, "No space left on device"),
            _ => (1, "no room is left for it"),
        };
        trials.unchanged("full", 2, "bytes free in");
        trials.unchanged("filled", status, filled);
        trials.unchanged("read-only", 2, "could not write in");
    }
}
