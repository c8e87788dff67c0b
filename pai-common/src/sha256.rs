//! SHA-256 of one stream, and of many at once.

mod engine;
mod kernels;
mod lanes;
mod stream;
#[cfg(test)]
mod tests;

use std::convert::Infallible;

pub use lanes::{digest_streams, width};
pub use stream::Sha256;

/// The 32 bytes of a SHA-256.
pub type Digest = [u8; 32];

/// The input of one call of the compression function.
type Block = [u8; 64];

/// The eight words that run through the blocks of a message.
type State = [u32; 8];

/// The first 32 bits of the fractional parts of the square roots of the first eight primes.
#[rustfmt::skip]
const START: State = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// The digest of one buffer.
pub fn digest(bytes: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    hasher.finish()
}

/// The digests of many buffers, in their order; faster than one after another where the CPU has wide lanes.
pub fn digest_many(buffers: &[&[u8]]) -> Vec<Digest> {
    digest_many_on(engine::Engine::current(), buffers)
}

fn digest_many_on(engine: &engine::Engine, buffers: &[&[u8]]) -> Vec<Digest> {
    let mut digests = vec![Digest::default(); buffers.len()];
    // The long ones first: a long one that starts last would end alone.
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&n| std::cmp::Reverse(buffers[n].len()));
    let mut order = order.into_iter();
    let run = lanes::run(
        engine,
        usize::MAX,
        || order.next().map(|n| (n, buffers[n])),
        |n, _, digest| {
            // Bytes in memory can always be read.
            digests[n] = digest.unwrap_or_default();
            Ok::<(), Infallible>(())
        },
    );
    match run {
        Ok(()) => digests,
    }
}

/// 64 lower-case hex digits.
pub fn to_hex(digest: &Digest) -> String {
    let mut digits = [0; 64];
    // The length fits, and hex digits are ASCII.
    let _ = hex::encode_to_slice(digest, &mut digits);
    String::from_utf8_lossy(&digits).into_owned()
}
