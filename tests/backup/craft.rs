//! Archives made by hand: of our own format with the library's writer, and plain ones with gzip.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use pai_backup::archive::header::{BLOCK, encode, pad};
use pai_backup::archive::index::{About, Group, Record, Selection};
use pai_backup::archive::member::{Announced, MemberInfo, NextMember, Sealer, read_member};
use pai_backup::archive::writer::ArchiveWriter;
use pai_backup::entry::{Entry, Identity, Kind};
use pai_common::clock::Timestamp;
use pai_common::sha256;

/// One entry to be, as any archive can hold it.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) entry: Entry,
    pub(crate) data: Vec<u8>,
    /// What stands before the data, where it is not what the entry says.
    pub(crate) header: Option<Vec<u8>>,
}

impl Item {
    pub(crate) fn new(path: impl Into<Vec<u8>>, kind: Kind) -> Self {
        let entry = Entry {
            path: PathBuf::from(OsString::from_vec(path.into())),
            kind,
            mode: if kind == Kind::Folder { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timestamp::new(1_700_000_000, 0),
            link: PathBuf::new(),
            device: (0, 0),
        };
        Self { entry, data: Vec::new(), header: None }
    }

    pub(crate) fn file(path: impl Into<Vec<u8>>, data: &[u8]) -> Self {
        let mut item = Self::new(path, Kind::File);
        item.entry.size = data.len() as u64;
        item.data = data.to_vec();
        item
    }

    pub(crate) fn link(path: &str, kind: Kind, target: &str) -> Self {
        let mut item = Self::new(path, kind);
        item.entry.link = PathBuf::from(target);
        item
    }

    /// Header, data and padding.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.clone().unwrap_or_else(|| encode(&self.entry, &[], None));
        bytes.extend_from_slice(&self.data);
        pad(&mut bytes);
        bytes
    }
}

/// A tar header block whose fields are set by hand and whose checksum is right.
pub(crate) fn raw_header(name: &str, flag: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::new(flag));
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A pax header block and its records.
pub(crate) fn pax_header(records: &[u8]) -> Vec<u8> {
    let mut bytes = raw_header("PaxHeaders/x", b'x', records.len() as u64);
    bytes.extend_from_slice(records);
    pad(&mut bytes);
    bytes
}

/// The tar stream of some items, with its end.
pub(crate) fn tar_stream(items: &[Item]) -> Vec<u8> {
    let mut bytes: Vec<u8> = items.iter().flat_map(Item::bytes).collect();
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

/// Bytes as one gzip member, the way gzip itself does it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut out).unwrap();
    out
}

/// Writes a plain tar.gz.
pub(crate) fn write_plain(target: &Path, items: &[Item]) {
    std::fs::write(target, gzip(&tar_stream(items))).unwrap();
}

/// What an archive made here says of itself.
pub(crate) fn about() -> About {
    About {
        format: 1,
        by: "a test".to_owned(),
        made: "2026-01-01T00:00:00Z".to_owned(),
        root: "/nowhere".to_owned(),
        selection: Selection::default(),
        level: 6,
        encoder: "libdeflate".to_owned(),
        xattrs: true,
        walk: (1_767_225_600, 0),
        ..About::default()
    }
}

/// Writes an archive of our own format, one member for all items. `change` may make the index lie.
pub(crate) fn write_ours(
    target: &Path,
    items: &[Item],
    change: impl FnOnce(&mut MemberInfo, &mut Vec<Record>),
) {
    let mut payload = Vec::new();
    let mut records = Vec::new();
    for item in items {
        records.push(Record {
            entry: item.entry.clone(),
            identity: Identity::default(),
            digest: (item.entry.kind == Kind::File).then(|| sha256::digest(&item.data)),
            member: 0,
            offset: payload.len() as u64,
        });
        payload.extend(item.bytes());
    }
    let (member, mut info) = Sealer::new(6).seal(&payload, sha256::digest(&payload));
    change(&mut info, &mut records);
    let mut writer = ArchiveWriter::new(File::create(target).unwrap(), &about(), false);
    writer.member(&member).unwrap();
    writer.group(&Group { members: vec![info], records });
    writer.finish().unwrap();
}

/// The members of an archive of our format, in order, with all their bytes.
pub(crate) fn members(archive: &[u8]) -> Vec<(Announced, Vec<u8>)> {
    let mut rest = archive;
    let mut members = Vec::new();
    while let Some(next) = read_member(&mut rest).unwrap() {
        let NextMember::Ours(announced, bytes) = next else { panic!("not one of our archives") };
        members.push((announced, bytes));
    }
    members
}
