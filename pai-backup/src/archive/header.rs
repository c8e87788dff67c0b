//! Tar headers as this project writes them: ustar, with pax records for what ustar cannot say.
//!
//! No atime or ctime records: with them no chunk would ever repeat. Names are written as bytes, as GNU tar
//! does; the pax standard's UTF-8 is what such names mostly are.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use pai_common::clock::Timestamp;
use tar::{EntryType, Header};

use crate::entry::{Entry, Kind};

/// Size of a tar block.
pub const BLOCK: usize = 512;

/// Longest name and link name of a ustar header.
const NAME_LIMIT: usize = 100;
/// Largest number an owner field holds in octal.
const ID_LIMIT: u64 = 0o7_777_777;
/// Largest time the mtime field holds in octal.
const MTIME_LIMIT: i64 = 0o77_777_777_777;

/// An extended attribute: its name and its value.
pub type Xattr = (OsString, Vec<u8>);

/// Where the data of a sparse file is: `(offset, length)`, ascending, none overlapping.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparseMap {
    /// The pieces that hold data.
    pub extents: Vec<(u64, u64)>,
}

impl SparseMap {
    /// Bytes of data, holes left out.
    pub fn data_size(&self) -> u64 {
        self.extents.iter().map(|&(_, length)| length).sum()
    }

    /// The map as GNU tar's sparse format 1.0 puts it before the data: decimal lines, padded to a block.
    fn encode(&self, size: u64) -> Vec<u8> {
        let mut extents = self.extents.clone();
        if extents.last().is_none_or(|&(offset, length)| offset + length < size) {
            extents.push((size, 0));
        }
        let numbers = extents.iter().flat_map(|&(offset, length)| [offset, length]);
        let lines = std::iter::once(extents.len() as u64).chain(numbers).map(|number| format!("{number}\n"));
        let mut bytes = lines.collect::<String>().into_bytes();
        pad(&mut bytes);
        bytes
    }
}

/// Everything that stands in the archive before an entry's data: pax header if needed, header, sparse map.
pub fn encode(entry: &Entry, xattrs: &[Xattr], sparse: Option<&SparseMap>) -> Vec<u8> {
    let map = sparse.map(|sparse| sparse.encode(entry.size)).unwrap_or_default();
    let stored = match (entry.kind, sparse) {
        (Kind::File, Some(sparse)) => map.len() as u64 + sparse.data_size(),
        (Kind::File, None) => entry.size,
        _ => 0,
    };
    let name = match sparse {
        Some(_) => sparse_name(&entry.path),
        None => entry.path.clone(),
    };
    let mut name = name.into_os_string().into_vec();
    if entry.kind == Kind::Folder {
        name.push(b'/');
    }
    let records = pax_records(entry, &name, xattrs, sparse.is_some());
    let mut bytes = Vec::with_capacity(2 * BLOCK);
    if !records.is_empty() {
        let mut header = Header::new_ustar();
        fill(&mut header, b"PaxHeaders/entry", b"", EntryType::XHeader, records.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&records);
        pad(&mut bytes);
    }
    let mut header = Header::new_ustar();
    fill(&mut header, &name, entry.link.as_os_str().as_bytes(), entry_type(entry.kind), stored);
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.min(ID_LIMIT));
    header.set_gid(entry.gid.min(ID_LIMIT));
    header.set_mtime(entry.mtime.secs().clamp(0, MTIME_LIMIT) as u64);
    if entry.kind.is_device() {
        // Fails only for headers that have no device fields; ustar has them.
        let _ = header.set_device_major(entry.device.0);
        let _ = header.set_device_minor(entry.device.1);
    }
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&map);
    bytes
}

/// Zero bytes up to the next block.
pub fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

/// How many zero bytes follow `size` bytes of data.
pub fn padding(size: u64) -> usize {
    (size.next_multiple_of(BLOCK as u64) - size) as usize
}

fn fill(header: &mut Header, name: &[u8], link: &[u8], kind: EntryType, size: u64) {
    if let Some(ustar) = header.as_ustar_mut() {
        let name = &name[..name.len().min(NAME_LIMIT)];
        let link = &link[..link.len().min(NAME_LIMIT)];
        ustar.name[..name.len()].copy_from_slice(name);
        ustar.linkname[..link.len()].copy_from_slice(link);
    }
    header.set_entry_type(kind);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
}

fn entry_type(kind: Kind) -> EntryType {
    match kind {
        Kind::File => EntryType::Regular,
        Kind::HardLink => EntryType::Link,
        Kind::Symlink => EntryType::Symlink,
        Kind::Folder => EntryType::Directory,
        Kind::Fifo => EntryType::Fifo,
        Kind::CharDevice => EntryType::Char,
        Kind::BlockDevice => EntryType::Block,
    }
}

/// Old readers that know no sparse format extract the raw data under a name of its own. A path like `..` has no last
/// part; without one the name would end with a slash, and be a folder's.
fn sparse_name(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    folder.join("GNUSparseFile.0").join(path.file_name().unwrap_or(".".as_ref()))
}

fn pax_records(entry: &Entry, name: &[u8], xattrs: &[Xattr], sparse: bool) -> Vec<u8> {
    let mut records = Vec::new();
    let mut add = |key: &[u8], value: &[u8]| record(&mut records, key, value);
    if sparse {
        add(b"GNU.sparse.major", b"1");
        add(b"GNU.sparse.minor", b"0");
        add(b"GNU.sparse.name", entry.path.as_os_str().as_bytes());
        add(b"GNU.sparse.realsize", entry.size.to_string().as_bytes());
    }
    if name.len() > NAME_LIMIT {
        add(b"path", name);
    }
    let link = entry.link.as_os_str().as_bytes();
    if link.len() > NAME_LIMIT {
        add(b"linkpath", link);
    }
    for (key, id) in [("uid", entry.uid), ("gid", entry.gid)] {
        if id > ID_LIMIT {
            add(key.as_bytes(), id.to_string().as_bytes());
        }
    }
    if entry.mtime.nanos() != 0 || !(0..=MTIME_LIMIT).contains(&entry.mtime.secs()) {
        add(b"mtime", pax_time(entry.mtime).as_bytes());
    }
    for (name, value) in xattrs {
        let mut key = b"SCHILY.xattr.".to_vec();
        key.extend(name.as_bytes().iter().flat_map(|&byte| match byte {
            // GNU tar's escapes: a key ends at the first equals sign.
            b'=' => b"%3D".to_vec(),
            b'%' => b"%25".to_vec(),
            _ => vec![byte],
        }));
        add(&key, value);
    }
    records
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts itself.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Decimal seconds; before 1970 the fraction counts from zero downwards, as the standard has it.
fn pax_time(time: Timestamp) -> String {
    let (sign, secs, nanos) = match (time.secs(), time.nanos()) {
        (secs, nanos) if secs >= 0 => ("", secs.unsigned_abs(), nanos),
        (secs, 0) => ("-", secs.unsigned_abs(), 0),
        (secs, nanos) => ("-", (secs + 1).unsigned_abs(), 1_000_000_000 - nanos),
    };
    let text = format!("{sign}{secs}.{nanos:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for (value, text) in [("x", "6 k=x\n"), ("12345678", "14 k=12345678\n")] {
            let mut records = Vec::new();
            record(&mut records, b"k", value.as_bytes());
            assert_eq!(records, text.as_bytes());
        }
        for length in 0..1200 {
            let mut records = Vec::new();
            record(&mut records, b"key", &vec![b'v'; length]);
            let digits: String =
                records.iter().take_while(|b| b.is_ascii_digit()).map(|&b| b as char).collect();
            assert_eq!(digits.parse::<usize>().unwrap(), records.len());
        }
    }

    #[test]
    fn times_are_decimal_on_both_sides_of_1970() {
        for (secs, nanos, text) in [
            (1, 0, "1"),
            (1, 500_000_000, "1.5"),
            (0, 1, "0.000000001"),
            (-1, 0, "-1"),
            (-1, 750_000_000, "-0.25"),
            (-2, 250_000_000, "-1.75"),
            (20, 0, "20"),
        ] {
            assert_eq!(pax_time(Timestamp::new(secs, nanos)), text);
        }
    }
}
