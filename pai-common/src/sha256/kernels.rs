//! The compression function of FIPS 180-4 for 16 or 8 streams at once, and for one stream.
//!
//! SHA-256 is a chain: one stream cannot be split. Independent streams can, with one 32-bit word of each in
//! one vector register. The 16 lane kernel needs AVX-512 (rotates, three-operand logic), the 8 lane kernel AVX2.
//! Every kernel is an entry of [`super::engine::Engine`], which asks the CPU first.

// The one exception to the workspace's rule: vector loads take raw pointers, and calling a function that
// is compiled for more than the baseline CPU is unsafe. Nothing else here is.
#![allow(unsafe_code)]

use super::{Block, State};

/// The round constants: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// One stream on any CPU.
#[inline(always)]
#[allow(clippy::inline_always)] // it is compiled once more, for AVX2, below
pub(super) fn portable(state: &mut State, blocks: &[Block]) {
    for block in blocks {
        let mut w = [0u32; 64];
        for (word, bytes) in w.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for t in 16..64 {
            let (x, y) = (w[t - 15], w[t - 2]);
            let s0 = x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3);
            let s1 = y.rotate_right(17) ^ y.rotate_right(19) ^ (y >> 10);
            w[t] = w[t - 16].wrapping_add(s0).wrapping_add(w[t - 7]).wrapping_add(s1);
        }
        *state = rounds(*state, |t| w[t].wrapping_add(K[t]));
    }
}

/// The 64 rounds of one block; `word` gives the message schedule with the round constant added.
#[inline(always)]
#[allow(clippy::inline_always)] // as above
#[allow(clippy::many_single_char_names)] // a to h are the standard's names
fn rounds(state: State, word: impl Fn(usize) -> u32) -> State {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    let mut bc = b ^ c;
    // The names move instead of the values: eight rounds bring them back to where they began.
    macro_rules! round {
        ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $t:expr) => {
            let s1 = $e.rotate_right(6) ^ $e.rotate_right(11) ^ $e.rotate_right(25);
            let t1 = $h.wrapping_add(word($t)).wrapping_add(($e & $f) ^ (!$e & $g)).wrapping_add(s1);
            let s0 = $a.rotate_right(2) ^ $a.rotate_right(13) ^ $a.rotate_right(22);
            // The majority of a, b, c; the next round's b ^ c is this round's a ^ b.
            let ab = $a ^ $b;
            let t2 = s0.wrapping_add($b ^ (ab & bc));
            bc = ab;
            $d = $d.wrapping_add(t1);
            $h = t1.wrapping_add(t2);
        };
    }
    for t in (0..64).step_by(8) {
        round!(a b c d e f g h, t);
        round!(h a b c d e f g, t + 1);
        round!(g h a b c d e f, t + 2);
        round!(f g h a b c d e, t + 3);
        round!(e f g h a b c d, t + 4);
        round!(d e f g h a b c, t + 5);
        round!(c d e f g h a b, t + 6);
        round!(b c d e f g h a, t + 7);
    }
    let mut sums = state;
    for (sum, word) in sums.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *sum = sum.wrapping_add(word);
    }
    sums
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{avx2, avx2_8, avx512_16};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m128i, _mm_set_epi64x};

    use super::{Block, State};

    /// One stream on a CPU with AVX2, BMI1 and BMI2.
    pub(in super::super) fn avx2(state: &mut State, blocks: &[Block]) {
        // SAFETY: an Engine with this entry exists only where the CPU has all three.
        unsafe { v256::one_stream(state, blocks) }
    }

    /// 16 streams on a CPU with AVX-512 F and BW; every slice of `blocks` has the same length.
    pub(in super::super) fn avx512_16(states: &mut [State], blocks: &[&[Block]]) {
        // SAFETY: an Engine with this entry exists only where the CPU has both.
        unsafe { v512::compress(states, blocks) }
    }

    /// 8 streams on a CPU with AVX2; every slice of `blocks` has the same length.
    pub(in super::super) fn avx2_8(states: &mut [State], blocks: &[&[Block]]) {
        // SAFETY: an Engine with this entry exists only where the CPU has it.
        unsafe { v256::compress(states, blocks) }
    }

    /// The 64 rounds over vectors of `$lanes` words: the module it stands in brings the operations.
    ///
    /// Here and below loops stand where `from_fn` and `map` would be shorter: a closure has the CPU features of the function
    /// around it, `from_fn` has not, and so the compiler inlines neither.
    macro_rules! compress_lanes {
        ($features:literal, $lanes:literal) => {
            #[target_feature(enable = $features)]
            #[allow(clippy::many_single_char_names)] // a to h are the standard's names
            pub(super) fn compress(states: &mut [State], blocks: &[&[Block]]) {
                assert!(states.len() == $lanes && blocks.len() == $lanes);
                let mut sums = [splat(0); 8];
                for (word, sum) in sums.iter_mut().enumerate() {
                    let mut words = [0; $lanes];
                    for (lane, state) in words.iter_mut().zip(&*states) {
                        *lane = state[word];
                    }
                    *sum = from_words(&words);
                }
                for n in 0..blocks[0].len() {
                    let mut abreast = [&blocks[0][n]; $lanes];
                    for (block, lane) in abreast.iter_mut().zip(blocks) {
                        *block = &lane[n];
                    }
                    let mut w = message(abreast);
                    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = sums;
                    for t in (0..64).step_by(16) {
                        macro_rules! round {
                            ($j:literal) => {
                                if t > 0 {
                                    let s0 = small_sigma0(w[($j + 1) % 16]);
                                    let s1 = small_sigma1(w[($j + 14) % 16]);
                                    w[$j] = add(add(w[$j], s0), add(w[($j + 9) % 16], s1));
                                }
                                let constant = add(w[$j], splat(K[t + $j]));
                                let t1 = add(add(h, constant), add(big_sigma1(e), choose(e, f, g)));
                                let t2 = add(big_sigma0(a), majority(a, b, c));
                                (h, g, f, e, d, c, b, a) = (g, f, e, add(d, t1), c, b, a, add(t1, t2));
                            };
                        }
                        round!(0);
                        round!(1);
                        round!(2);
                        round!(3);
                        round!(4);
                        round!(5);
                        round!(6);
                        round!(7);
                        round!(8);
                        round!(9);
                        round!(10);
                        round!(11);
                        round!(12);
                        round!(13);
                        round!(14);
                        round!(15);
                    }
                    for (sum, word) in sums.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                        *sum = add(*sum, word);
                    }
                }
                for (word, sum) in sums.into_iter().enumerate() {
                    for (state, value) in states.iter_mut().zip(to_words(sum)) {
                        state[word] = value;
                    }
                }
            }
        };
    }

    /// The shuffle that turns four big-endian words into native ones.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn byte_order() -> __m128i {
        _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203)
    }

    mod v512 {
        use super::super::{Block, K, State};
        use super::byte_order;
        use std::arch::x86_64::{
            __m512i, _mm512_add_epi32, _mm512_broadcast_i32x4, _mm512_loadu_si512, _mm512_ror_epi32,
            _mm512_set1_epi32, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32,
            _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
            _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
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
            big_sigma0(x) =
                xor3(_mm512_ror_epi32::<2>(x), _mm512_ror_epi32::<13>(x), _mm512_ror_epi32::<22>(x))
        );
        operation!(
            big_sigma1(x) =
                xor3(_mm512_ror_epi32::<6>(x), _mm512_ror_epi32::<11>(x), _mm512_ror_epi32::<25>(x))
        );
        operation!(
            small_sigma0(x) =
                xor3(_mm512_ror_epi32::<7>(x), _mm512_ror_epi32::<18>(x), _mm512_srli_epi32::<3>(x))
        );
        operation!(
            small_sigma1(x) =
                xor3(_mm512_ror_epi32::<17>(x), _mm512_ror_epi32::<19>(x), _mm512_srli_epi32::<10>(x))
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
    }

    mod v256 {
        use super::super::{Block, K, State, portable, rounds};
        use super::byte_order;
        use std::arch::x86_64::{
            __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256, _mm256_broadcastsi128_si256,
            _mm256_loadu_si256, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi32,
            _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
            _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
            _mm256_xor_si256,
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
            majority(a, b, c) =
                _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
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
    }
}
