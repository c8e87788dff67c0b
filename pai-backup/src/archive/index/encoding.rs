//! How the index writes a record: numbers of seven bits a byte, paths by what they share with the one before.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use pai_common::clock::Timestamp;
use pai_common::sha256::{self, Digest};

use crate::archive::index::{BadIndex, Record};
use crate::entry::{Entry, Identity, Kind};

/// Each kind's number is its place.
pub(crate) const KINDS: [Kind; 7] = [
    Kind::File,
    Kind::HardLink,
    Kind::Symlink,
    Kind::Folder,
    Kind::Fifo,
    Kind::CharDevice,
    Kind::BlockDevice,
];

/// Appends a record; of its path only what differs from the path before, `last`.
pub(super) fn encode_record(out: &mut Vec<u8>, record: &Record, last: &[u8]) {
    let Record { entry, identity, digest, member, offset } = record;
    out.push(KINDS.iter().position(|&kind| kind == entry.kind).unwrap_or_default() as u8);
    let path = entry.path.as_os_str().as_bytes();
    let shared = path.iter().zip(last).take_while(|(a, b)| a == b).count();
    varint(out, shared as u64);
    varint(out, (path.len() - shared) as u64);
    out.extend_from_slice(&path[shared..]);
    for number in [u64::from(entry.mode), entry.uid, entry.gid, entry.size] {
        varint(out, number);
    }
    for time in [entry.mtime, identity.ctime] {
        varint(out, zigzag(time.secs()));
        varint(out, u64::from(time.nanos()));
    }
    for number in [identity.inode, identity.device, *member, *offset] {
        varint(out, number);
    }
    if matches!(entry.kind, Kind::Symlink | Kind::HardLink) {
        let link = entry.link.as_os_str().as_bytes();
        varint(out, link.len() as u64);
        out.extend_from_slice(link);
    }
    if entry.kind.is_device() {
        varint(out, u64::from(entry.device.0));
        varint(out, u64::from(entry.device.1));
    }
    if entry.kind == Kind::File {
        out.extend_from_slice(&digest.unwrap_or_else(|| sha256::digest(b"")));
    }
}

/// A record where it stands in the index, but for its path.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    kind: Kind,
    mode: u32,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: Timestamp,
    identity: Identity,
    member: u64,
    offset: u64,
    link: &'a [u8],
    device: (u32, u32),
    digest: Option<Digest>,
}

impl Fields<'_> {
    /// Whether this record, whose path is `path`, is of exactly this entry, and of the same inode, unchanged since. Numbers
    /// of file systems move between boots.
    pub(crate) fn is_of(&self, path: &[u8], entry: &Entry, identity: &Identity) -> bool {
        self.identity.inode == identity.inode
            && self.identity.ctime == identity.ctime
            && self.mtime == entry.mtime
            && self.size == entry.size
            && self.kind == entry.kind
            && (self.mode, self.uid, self.gid) == (entry.mode, entry.uid, entry.gid)
            && self.device == entry.device
            && self.link == entry.link.as_os_str().as_bytes()
            && path == entry.path.as_os_str().as_bytes()
    }
}

/// Takes a record; `last` is the path before, and then this one's.
pub(super) fn decode_record(cursor: &mut Cursor<'_>, last: &mut Vec<u8>) -> Result<Record, BadIndex> {
    let fields = decode_fields(cursor, last)?;
    let owned = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
    let Fields { kind, mode, uid, gid, size, mtime, identity, member, offset, link, device, digest } = fields;
    let entry = Entry { path: owned(last), kind, mode, uid, gid, size, mtime, link: owned(link), device };
    Ok(Record { entry, identity, digest, member, offset })
}

/// Decodes a record without allocating.
pub(super) fn decode_fields<'a>(cursor: &mut Cursor<'a>, last: &mut Vec<u8>) -> Result<Fields<'a>, BadIndex> {
    let kind = *KINDS.get(usize::from(cursor.array::<1>()?[0])).ok_or(BadIndex)?;
    let shared = usize::try_from(cursor.varint()?).map_err(|_| BadIndex)?;
    let rest = cursor.varint()?;
    if shared > last.len() {
        return Err(BadIndex);
    }
    last.truncate(shared);
    last.extend_from_slice(cursor.take(rest)?);
    let narrow = |number: u64| u32::try_from(number).map_err(|_| BadIndex);
    let mut fields = Fields {
        kind,
        mode: narrow(cursor.varint()?)?,
        uid: cursor.varint()?,
        gid: cursor.varint()?,
        size: cursor.varint()?,
        mtime: cursor.time()?,
        identity: Identity { ctime: cursor.time()?, inode: cursor.varint()?, device: cursor.varint()? },
        member: cursor.varint()?,
        offset: cursor.varint()?,
        link: b"",
        device: (0, 0),
        digest: None,
    };
    if matches!(kind, Kind::Symlink | Kind::HardLink) {
        let length = cursor.varint()?;
        fields.link = cursor.take(length)?;
    }
    if kind.is_device() {
        fields.device = (narrow(cursor.varint()?)?, narrow(cursor.varint()?)?);
    }
    if kind == Kind::File {
        fields.digest = Some(cursor.array()?);
    }
    Ok(fields)
}

/// Seven bits a byte, low ones first; the high bit says that more follow.
pub(crate) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Small numbers on either side of zero as small ones.
pub(crate) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The bytes that are still to be decoded.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, length: u64) -> Result<&'a [u8], BadIndex> {
        let length = usize::try_from(length).map_err(|_| BadIndex)?;
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(BadIndex)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], BadIndex> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(BadIndex)?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, BadIndex> {
        // Most numbers are small.
        if let Some((&byte, rest)) = self.bytes.split_first()
            && byte < 0x80
        {
            self.bytes = rest;
            return Ok(u64::from(byte));
        }
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.array::<1>()?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BadIndex)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, BadIndex> {
        let folded = self.varint()?;
        let secs = (folded >> 1) as i64 ^ -((folded & 1) as i64);
        let nanos = u32::try_from(self.varint()?).ok().filter(|&nanos| nanos < 1_000_000_000);
        Ok(Timestamp::new(secs, nanos.ok_or(BadIndex)?))
    }
}
