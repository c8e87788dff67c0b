//! The picture of the house, against the house.

use std::fs;

use pai_tests::repository;

/// The labels of the picture's text source, their lines apart.
fn labels(dot: &str) -> Vec<Vec<&str>> {
    let labels = dot.split("label=\"").skip(1).filter_map(|rest| rest.split('"').next());
    labels.map(|label| label.split("\\n").flat_map(|part| part.split("\\l")).collect()).collect()
}

/// Whether a word of a label is a file or folder of ours.
fn is_room(word: &str) -> bool {
    let below = [
        "",
        "scripts",
        "pai-common/src",
        "pai-backup/src",
        "pai-backup/src/archive",
        "pai-backup/src/restore",
    ];
    below.iter().any(|folder| {
        let path = repository().join(folder).join(word);
        path.exists() || path.with_extension("rs").exists()
    })
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', ',']).filter(|word| !word.is_empty())
}

#[test]
fn the_picture_names_only_rooms_that_exist_and_is_drawn_from_its_source() {
    let dot = fs::read_to_string(repository().join("docs/architecture.dot")).unwrap();
    let svg = fs::read_to_string(repository().join("docs/architecture.svg")).unwrap();
    let svg = svg.replace("&#45;", "-").replace("&#160;", " ");
    let labels = labels(&dot);
    let rooms = [
        "source",
        "chunk",
        "reuse",
        "pack, pipeline",
        "archive/writer",
        "archive/open",
        "archive/reader, stream",
        "store/send",
        "store/stored",
        "crypt",
        "past",
        "browse",
        "repair",
    ];
    for room in
        rooms.into_iter().chain(["contents, content", "shelf", "pai-checksum", "pai-rotate", "pai-optimize"])
    {
        assert!(labels.iter().any(|label| label[0] == room), "{room} is not in the picture: {labels:?}");
        for word in words(room) {
            assert!(is_room(word), "{word} is drawn and does not exist");
        }
    }
    let common = labels.iter().find(|label| label[0] == "pai-common").unwrap();
    for word in common[1..].iter().flat_map(|line| words(line)) {
        assert!(repository().join(format!("pai-common/src/{word}.rs")).exists(), "{word}");
    }
    for line in labels.iter().flatten().map(|line| line.trim()).filter(|line| !line.is_empty()) {
        assert!(svg.contains(line), "{line:?} is not in the SVG: draw it again");
    }
    assert!(!is_room("no-such-room"));
}
