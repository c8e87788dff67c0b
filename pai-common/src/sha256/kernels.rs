//! The compression function of FIPS 180-4: for one stream on any CPU here, for 16 or 8 streams at once in `x86`.
//!
//! SHA-256 is a chain: one stream cannot be split. Independent streams can, with one 32-bit word of each in
//! one vector register. The 16 lane kernel needs AVX-512 (rotates, three-operand logic), the 8 lane kernel AVX2.
//! Every kernel is an entry of [`super::engine::Engine`], which asks the CPU first.

#[cfg(target_arch = "x86_64")]
mod x86;

use super::{Block, State};

#[cfg(target_arch = "x86_64")]
pub(super) use self::x86::{avx2, avx2_8, avx512_16};

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
#[allow(clippy::inline_always)] // x86::v256 compiles it once more, for AVX2
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
