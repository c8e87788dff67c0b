//! Payloads to members and back.

use std::fmt;

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use pai_common::sha256::Digest;

use crate::archive::member::{
    Announced, DATA_FIELD, DATA_START, MemberError, MemberInfo, START, TRAILER, announced, write_header,
};

/// Length of a gzip header without extra fields.
const PLAIN_START: usize = START.len();

/// Compresses payloads into members.
pub struct Sealer {
    compressor: Compressor,
    /// Output buffer. It must be much larger than what usually comes out.
    room: Vec<u8>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// A sealer for compression `level` 1 to 9.
    pub fn new(level: u8) -> Self {
        let level = CompressionLvl::new(i32::from(level)).unwrap_or_default();
        Self { compressor: Compressor::new(level), room: Vec::new() }
    }

    /// The member that holds `payload`, whose SHA-256 the caller has computed.
    pub fn seal(&mut self, payload: &[u8], digest: Digest) -> (Vec<u8>, MemberInfo) {
        let deflated = self.deflate_here(payload);
        let size = (DATA_START + deflated.len() + TRAILER) as u32;
        let field = &mut [0; DATA_FIELD];
        field[..32].copy_from_slice(&digest);
        field[32..36].copy_from_slice(&size.to_le_bytes());
        field[36..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        let mut header = [0; DATA_START];
        write_header(&mut header, *b"PI", field);
        let mut member = Vec::with_capacity(size as usize);
        member.extend_from_slice(&header);
        member.extend_from_slice(deflated);
        member.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        member.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        let crc = crc32fast::hash(&member);
        (member, MemberInfo { size, payload: payload.len() as u32, digest, crc })
    }

    /// `bytes` as a bare deflate stream: a piece of the index.
    pub(crate) fn deflate(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.deflate_here(bytes).to_vec()
    }

    /// Deflates `bytes` into this sealer's own buffer, which is valid until the next call.
    pub fn deflate_here(&mut self, bytes: &[u8]) -> &[u8] {
        let bound = self.compressor.deflate_compress_bound(bytes.len());
        if self.room.len() < bound {
            self.room = vec![0; bound];
        }
        // The bound is what the compressor itself asked for, so the buffer always suffices.
        let length = self
            .compressor
            .deflate_compress(bytes, &mut self.room)
            .unwrap_or_else(|_| unreachable!("a buffer of the compressor's own bound is large enough"));
        &self.room[..length]
    }

    /// A gzip member of its own around `bytes`, for files that are no archives.
    pub fn gzip(&mut self, bytes: &[u8]) -> Vec<u8> {
        let bound = self.compressor.deflate_compress_bound(bytes.len());
        let mut member = vec![0; PLAIN_START + bound];
        member[..PLAIN_START].copy_from_slice(&START);
        member[3] = 0; // no extra field
        let deflated = self
            .compressor
            .deflate_compress(bytes, &mut member[PLAIN_START..])
            .unwrap_or_else(|_| unreachable!("a buffer of the compressor's own bound is large enough"));
        member.truncate(PLAIN_START + deflated);
        member.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
        member.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        member
    }
}

/// Inflates members. Digests are the caller's to check: it may have many at once.
pub struct Opener {
    decompressor: Decompressor,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

impl Default for Opener {
    fn default() -> Self {
        Self { decompressor: Decompressor::new() }
    }
}

impl Opener {
    /// Inflates a bare deflate stream to the start of `room`, and says how long it was.
    pub(crate) fn inflate(&mut self, deflated: &[u8], room: &mut [u8]) -> Result<usize, MemberError> {
        self.decompressor.deflate_decompress(deflated, room).map_err(|_| MemberError::Deflate)
    }

    /// The payload of a data member and the digest it must have.
    pub fn open(&mut self, member: &[u8]) -> Result<(Vec<u8>, Digest), MemberError> {
        let Announced::Data { digest, size, payload } = announced(member)? else {
            return Err(MemberError::NotOurs);
        };
        if size as usize != member.len() {
            return Err(MemberError::BadSize);
        }
        let (body, trailer) = member[DATA_START..].split_at(member.len() - DATA_START - TRAILER);
        let mut bytes = vec![0; payload as usize];
        let inflated =
            self.decompressor.deflate_decompress(body, &mut bytes).map_err(|_| MemberError::Deflate)?;
        if inflated != bytes.len() {
            return Err(MemberError::Deflate);
        }
        if trailer[..4] != crc32fast::hash(&bytes).to_le_bytes() || trailer[4..] != payload.to_le_bytes() {
            return Err(MemberError::Trailer);
        }
        Ok((bytes, digest))
    }
}
