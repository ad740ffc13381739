//! Bits of elements to planes and back.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512plus;

use zeroize::Zeroize;

use super::tier::Tier;
use crate::{Ring, vectorize};

/// Lanes of a plane's word.
pub(super) const LANES: usize = 64;

/// What is sliced of every element: `count` bits of its difference to `minus`, from bit `first` on.
#[derive(Clone, Copy)]
pub(crate) struct Window<R> {
    pub minus: R,
    pub first: u32,
    pub count: u32,
}

/// Plane `p` of `words` gets bit `first + p` of every element less `minus`.
pub(crate) fn slice<R: Ring>(elements: &[R], window: Window<R>, words: &mut [u64]) {
    slice_on(Tier::current(), elements, window, words);
}

fn slice_on<R: Ring>(tier: Tier, elements: &[R], window: Window<R>, words: &mut [u64]) {
    let stride = elements.len().div_ceil(LANES);
    assert_eq!(
        words.len(),
        window.count as usize * stride,
        "a plane has a word for every 64 lanes"
    );
    if words.is_empty() {
        return;
    }
    let (blocks, rest) = elements.as_chunks::<LANES>();
    R::slice_blocks(tier, blocks, window, words, stride);
    if !rest.is_empty() {
        let mut lanes = [window.minus; LANES];
        lanes[..rest.len()].copy_from_slice(rest);
        R::slice_blocks(tier, &[lanes], window, &mut words[blocks.len()..], stride);
        lanes.zeroize();
    }
}

macro_rules! slice_blocks {
    ($name:ident, $word:ty, $wide:ident) => {
        /// Word `p * stride + i` of `words` gets bit `first + p` of the elements of block `i`.
        pub(super) fn $name(
            tier: Tier,
            blocks: &[[$word; LANES]],
            window: Window<$word>,
            words: &mut [u64],
            stride: usize,
        ) {
            #[cfg(target_arch = "x86_64")]
            let (blocks, words) = if tier == Tier::Avx512Plus {
                let (eights, rest) = blocks.as_chunks();
                for (index, eight) in eights.iter().enumerate() {
                    // SAFETY: the tier is in use only where the processor has it.
                    unsafe { avx512plus::$wide(eight, window, &mut words[index * avx512plus::BLOCKS..], stride) };
                }
                (rest, &mut words[eights.len() * avx512plus::BLOCKS..])
            } else {
                (blocks, words)
            };
            for (index, lanes) in blocks.iter().enumerate() {
                let words = &mut words[index..];
                match tier {
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Tier::Avx512 | Tier::Avx512Plus => unsafe { avx512::$wide(lanes, window, words, stride) },
                    _ => vectorize!(tier, slice_transposed(lanes, window, words, stride)),
                }
            }
        }
    };
}

slice_blocks!(slice_blocks_u32, u32, slice_u32);
slice_blocks!(slice_blocks_u64, u64, slice_u64);

#[inline(always)]
fn slice_transposed<R: Ring>(lanes: &[R; LANES], window: Window<R>, words: &mut [u64], stride: usize) {
    let mut block = lanes.map(|lane| lane.minus(window.minus).to_u64() >> window.first);
    transpose(&mut block);
    words
        .iter_mut()
        .step_by(stride)
        .zip(block)
        .take(window.count as usize)
        .for_each(|(word, plane)| *word = plane);
    block.zeroize();
}

/// The bits of a plane as 0 and 1.
pub(crate) fn unslice<R: Ring>(plane: &[u64], elements: &mut [R]) {
    vectorize!(unslice_loop(plane, elements));
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

    fn check<R: Ring>(words: &[u64], minus: u64, first: u32, count: u32) {
        let minus = R::from_u64(minus);
        let elements: Vec<R> = words.iter().map(|&w| R::from_u64(w)).collect();
        let stride = words.len().div_ceil(LANES);
        for &tier in Tier::available() {
            let mut planes = vec![0; count as usize * stride];
            slice_on(tier, &elements, Window { minus, first, count }, &mut planes);
            for p in 0..count as usize {
                for lane in 0..stride * LANES {
                    let bit = elements
                        .get(lane)
                        .map_or(0, |element| element.minus(minus).to_u64() >> (first as usize + p) & 1);
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
            words in prop::collection::vec(any::<u64>(), 0..1300),
            minus in any::<u64>(),
            first in 0u32..64,
            count in 0u32..=64,
        ) {
            check::<u64>(&words, minus, first, count.min(64 - first));
            check::<u32>(&words, minus, first % 32, count.min(32 - first % 32));
        }
    }
}
