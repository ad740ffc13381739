use std::arch::x86_64::*;

use super::LANES;

/// One bit of 64 words as a word: mask instructions read it off sixteen lanes at a time.
macro_rules! slice {
    ($name:ident, $word:ty, $broadcast:ident, $test:ident, $add:ident) => {
        /// Bit `first + p` of each element goes to word `p * stride` of `words`.
        #[target_feature(enable = "avx512f")]
        pub(super) fn $name(lanes: &[$word; LANES], first: u32, count: u32, words: &mut [u64], stride: usize) {
            const WIDTH: usize = 64 / size_of::<$word>();
            // SAFETY: each chunk is as long as a vector, and the load needs no alignment.
            let lanes: [__m512i; LANES / WIDTH] = std::array::from_fn(|vector| unsafe {
                _mm512_loadu_si512(lanes[vector * WIDTH..(vector + 1) * WIDTH].as_ptr().cast())
            });
            let mut bit = $broadcast((1 as $word << first) as _);
            for word in words.iter_mut().step_by(stride).take(count as usize) {
                *word = lanes.iter().rev().fold(0, |word, lanes| word << WIDTH | u64::from($test(*lanes, bit)));
                bit = $add(bit, bit);
            }
        }
    };
}

slice!(
    slice_u32,
    u32,
    _mm512_set1_epi32,
    _mm512_test_epi32_mask,
    _mm512_add_epi32
);
slice!(
    slice_u64,
    u64,
    _mm512_set1_epi64,
    _mm512_test_epi64_mask,
    _mm512_add_epi64
);
