//! Checksum lines and manifests, on any bytes.

use pai_checksum::manifest::Manifest;
use pai_common::checksum_line::{self, Entry, Parsed, Parser, Style};

/// What is read is written so that it is read the same again, line by line and as a manifest.
pub(crate) fn holds(bytes: &[u8]) {
    let mut parser = Parser::default();
    for line in checksum_line::lines(bytes) {
        if let Parsed::Entry(entry) = parser.parse(line) {
            is_written_and_read_back(&entry);
        }
    }
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    if manifest.entries.iter().all(|recorded| has_a_name(&recorded.entry)) {
        assert_eq!(Manifest::parse(&manifest.to_bytes(false)).as_ref(), Ok(&manifest));
        let plain = Manifest::parse(&manifest.to_bytes(true)).expect("what we write can be read");
        let entries =
            |manifest: &Manifest| manifest.entries.iter().map(|it| it.entry.clone()).collect::<Vec<_>>();
        assert_eq!(entries(&plain), entries(&manifest));
    }
}

fn is_written_and_read_back(entry: &Entry) {
    if has_a_name(entry) {
        let line = checksum_line::format(&entry.digest, &entry.name, entry.style);
        assert!(!line.contains(&b'\n'));
        assert_eq!(Parser::default().parse(&line), Parsed::Entry(entry.clone()));
    }
    assert_eq!(checksum_line::unescape(&checksum_line::escape(&entry.name).1).as_ref(), Some(&entry.name));
}

/// A NUL may leave nothing of a name, and only tagged lines can say so.
fn has_a_name(entry: &Entry) -> bool {
    entry.style == Style::Tag || !entry.name.is_empty()
}
