//! `tests/ROWS.md` names a place for each documented behaviour: that there is a test of that row.

use std::fs;
use std::path::Path;

use pai_tests::repository;

/// All Rust text at or below a place.
fn text_of(place: &Path) -> String {
    if place.is_dir() {
        let entries = fs::read_dir(place).expect("a folder").flatten();
        // Test data may be anything.
        let is_code =
            |path: &std::path::PathBuf| path.is_dir() || path.extension().is_some_and(|end| end == "rs");
        return entries.map(|entry| entry.path()).filter(is_code).map(|path| text_of(&path)).collect();
    }
    fs::read_to_string(place).unwrap_or_else(|error| panic!("{}: {error}", place.display()))
}

/// Whether a test of this row (`0.19a`) is in the text: its name holds `row_0_19a_`.
fn holds(text: &str, row: &str) -> bool {
    let word = format!("row_{}_", row.replace('.', "_"));
    text.lines().any(|line| line.trim_start().starts_with("fn ") && line.contains(&word))
}

#[test]
fn every_place_that_is_named_for_a_row_has_a_test_of_that_row() {
    let page = fs::read_to_string(repository().join("tests/ROWS.md")).expect("the page");
    let rows = page
        .lines()
        .filter(|line| ["| 0.", "| 1.", "| 2.", "| 3.", "| 4."].iter().any(|start| line.starts_with(start)));
    let mut count = 0;
    let mut missing = Vec::new();
    for line in rows {
        let (before, places) = line.trim_end_matches(" |").rsplit_once(" | ").expect("cells");
        let row = before[2..].split(' ').next().expect("a row");
        for place in places.split(", ") {
            if !holds(&text_of(&repository().join("tests").join(place)), row) {
                missing.push(format!("{row}: no test of it in {place}"));
            }
            count += 1;
        }
    }
    assert_eq!(missing, [""; 0]);
    assert!(count >= 120, "{count} places");
    assert!(
        !holds("fn row_2_17a_x() {}", "2.17b")
            && !holds("// fn row_2_1_", "2.1")
            && holds("    fn row_2_1_x() {", "2.1")
    );
}
