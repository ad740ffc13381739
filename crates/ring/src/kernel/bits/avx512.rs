use std::arch::x86_64::*;

use super::{LANES, Window};

/// One bit of 64 words as a word: mask instructions read it off sixteen lanes at a time.
macro_rules! slice {
    ($name:ident, $word:ty, $broadcast:ident, $test:ident, $add:ident, $subtract:ident) => {
        /// Bit `first + p` of each element less `minus` goes to word `p * stride` of `words`.
        #[target_feature(enable = "avx512f")]
        pub(super) fn $name(lanes: &[$word; LANES], window: Window<$word>, words: &mut [u64], stride: usize) {
            const WIDTH: usize = 64 / size_of::<$word>();
            let minus = $broadcast(window.minus as _);
            // SAFETY: each chunk is as long as a vector, and the load needs no alignment.
            let lanes: [__m512i; LANES / WIDTH] = std::array::from_fn(|vector| unsafe {
                let lanes = _mm512_loadu_si512(lanes[vector * WIDTH..(vector + 1) * WIDTH].as_ptr().cast());
                $subtract(lanes, minus)
            });
            let mut bit = $broadcast((1 as $word << window.first) as _);
            for word in words.iter_mut().step_by(stride).take(window.count as usize) {
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
    _mm512_add_epi32,
    _mm512_sub_epi32
);
slice!(
    slice_u64,
    u64,
    _mm512_set1_epi64,
    _mm512_test_epi64_mask,
    _mm512_add_epi64,
    _mm512_sub_epi64
);
