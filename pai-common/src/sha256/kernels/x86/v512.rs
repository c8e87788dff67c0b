//! 16 streams at once with AVX-512 F and BW.

use super::super::{Block, K, State};
use super::byte_order;
use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_broadcast_i32x4, _mm512_loadu_si512, _mm512_ror_epi32,
    _mm512_set1_epi32, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_storeu_si512,
    _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

type V = __m512i;

compress_lanes!("avx512f,avx512bw,avx2", 16);

macro_rules! operation {
    ($name:ident($($x:ident),+) = $body:expr) => {
        #[target_feature(enable = "avx512f,avx512bw,avx2")]
        #[inline]
        fn $name($($x: V),+) -> V {
            $body
        }
    };
}
operation!(add(x, y) = _mm512_add_epi32(x, y));
operation!(xor3(x, y, z) = _mm512_ternarylogic_epi32::<0x96>(x, y, z));
operation!(choose(e, f, g) = _mm512_ternarylogic_epi32::<0xca>(e, f, g));
operation!(majority(a, b, c) = _mm512_ternarylogic_epi32::<0xe8>(a, b, c));
operation!(
    big_sigma0(x) = xor3(_mm512_ror_epi32::<2>(x), _mm512_ror_epi32::<13>(x), _mm512_ror_epi32::<22>(x))
);
operation!(
    big_sigma1(x) = xor3(_mm512_ror_epi32::<6>(x), _mm512_ror_epi32::<11>(x), _mm512_ror_epi32::<25>(x))
);
operation!(
    small_sigma0(x) = xor3(_mm512_ror_epi32::<7>(x), _mm512_ror_epi32::<18>(x), _mm512_srli_epi32::<3>(x))
);
operation!(
    small_sigma1(x) = xor3(_mm512_ror_epi32::<17>(x), _mm512_ror_epi32::<19>(x), _mm512_srli_epi32::<10>(x))
);

#[target_feature(enable = "avx512f,avx512bw,avx2")]
#[inline]
fn splat(word: u32) -> V {
    _mm512_set1_epi32(word as i32)
}

#[target_feature(enable = "avx512f,avx512bw,avx2")]
#[inline]
fn from_words(words: &[u32; 16]) -> V {
    // SAFETY: the 64 bytes that are read are the array's; the load needs no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx2")]
#[inline]
fn to_words(vector: V) -> [u32; 16] {
    let mut words = [0; 16];
    // SAFETY: the 64 bytes that are written are the array's; the store needs no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) };
    words
}

/// Vector t holds word t of each lane's block: a transposition of 16 x 16 words.
#[target_feature(enable = "avx512f,avx512bw,avx2")]
#[inline]
fn message(blocks: [&Block; 16]) -> [V; 16] {
    let order = _mm512_broadcast_i32x4(byte_order());
    let mut rows = [splat(0); 16];
    for (row, block) in rows.iter_mut().zip(blocks) {
        // SAFETY: the 64 bytes that are read are the block's; the load needs no alignment.
        let words = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        *row = _mm512_shuffle_epi8(words, order);
    }
    let mut pairs = [splat(0); 16];
    for i in 0..8 {
        let (x, y) = (rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i] = _mm512_unpacklo_epi32(x, y);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(x, y);
    }
    // fours[4q + r] holds words r, r + 4, r + 8, r + 12 of lanes 4q to 4q + 3, 128 bits each.
    let mut fours = [splat(0); 16];
    for q in 0..4 {
        for half in 0..2 {
            let (x, y) = (pairs[4 * q + half], pairs[4 * q + half + 2]);
            fours[4 * q + 2 * half] = _mm512_unpacklo_epi64(x, y);
            fours[4 * q + 2 * half + 1] = _mm512_unpackhi_epi64(x, y);
        }
    }
    let mut w = rows;
    for r in 0..4 {
        let mut even = [rows[0]; 2];
        let mut odd = even;
        for half in 0..2 {
            let (x, y) = (fours[r + 8 * half], fours[r + 8 * half + 4]);
            even[half] = _mm512_shuffle_i32x4::<0x88>(x, y);
            odd[half] = _mm512_shuffle_i32x4::<0xdd>(x, y);
        }
        w[r] = _mm512_shuffle_i32x4::<0x88>(even[0], even[1]);
        w[r + 4] = _mm512_shuffle_i32x4::<0x88>(odd[0], odd[1]);
        w[r + 8] = _mm512_shuffle_i32x4::<0xdd>(even[0], even[1]);
        w[r + 12] = _mm512_shuffle_i32x4::<0xdd>(odd[0], odd[1]);
    }
    w
}
