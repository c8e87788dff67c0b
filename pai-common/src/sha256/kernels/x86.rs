//! Many streams at once in vector registers, one 32-bit word of each stream in each register.

// The one exception to the workspace's rule: vector loads take raw pointers, and calling a function that
// is compiled for more than the baseline CPU is unsafe. Nothing else here is.
#![allow(unsafe_code)]

use std::arch::x86_64::{__m128i, _mm_set_epi64x};

use super::{Block, State};

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

// Behind the macro, which they use.
mod v256;
mod v512;

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
