//! Bits of elements to planes and back.

use super::tier::vectorize;
use crate::Ring;

/// Lanes of a plane's word.
const LANES: usize = 64;

/// Plane `p` of `words` gets bit `first + p` of every element.
pub(super) fn slice<R: Ring>(elements: &[R], first: u32, count: u32, words: &mut [u64]) {
    let width = elements.len().div_ceil(LANES);
    for (index, lanes) in elements.chunks(LANES).enumerate() {
        let mut block = [0; LANES];
        lanes
            .iter()
            .zip(&mut block)
            .for_each(|(element, word)| *word = element.to_u64() >> first);
        vectorize(|| transpose(&mut block));
        for (p, word) in block.iter().take(count as usize).enumerate() {
            words[p * width + index] = *word;
        }
    }
}

/// The bits of a plane as 0 and 1.
pub(super) fn unslice<R: Ring>(plane: &[u64], elements: &mut [R]) {
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
