//! Packs being filled: bytes go in, and the packs are sent as they become full.

use std::io;
use std::sync::Arc;

use pai_common::sha256::Digest;

use super::upload::{Rules, Sent, Uploads};
use crate::store::backend::Backend;

/// A pack is closed before it grows beyond this.
const PACK: usize = 16 << 20;

/// Fills packs. A pack's digest is known only when it is full: until then a number of the same form stands for it.
#[derive(Debug)]
pub(in crate::store) struct Packer {
    pack: Vec<u8>,
    number: u64,
    uploads: Uploads,
}

impl Packer {
    pub(in crate::store) fn new(backend: &Arc<dyn Backend>, rules: Rules) -> Self {
        Self { pack: Vec::new(), number: 0, uploads: Uploads::start(backend, rules) }
    }

    /// Appends bytes that stay together; says in which pack they are, and where.
    pub(in crate::store) fn append(&mut self, bytes: &[u8]) -> io::Result<(Digest, u64)> {
        if self.pack.len() + bytes.len() > PACK {
            self.close()?;
        }
        let place = (self.placeholder(), self.pack.len() as u64);
        self.pack.extend_from_slice(bytes);
        Ok(place)
    }

    /// Sends what is left, and says what the packs are called.
    pub(in crate::store) fn finish(&mut self) -> io::Result<Sent> {
        // If that fails, the threads know better why.
        let _ = self.close();
        self.uploads.finish().map_err(io::Error::other)
    }

    fn placeholder(&self) -> Digest {
        let mut name = [0xff; 32];
        name[..8].copy_from_slice(&self.number.to_be_bytes());
        name
    }

    fn close(&mut self) -> io::Result<()> {
        if self.pack.is_empty() {
            return Ok(());
        }
        let name = self.placeholder();
        self.number += 1;
        let pack = std::mem::take(&mut self.pack);
        if self.uploads.send(name, pack) { Ok(()) } else { Err(self.failure()) }
    }

    fn failure(&mut self) -> io::Error {
        match self.uploads.finish() {
            Err(error) => io::Error::other(error),
            Ok(_) => io::Error::other("the store takes no more packs"),
        }
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        // Threads that wait for more are told that no more comes.
        let _ = self.uploads.finish();
    }
}
