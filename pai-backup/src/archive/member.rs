//! Gzip members (RFC 1952) with our extra fields: data, parts of the index, the footer.

mod codec;

use std::fmt;
use std::io::{self, Read};

use pai_common::sha256::Digest;

pub use self::codec::{Opener, Sealer};

/// Largest payload of a data member we write or accept: the largest chunk plus what a header may add.
const PAYLOAD_LIMIT: usize = 8 << 20;
/// Largest data member: deflate grows incompressible data by a few bytes in 64 KiB at most.
pub(crate) const LARGEST_MEMBER: usize = DATA_START + TRAILER + PAYLOAD_LIMIT + PAYLOAD_LIMIT / 1024;
/// Most bytes of the index that one index member carries. busybox fails on extra fields from 16,384 bytes.
pub(crate) const INDEX_PART: usize = 15_900;
/// Bytes of an index member around what it carries.
pub(crate) const INDEX_OVERHEAD: usize = FIXED + 4 + EMPTY.len();
/// Length of the footer member.
pub(crate) const FOOTER_LENGTH: usize = FIXED + 4 + FOOTER_FIELD + EMPTY.len();

/// gzip header up to and including XLEN.
const FIXED: usize = 12;
/// ID, FEXTRA, no time, no flags, unknown system: equal input gives equal bytes.
const START: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];
/// An empty deflate stream, and the CRC and length of nothing.
const EMPTY: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const DATA_FIELD: usize = 40;
const FOOTER_FIELD: usize = 66;
/// Bytes before the deflate stream of a data member.
const DATA_START: usize = FIXED + 4 + DATA_FIELD;
/// CRC-32 and length behind it.
const TRAILER: usize = 8;
/// Version of the format that is written; every earlier one is read.
pub const VERSION: u16 = 2;

/// A data member as the archive's index describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberInfo {
    /// Bytes of the whole member.
    pub size: u32,
    /// Bytes of its payload.
    pub payload: u32,
    /// SHA-256 of the payload.
    pub digest: Digest,
    /// CRC-32 of the whole member's bytes: what a copy of the member is checked by.
    pub crc: u32,
}

/// Place, length and digest of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// Version of the format.
    pub version: u16,
    /// Offset of the first index member.
    pub index_offset: u64,
    /// Number of data members.
    pub members: u64,
    /// Bytes of the deflated index, all pieces.
    pub index_deflated: u64,
    /// Bytes of the index once inflated.
    pub index_inflated: u64,
    /// SHA-256 of the deflated index.
    pub index_digest: Digest,
}

/// The kind of a member, as the extra field of its header announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    /// A data member.
    Data {
        /// SHA-256 its payload must have.
        digest: Digest,
        /// Bytes of the whole member.
        size: u32,
        /// Bytes of its payload.
        payload: u32,
    },
    /// A part of the deflated index.
    Index(IndexPart),
    /// The footer.
    Footer(Footer),
}

/// The content of one index member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// Bytes of the deflated index.
    pub bytes: Vec<u8>,
    /// Whether a piece of the index ends with them. Archives of version 1 have but one piece, and mark every part so.
    pub ends_piece: bool,
}

/// Why bytes are not the member they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberError {
    /// Not one of our members.
    NotOurs,
    /// It claims a size that no member of ours can have.
    BadSize,
    /// The deflate stream is damaged.
    Deflate,
    /// The trailer's CRC-32 or length is not the payload's.
    Trailer,
    /// The payload's SHA-256 is not the announced one.
    Digest,
    /// The CRC-32 of the member's bytes is not the index's.
    Crc,
}

impl fmt::Display for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOurs => "no member header where one must be",
            Self::BadSize => "a member of impossible size",
            Self::Deflate => "a damaged deflate stream",
            Self::Trailer => "a member's CRC-32 or length does not hold",
            Self::Digest => "a member's SHA-256 does not hold",
            Self::Crc => "a member's bytes are not those the index knows",
        })
    }
}

impl std::error::Error for MemberError {}

/// The empty members that carry one piece of the index, deflated.
pub(crate) fn index_members(piece: &[u8]) -> Vec<u8> {
    let parts = piece.len().div_ceil(INDEX_PART).max(1);
    let mut members = Vec::with_capacity(piece.len() + parts * INDEX_OVERHEAD);
    for (number, part) in piece.chunks(INDEX_PART).enumerate() {
        let id = if number + 1 == parts { b"PX" } else { b"PY" };
        members.extend_from_slice(&empty_member(*id, part));
    }
    members
}

/// The footer member.
pub fn footer_member(footer: &Footer) -> Vec<u8> {
    let mut field = Vec::with_capacity(FOOTER_FIELD);
    field.extend_from_slice(&footer.version.to_le_bytes());
    for number in [footer.index_offset, footer.members, footer.index_deflated, footer.index_inflated] {
        field.extend_from_slice(&number.to_le_bytes());
    }
    field.extend_from_slice(&footer.index_digest);
    empty_member(*b"PF", &field)
}

/// Tells the kind of the member that starts at `bytes`. Index and footer members must be there whole, and
/// each byte that is not content must be as this project writes it.
pub fn announced(bytes: &[u8]) -> Result<Announced, MemberError> {
    let header = bytes.get(..FIXED + 4).ok_or(MemberError::NotOurs)?;
    let extra = usize::from(u16::from_le_bytes([header[10], header[11]]));
    let length = usize::from(u16::from_le_bytes([header[14], header[15]]));
    if header[..10] != START || extra != length + 4 {
        return Err(MemberError::NotOurs);
    }
    let field = bytes.get(FIXED + 4..FIXED + extra).ok_or(MemberError::NotOurs)?;
    let number = |at: usize| u32::from_le_bytes([field[at], field[at + 1], field[at + 2], field[at + 3]]);
    let version = || u16::from_le_bytes([field[0], field[1]]);
    let is_empty = || bytes[FIXED + extra..] == EMPTY;
    match &header[12..14] {
        b"PI" if length == DATA_FIELD => {
            let mut digest = [0; 32];
            digest.copy_from_slice(&field[..32]);
            let (size, payload) = (number(32), number(36));
            let possible = DATA_START + TRAILER..=LARGEST_MEMBER;
            if payload as usize > PAYLOAD_LIMIT || !possible.contains(&(size as usize)) {
                return Err(MemberError::BadSize);
            }
            Ok(Announced::Data { digest, size, payload })
        }
        b"PX" | b"PY" if length <= INDEX_PART && is_empty() => {
            Ok(Announced::Index(IndexPart { bytes: field.to_vec(), ends_piece: header[13] == b'X' }))
        }
        b"PF" if length == FOOTER_FIELD && (1..=VERSION).contains(&version()) && is_empty() => {
            let long = |at: usize| u64::from(number(at)) | u64::from(number(at + 4)) << 32;
            let mut index_digest = [0; 32];
            index_digest.copy_from_slice(&field[34..]);
            Ok(Announced::Footer(Footer {
                version: version(),
                index_offset: long(2),
                members: long(10),
                index_deflated: long(18),
                index_inflated: long(26),
                index_digest,
            }))
        }
        _ => Err(MemberError::NotOurs),
    }
}

/// Whether a member of ours may begin here: sixteen bytes are looked at.
pub(crate) fn may_begin(bytes: &[u8]) -> bool {
    bytes.starts_with(&START) && matches!(bytes.get(12..14), Some(b"PI" | b"PX" | b"PY" | b"PF"))
}

/// Bytes of an index or footer member that begins with these sixteen.
pub(crate) fn length_of_empty(start: &[u8]) -> Option<usize> {
    let length = u16::from_le_bytes([*start.get(14)?, *start.get(15)?]);
    Some(usize::from(length) + INDEX_OVERHEAD)
}

/// Reads the next of our members from a stream, whole; `None` at the end of the stream.
/// Bytes that are no member of ours come back as [`NextMember::Foreign`], as far as they were read.
pub fn read_member(input: &mut impl Read) -> io::Result<Option<NextMember>> {
    let mut bytes = vec![0; FIXED + 4];
    let got = read_full(input, &mut bytes)?;
    if got == 0 {
        return Ok(None);
    }
    bytes.truncate(got);
    if got < FIXED + 4 || bytes[..10] != START || !matches!(&bytes[12..14], b"PI" | b"PX" | b"PY" | b"PF") {
        return Ok(Some(NextMember::Foreign(bytes)));
    }
    let extra = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    let is_data = &bytes[12..14] == b"PI";
    grow(input, &mut bytes, FIXED + extra.max(4) + if is_data { 0 } else { EMPTY.len() })?;
    if let Ok(Announced::Data { size, .. }) = announced(&bytes) {
        grow(input, &mut bytes, size as usize)?;
    }
    Ok(Some(match announced(&bytes) {
        Ok(announced) => NextMember::Ours(announced, bytes),
        Err(error) => NextMember::Broken(error, bytes),
    }))
}

/// The result of [`read_member`].
#[derive(Debug)]
pub enum NextMember {
    /// A member of ours, with all its bytes (fewer if the stream ended inside it).
    Ours(Announced, Vec<u8>),
    /// It begins like a member of ours but cannot be one.
    Broken(MemberError, Vec<u8>),
    /// Something else.
    Foreign(Vec<u8>),
}

fn grow(input: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let wanted = length.saturating_sub(bytes.len());
    bytes.reserve_exact(wanted);
    input.take(wanted as u64).read_to_end(bytes).map(drop)
}

/// Reads until `buffer` is full or the input ends; says how much it got.
pub(crate) fn read_full(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match input.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn empty_member(id: [u8; 2], field: &[u8]) -> Vec<u8> {
    let mut member = vec![0; FIXED + 4 + field.len()];
    write_header(&mut member, id, field);
    member.extend_from_slice(&EMPTY);
    member
}

fn write_header(header: &mut [u8], id: [u8; 2], field: &[u8]) {
    header[..10].copy_from_slice(&START);
    header[10..12].copy_from_slice(&(field.len() as u16 + 4).to_le_bytes());
    header[12..14].copy_from_slice(&id);
    header[14..16].copy_from_slice(&(field.len() as u16).to_le_bytes());
    header[16..].copy_from_slice(field);
}

#[cfg(test)]
mod tests;
