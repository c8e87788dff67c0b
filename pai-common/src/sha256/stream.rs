//! One stream: what is left over between two updates, and the end of the message.

use super::engine::Engine;
use super::{Block, Digest, START, State};

/// A streaming hasher.
#[derive(Clone)]
pub struct Sha256 {
    /// The engine that was asked for; `None` takes what [`Engine::for_blocks`] gives.
    engine: Option<&'static Engine>,
    state: State,
    /// The bytes after the last whole block: `total % 64` of them.
    carry: Block,
    total: u64,
}

impl Sha256 {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self { engine: None, state: START, carry: [0; 64], total: 0 }
    }

    #[cfg(test)]
    pub(super) fn on(engine: &'static Engine) -> Self {
        Self { engine: Some(engine), ..Self::new() }
    }

    /// Takes more bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        let carried = (self.total % 64) as usize;
        self.total += bytes.len() as u64;
        if carried > 0 {
            let take = bytes.len().min(64 - carried);
            self.carry[carried..carried + take].copy_from_slice(&bytes[..take]);
            if carried + take < 64 {
                return;
            }
            self.compress(&[self.carry]);
            bytes = &bytes[take..];
        }
        let (blocks, rest) = bytes.as_chunks();
        self.compress(blocks);
        self.carry[..rest.len()].copy_from_slice(rest);
    }

    /// The digest of everything taken.
    pub fn finish(mut self) -> Digest {
        let mut tail = [self.carry, [0; 64]];
        let blocks = pad(&mut tail, self.total);
        self.compress(&tail[..blocks]);
        to_digest(&self.state)
    }

    fn compress(&mut self, blocks: &[Block]) {
        let engine = self.engine.unwrap_or_else(|| Engine::for_blocks(blocks.len()));
        (engine.alone)(&mut self.state, blocks);
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sha256")
            .field("engine", &self.engine.map(|engine| engine.name))
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// Ends a message of `total` bytes, of which the last `total % 64` stand in `tail`: FIPS 180-4, 5.1.1.
/// Returns how many blocks of `tail` are to be compressed.
pub(super) fn pad(tail: &mut [Block; 2], total: u64) -> usize {
    let carried = (total % 64) as usize;
    let blocks = if carried < 56 { 1 } else { 2 };
    let bytes = tail.as_flattened_mut();
    bytes[carried] = 0x80;
    bytes[carried + 1..].fill(0);
    bytes[64 * blocks - 8..64 * blocks].copy_from_slice(&(total * 8).to_be_bytes());
    blocks
}

pub(super) fn to_digest(state: &State) -> Digest {
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}
