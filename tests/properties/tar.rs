//! The tar reader, on any bytes.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use pai_backup::archive::header::{BLOCK, encode, pad};
use pai_backup::archive::reader::{TarEntry, TarReader};
use pai_backup::entry::Kind;

/// Reads `bytes` as a tar stream whose checksums are right: a fuzzer cannot guess sums.
pub(crate) fn holds(bytes: &[u8]) {
    let mut tar = bytes.to_vec();
    mend(&mut tar);
    is_read_properly(&tar);
}

/// Entries come in order, none reaches beyond the stream, and each is what our own writer would make of it.
pub(crate) fn is_read_properly(tar: &[u8]) {
    let mut reader = TarReader::new(tar);
    let mut end = 0;
    while let Ok(Some(found)) = reader.next_entry() {
        assert!(found.offset >= end && found.data_offset > found.offset, "{found:?}");
        assert!(found.entry.mode <= 0o7777, "{found:?}");
        assert!(found.entry.kind == Kind::File || found.stored == 0 && found.entry.size == 0, "{found:?}");
        end = found.data_offset;
        let mut data = Vec::new();
        if reader.data().read_to_end(&mut data).is_ok() {
            assert_eq!(data.len() as u64, found.stored);
            is_written_and_read_back(&found, &data);
        }
        assert!(reader.position() <= tar.len() as u64);
    }
}

fn is_written_and_read_back(found: &TarEntry, data: &[u8]) {
    let TarEntry { entry, xattrs, sparse, .. } = found;
    let path = entry.path.as_os_str().as_bytes();
    let sayable = |name: &[u8]| !name.contains(&0);
    let folder = entry.kind == Kind::Folder;
    if path.is_empty() || !sayable(path) || !sayable(entry.link.as_os_str().as_bytes()) {
        return;
    }
    // A slash at the end is what makes a folder of a file; the rest is beyond what Linux has.
    let beyond = entry.mtime.secs() == i64::MIN || entry.device.0.max(entry.device.1) >= 1 << 21;
    if path.ends_with(b"/") && !folder || beyond {
        return;
    }
    let mut written = encode(entry, xattrs, sparse.as_ref());
    written.extend_from_slice(data);
    pad(&mut written);
    written.resize(written.len() + 2 * BLOCK, 0);
    let mut reader = TarReader::new(&written[..]);
    let again = reader.next_entry().expect("what we write can be read").expect("one entry");
    assert_eq!((&again.entry, &again.xattrs), (entry, xattrs));
    let mut content = Vec::new();
    reader.data().read_to_end(&mut content).expect("all of it is there");
    assert!(content == data);
    assert!(reader.next_entry().expect("a proper end").is_none());
}

/// Puts the checksum of each block right that a reader may take for a header.
pub(crate) fn mend(tar: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + BLOCK) {
        if block.iter().any(|&byte| byte != 0) {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let digits = block[124..136].iter().copied().take_while(|byte| (b'0'..b'8').contains(byte));
        let size = digits.fold(0_usize, |size, digit| size * 8 + usize::from(digit - b'0'));
        // What is no file or extension has no data, whatever its size field says.
        let carries = matches!(block[156], 0 | b'0' | b'7' | b'S' | b'x' | b'g' | b'L' | b'K');
        at = at.saturating_add(BLOCK + if carries { size.next_multiple_of(BLOCK) } else { 0 });
    }
}
