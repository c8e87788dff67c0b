use super::*;

/// A file as the walk sees it now.
fn walked(root: &Path, name: &str) -> Source {
    let metadata = root.join(name).symlink_metadata().unwrap();
    let file = File::open(root.join(name)).unwrap();
    Source {
        entry: Entry::of(name.into(), Kind::File, &metadata),
        identity: Identity::of(&metadata),
        sparse: source::sparse_map(&file, metadata.len()),
    }
}

#[test]
fn data_that_comes_into_a_hole_after_the_walk_is_archived() {
    let root = tempfile::tempdir().unwrap();
    let file = File::create(root.path().join("disk")).unwrap();
    file.set_len(8 << 20).unwrap();
    file.write_all_at(b"early", 0).unwrap();
    let source = walked(root.path(), "disk");
    if source.sparse.is_none() {
        return; // This file system keeps no holes.
    }
    // More than the smallest step of the file system's clock.
    std::thread::sleep(std::time::Duration::from_millis(20));
    file.write_all_at(b"late", 4 << 20).unwrap();
    let mut payload = Vec::new();
    let (packed, trouble) = pack_small(root.path(), source, false, &mut payload).unwrap();
    assert_eq!(trouble, None);
    assert!(payload[packed.data].windows(4).any(|bytes| bytes == b"late"));
    // More than a small file can hold is not: but that is said.
    let source = walked(root.path(), "disk");
    std::thread::sleep(std::time::Duration::from_millis(20));
    file.write_all_at(&vec![1; 2 << 20], 2 << 20).unwrap();
    let (_, trouble) = pack_small(root.path(), source, false, &mut Vec::new()).unwrap();
    assert_eq!(trouble.unwrap(), "disk changed while it was read");
}

#[test]
fn what_cannot_be_read_is_zeros_where_the_header_is_out_and_an_error_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a"), "five!").unwrap();
    let source = walked(root.path(), "a");
    // A handle that only writes reads like a disk that fails.
    let broken = File::options().write(true).open(root.path().join("a")).unwrap();
    assert!(StoredReader::new(&broken, &source).read_to_end(&mut Vec::new()).is_err());
    let mut reader = StoredReader::new(&broken, &source).padded();
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, [0; 5]);
    assert!(reader.has_failed());
    let trouble = reader.trouble(&source).unwrap();
    assert!(
        trouble.starts_with("could not read a: ") && trouble.ends_with(": padded with zeros"),
        "{trouble}"
    );
}

#[test]
fn an_attribute_that_cannot_be_read_is_left_out_and_not_emptied() {
    let found = read_xattrs(b"user.b\0user.a\0user.denied\0system.acl\0", |name, buffer| {
        if name == "user.denied" {
            return Err(rustix::io::Errno::ACCESS);
        }
        buffer[..1].copy_from_slice(b"x");
        Ok(usize::from(name == "user.a"))
    });
    assert_eq!(found, [("user.a".into(), b"x".to_vec()), ("user.b".into(), Vec::new())]);
}
