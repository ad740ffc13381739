//! Bits of elements to planes and back.

#[cfg(target_arch = "x86_64")]
mod avx512;

use zeroize::Zeroize;

use super::tier::{Tier, vectorize, vectorize_for};
use crate::Ring;

/// Lanes of a plane's word.
pub(super) const LANES: usize = 64;

/// Plane `p` of `words` gets bit `first + p` of every element.
pub(crate) fn slice<R: Ring>(elements: &[R], first: u32, count: u32, words: &mut [u64]) {
    slice_on(Tier::detected(), elements, first, count, words);
}

fn slice_on<R: Ring>(tier: Tier, elements: &[R], first: u32, count: u32, words: &mut [u64]) {
    if count == 0 {
        return;
    }
    let stride = elements.len().div_ceil(LANES);
    let (blocks, rest) = elements.as_chunks::<LANES>();
    for (index, lanes) in blocks.iter().enumerate() {
        R::slice_block(tier, lanes, first, count, &mut words[index..], stride);
    }
    if !rest.is_empty() {
        let mut lanes = [R::ZERO; LANES];
        lanes[..rest.len()].copy_from_slice(rest);
        R::slice_block(tier, &lanes, first, count, &mut words[blocks.len()..], stride);
        lanes.zeroize();
    }
}

macro_rules! slice_block {
    ($name:ident, $word:ty, $wide:ident) => {
        /// Bit `first + p` of each element goes to word `p * stride` of `words`.
        pub(super) fn $name(
            tier: Tier,
            lanes: &[$word; LANES],
            first: u32,
            count: u32,
            words: &mut [u64],
            stride: usize,
        ) {
            match tier {
                // SAFETY: the tier exists only where its features were found.
                #[cfg(target_arch = "x86_64")]
                Tier::Avx512 => unsafe { avx512::$wide(lanes, first, count, words, stride) },
                _ => vectorize_for(tier, || slice_transposed(lanes, first, count, words, stride)),
            }
        }
    };
}

slice_block!(slice_block_u32, u32, slice_u32);
slice_block!(slice_block_u64, u64, slice_u64);

#[inline(always)]
fn slice_transposed<R: Ring>(lanes: &[R; LANES], first: u32, count: u32, words: &mut [u64], stride: usize) {
    let mut block = lanes.map(|lane| lane.to_u64() >> first);
    transpose(&mut block);
    words
        .iter_mut()
        .step_by(stride)
        .zip(block)
        .take(count as usize)
        .for_each(|(word, plane)| *word = plane);
    block.zeroize();
}

/// The bits of a plane as 0 and 1.
pub(crate) fn unslice<R: Ring>(plane: &[u64], elements: &mut [R]) {
    vectorize(|| unslice_loop(plane, elements));
}

#[inline(always)]
fn unslice_loop<R: Ring>(plane: &[u64], elements: &mut [R]) {
    for (word, lanes) in plane.iter().zip(elements.chunks_mut(LANES)) {
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane = R::from_u64(word >> i & 1);
        }
    }
}

/// Transposes a 64 x 64 matrix of bits, bit `j` of word `i` being row `i`, column `j`.
///
/// Swaps the off-diagonal halves of ever smaller blocks (Warren, Hacker's Delight, 2nd edition, section 7-3).
#[inline(always)]
fn transpose(block: &mut [u64; LANES]) {
    let mut mask = u64::MAX >> 32;
    let mut half = 32;
    while half > 0 {
        for pair in block.chunks_exact_mut(2 * half) {
            let (upper, lower) = pair.split_at_mut(half);
            for (x, y) in upper.iter_mut().zip(lower) {
                let swap = (*x >> half ^ *y) & mask;
                *x ^= swap << half;
                *y ^= swap;
            }
        }
        half /= 2;
        mask ^= mask << half;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<R: Ring>(words: &[u64], first: u32, count: u32) {
        let elements: Vec<R> = words.iter().map(|&w| R::from_u64(w)).collect();
        let stride = words.len().div_ceil(LANES);
        for tier in Tier::available() {
            let mut planes = vec![0; count as usize * stride];
            slice_on(tier, &elements, first, count, &mut planes);
            for p in 0..count as usize {
                for lane in 0..stride * LANES {
                    let bit = elements
                        .get(lane)
                        .map_or(0, |element| element.to_u64() >> (first as usize + p) & 1);
                    assert_eq!(
                        planes[p * stride + lane / 64] >> (lane % 64) & 1,
                        bit,
                        "{tier:?}, {p}, {lane}"
                    );
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_tier_slices_alike(
            words in prop::collection::vec(any::<u64>(), 0..200),
            first in 0u32..64,
            count in 0u32..=64,
        ) {
            check::<u64>(&words, first, count.min(64 - first));
            check::<u32>(&words, first % 32, count.min(32 - first % 32));
        }
    }
}
