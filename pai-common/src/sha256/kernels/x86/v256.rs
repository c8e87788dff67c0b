//! 8 streams at once with AVX2.

use super::super::{Block, K, State, portable, rounds};
use super::byte_order;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256, _mm256_broadcastsi128_si256,
    _mm256_loadu_si256, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi32, _mm256_shuffle_epi8,
    _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_xor_si256,
};

type V = __m256i;

compress_lanes!("avx2", 8);

macro_rules! operation {
    ($name:ident($($x:ident),+) = $body:expr) => {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn $name($($x: V),+) -> V {
            $body
        }
    };
}
macro_rules! rotate {
    ($x:expr, $bits:literal) => {
        _mm256_or_si256(_mm256_srli_epi32::<$bits>($x), _mm256_slli_epi32::<{ 32 - $bits }>($x))
    };
}
operation!(add(x, y) = _mm256_add_epi32(x, y));
operation!(xor3(x, y, z) = _mm256_xor_si256(_mm256_xor_si256(x, y), z));
operation!(choose(e, f, g) = _mm256_xor_si256(_mm256_and_si256(e, f), _mm256_andnot_si256(e, g)));
operation!(
    majority(a, b, c) = _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
);
operation!(big_sigma0(x) = xor3(rotate!(x, 2), rotate!(x, 13), rotate!(x, 22)));
operation!(big_sigma1(x) = xor3(rotate!(x, 6), rotate!(x, 11), rotate!(x, 25)));
operation!(small_sigma0(x) = xor3(rotate!(x, 7), rotate!(x, 18), _mm256_srli_epi32::<3>(x)));
operation!(small_sigma1(x) = xor3(rotate!(x, 17), rotate!(x, 19), _mm256_srli_epi32::<10>(x)));

#[target_feature(enable = "avx2")]
#[inline]
fn splat(word: u32) -> V {
    _mm256_set1_epi32(word as i32)
}

#[target_feature(enable = "avx2")]
#[inline]
fn from_words(words: &[u32; 8]) -> V {
    // SAFETY: the 32 bytes that are read are the array's; the load needs no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn to_words(vector: V) -> [u32; 8] {
    let mut words = [0; 8];
    // SAFETY: the 32 bytes that are written are the array's; the store needs no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) };
    words
}

/// The rounds of one stream are a chain, but the message schedules of its next eight blocks are not: they
/// are computed side by side.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[allow(clippy::needless_range_loop)] // n is a column: schedule[t][n]
pub(super) fn one_stream(state: &mut State, blocks: &[Block]) {
    let (groups, rest) = blocks.as_chunks::<8>();
    let mut sums = *state;
    for group in groups {
        let schedule = schedule(group);
        for n in 0..8 {
            sums = rounds(sums, |t| schedule[t][n]);
        }
    }
    *state = sums;
    portable(state, rest);
}

/// Word t of each block's message schedule, with the constant of round t added.
#[target_feature(enable = "avx2")]
#[inline]
fn schedule(group: &[Block; 8]) -> [[u32; 8]; 64] {
    let mut w = message(group.each_ref());
    let mut words = [[0; 8]; 64];
    for t in 0..64 {
        if t >= 16 {
            let (s0, s1) = (small_sigma0(w[(t + 1) % 16]), small_sigma1(w[(t + 14) % 16]));
            w[t % 16] = add(add(w[t % 16], s0), add(w[(t + 9) % 16], s1));
        }
        words[t] = to_words(add(w[t % 16], splat(K[t])));
    }
    words
}

/// Vector t holds word t of each lane's block: two transpositions of 8 x 8 words.
#[target_feature(enable = "avx2")]
#[inline]
fn message(blocks: [&Block; 8]) -> [V; 16] {
    let order = _mm256_broadcastsi128_si256(byte_order());
    let mut w = [splat(0); 16];
    for half in 0..2 {
        let mut rows = [splat(0); 8];
        for (row, block) in rows.iter_mut().zip(blocks) {
            let bytes = &block.as_chunks::<32>().0[half];
            // SAFETY: the 32 bytes that are read are this half of the block; no alignment is needed.
            let words = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
            *row = _mm256_shuffle_epi8(words, order);
        }
        let mut pairs = [splat(0); 8];
        for i in 0..4 {
            let (x, y) = (rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i] = _mm256_unpacklo_epi32(x, y);
            pairs[2 * i + 1] = _mm256_unpackhi_epi32(x, y);
        }
        let mut fours = [splat(0); 8];
        for i in 0..4 {
            let first = (i & 2) * 2 + i % 2;
            let (x, y) = (pairs[first], pairs[first + 2]);
            fours[2 * i] = _mm256_unpacklo_epi64(x, y);
            fours[2 * i + 1] = _mm256_unpackhi_epi64(x, y);
        }
        // fours[4q + r] holds words r and r + 4 of lanes 4q to 4q + 3, 128 bits each.
        for r in 0..4 {
            w[8 * half + r] = _mm256_permute2x128_si256::<0x20>(fours[r], fours[r + 4]);
            w[8 * half + r + 4] = _mm256_permute2x128_si256::<0x31>(fours[r], fours[r + 4]);
        }
    }
    w
}
