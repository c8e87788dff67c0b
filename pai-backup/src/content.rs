//! What a reader of a file sees, made from what an archive stores of it: holes come back as zeros.

use pai_common::sha256::{Digest, Sha256};
use pai_common::signal;

use crate::archive::header::SparseMap;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// SHA-256 of a file's content, fed with its stored bytes.
#[derive(Debug)]
pub struct ContentHash {
    hasher: Sha256,
    /// Pieces of data still to come, last first; empty for a file stored whole.
    pieces: Vec<(u64, u64)>,
    sparse: bool,
    position: u64,
    size: u64,
}

impl ContentHash {
    /// For a file of `size` bytes whose data lies where `sparse` says.
    pub fn new(sparse: Option<&SparseMap>, size: u64) -> Self {
        let mut pieces = sparse.map(|map| map.extents.clone()).unwrap_or_default();
        pieces.reverse();
        Self { hasher: Sha256::new(), pieces, sparse: sparse.is_some(), position: 0, size }
    }

    /// Takes the next stored bytes.
    pub fn update(&mut self, mut stored: &[u8]) {
        if !self.sparse {
            self.hasher.update(stored);
            return;
        }
        while !stored.is_empty() {
            let Some(&(offset, length)) = self.pieces.last() else { return };
            self.zeros_up_to(offset);
            let done = self.position - offset;
            let count = stored.len().min((length - done) as usize);
            self.hasher.update(&stored[..count]);
            self.position += count as u64;
            stored = &stored[count..];
            if done + count as u64 == length {
                self.pieces.pop();
            }
        }
    }

    /// The digest of the whole content.
    pub fn finish(mut self) -> Digest {
        if self.sparse {
            self.zeros_up_to(self.size);
        }
        self.hasher.finish()
    }

    fn zeros_up_to(&mut self, end: u64) {
        // A hole can be exabytes long. Once a signal has come nobody wants the digest any more.
        while self.position < end && signal::received().is_none() {
            let count = (end - self.position).min(ZEROS.len() as u64);
            self.hasher.update(&ZEROS[..count as usize]);
            self.position += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pai_common::sha256::digest;

    #[test]
    fn holes_hash_as_zeros_however_the_data_arrives() {
        let map = SparseMap { extents: vec![(3, 2), (5, 0), (100_000, 4)] };
        let mut whole = vec![0; 150_000];
        whole[3..5].copy_from_slice(b"ab");
        whole[100_000..100_004].copy_from_slice(b"cdef");
        for step in [1, 2, 3, 6] {
            let mut hash = ContentHash::new(Some(&map), 150_000);
            b"abcdef".chunks(step).for_each(|piece| hash.update(piece));
            assert_eq!(hash.finish(), digest(&whole), "{step}");
        }
        let mut hash = ContentHash::new(None, 2);
        hash.update(b"ab");
        assert_eq!(hash.finish(), digest(b"ab"));
    }
}
