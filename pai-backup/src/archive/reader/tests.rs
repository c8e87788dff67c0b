use std::ffi::OsString;
use std::path::PathBuf;

use pai_common::clock::Timestamp;

use super::*;
use crate::archive::header::{encode, pad};
use crate::entry::Kind;

fn file(path: &str, size: u64) -> Entry {
    Entry {
        path: PathBuf::from(path),
        kind: Kind::File,
        mode: 0o4755,
        uid: 1000,
        gid: 3_000_000,
        size,
        mtime: Timestamp::new(-2, 250_000_000),
        link: PathBuf::new(),
        device: (0, 0),
    }
}

fn read_all(bytes: &[u8]) -> Result<Vec<TarEntry>, TarError> {
    let mut reader = TarReader::new(bytes);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        entries.push(entry);
    }
    Ok(entries)
}

fn archive(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = parts.concat();
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

#[test]
fn what_is_written_is_read_back() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(130));
    let xattrs = vec![(OsString::from("user.a=b%"), b"line\nline\0".to_vec())];
    let mut link = file("link", 0);
    (link.kind, link.link) = (Kind::Symlink, PathBuf::from("t".repeat(150)));
    let folder = Entry { kind: Kind::Folder, size: 0, ..file("folder", 0) };
    let device = Entry { kind: Kind::BlockDevice, device: (8, 1), ..file("sda1", 0) };
    for entry in [file(&long, 3), link, folder, device, file("plain", 3)] {
        let mut bytes = encode(&entry, &xattrs, None);
        if entry.size > 0 {
            bytes.extend_from_slice(b"abc");
            pad(&mut bytes);
        }
        let read = read_all(&archive(&[&bytes])).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!((&read[0].entry, &read[0].xattrs), (&entry, &xattrs));
    }
}

#[test]
fn a_sparse_map_is_read_back() {
    let entry = file("holes", 1 << 33);
    let map = SparseMap { extents: vec![(4096, 5), (1 << 30, 7)] };
    let mut bytes = encode(&entry, &[], Some(&map));
    bytes.extend_from_slice(b"firstseventh");
    pad(&mut bytes);
    let read = read_all(&archive(&[&bytes])).unwrap();
    assert_eq!(read[0].entry, entry);
    assert_eq!(read[0].stored, 12);
    assert_eq!(read[0].sparse.as_ref().unwrap().extents[..2], map.extents);
}

#[test]
fn a_sparse_file_is_none_the_less_a_file_for_having_no_name() {
    let entry = file("..", 1000);
    let bytes = archive(&[&encode(&entry, &[], Some(&SparseMap::default()))]);
    assert_eq!(read_all(&bytes).unwrap()[0].entry, entry);
}

#[test]
fn ambiguous_and_broken_streams_are_refused() {
    let entry = file("a", 3);
    let good = encode(&entry, &[], None);
    // (what is done to it, a piece of the message)
    let lying_size = {
        let mut body = b"11 size=99\n".to_vec();
        pad(&mut body);
        let mut header = Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(11);
        header.set_cksum();
        let mut plain = Header::new_ustar();
        plain.set_path("victim").unwrap();
        plain.set_size(3);
        plain.set_cksum();
        [header.as_bytes().as_slice(), &body, plain.as_bytes(), &[0; BLOCK]].concat()
    };
    let oversized = {
        let mut header = Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(1 << 32);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let typed = |flag: u8, size: u64| {
        let mut header = Header::new_ustar();
        header.set_path("x").unwrap();
        header.set_entry_type(tar::EntryType::new(flag));
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let pax = |records: &str| {
        let mut bytes = [typed(b'x', records.len() as u64), records.as_bytes().to_vec()].concat();
        pad(&mut bytes);
        bytes
    };
    let many = [typed(b'L', 1 << 19), vec![b'n'; 1 << 19]].concat().repeat(3);
    let endless = [pax("22 GNU.sparse.major=1\n26 GNU.sparse.realsize=99\n"), typed(b'0', 1 << 30)].concat();
    let pieces = {
        let mut map = format!("{}\n", 2 << 20).into_bytes();
        map.resize(BLOCK, b'\n');
        map
    };
    let huge = [pax("29 size=18446744073709551615\n"), typed(b'0', 0)].concat();
    let sparse_folder = [pax("22 GNU.sparse.map=0,0\n23 GNU.sparse.size=512\n"), typed(b'5', 0)].concat();
    let mut flipped = good.clone();
    flipped[BLOCK * 2 + 5] ^= 1;
    for (bytes, message) in [
        (archive(&[&lying_size]), "disagrees"),
        (archive(&[&oversized]), "extension header of 4294967296 bytes"),
        (archive(&[&many]), "extension header of 1572864 bytes"),
        (archive(&[&endless, &pieces]), "unreadable sparse map"),
        (archive(&[&huge]), "impossible size"),
        (archive(&[&sparse_folder]), "a sparse map of what is no file"),
        (archive(&[&flipped]), "not a tar header"),
        (archive(&[&good[..2 * BLOCK]]), "no entry behind it"),
        (good.clone(), "stops before"),
        (good[..700].to_vec(), "stops before"),
    ] {
        let error = read_all(&bytes).unwrap_err().to_string();
        assert!(error.contains(message), "{message}: {error}");
    }
}

#[test]
fn labels_are_no_entries_and_what_a_dump_says_of_a_folder_is_skipped() {
    let header = |flag: u8, name: &str, size: u64| {
        let mut header = Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_entry_type(tar::EntryType::new(flag));
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let mut listing = b"Yfile\0Dfolder\0\0".to_vec();
    pad(&mut listing);
    let read = read_all(&archive(&[
        &header(b'V', "a label", 0),
        &header(b'D', "home/", 15),
        &listing,
        &header(b'0', "home/file", 0),
    ]))
    .unwrap();
    let found: Vec<_> = read.iter().map(|it| (it.entry.path.to_str().unwrap(), it.entry.kind)).collect();
    assert_eq!(found, [("home", Kind::Folder), ("home/file", Kind::File)]);
}
