//! Matrix products over a ring: `out += left * right`, all row-major and contiguous.
//!
//! The right operand is cut into panels of columns as wide as four cache lines, and along the inner dimension into blocks that fit the
//! second-level cache, so that the innermost loop reads both operands from start to end; the left operand is cut into panels of six rows.
//! A static right operand (a weight matrix) is packed into that order once, see [`PackedMatrix`]. Another is packed panel by panel on the
//! way, or with few rows, when packing would cost more than it saves, read where it stands.

mod packed;
pub(crate) mod product;
pub(crate) mod tile;

pub use packed::PackedMatrix;

use std::ops::Range;

use super::tier::Tier;
use crate::Ring;
use product::{Left, Right};

/// Inner length of a block: a panel of columns of that length takes 64 KiB, which leaves room for others in a second-level cache.
const BLOCK_INNER: usize = 256;

/// Longest block.
pub(crate) fn longest_block(inner: usize) -> usize {
    inner.min(BLOCK_INNER)
}

/// Blocks of the inner dimension.
pub(crate) fn blocks(inner: usize) -> impl Iterator<Item = Range<usize>> {
    (0..inner)
        .step_by(BLOCK_INNER)
        .map(move |start| start..inner.min(start + BLOCK_INNER))
}

/// `out += left * right`, where `left` is `rows` x `inner`, `right` `inner` x `columns` and `out` `rows` x `columns`.
pub fn gemm<R: Ring>(rows: usize, inner: usize, columns: usize, left: &[R], right: &[R], out: &mut [R]) {
    gemm_on(Tier::current(), rows, inner, columns, left, right, out);
}

fn gemm_on<R: Ring>(tier: Tier, rows: usize, inner: usize, columns: usize, left: &[R], right: &[R], out: &mut [R]) {
    product::multiply_add(
        tier,
        Left::new(left, rows, inner),
        Right::in_rows(right, inner, columns),
        out,
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn noise<R: Ring>(len: usize, seed: u64) -> Vec<R> {
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                R::from_u64(state ^ state >> 29)
            })
            .collect()
    }

    fn naive<R: Ring>(rows: usize, inner: usize, columns: usize, left: &[R], right: &[R], out: &mut [R]) {
        for i in 0..rows {
            for j in 0..columns {
                for k in 0..inner {
                    let product = left[i * inner + k].times(right[k * columns + j]);
                    out[i * columns + j] = out[i * columns + j].plus(product);
                }
            }
        }
    }

    fn check<R: Ring>(rows: usize, inner: usize, columns: usize, seed: u64) {
        let left = noise::<R>(rows * inner, seed);
        let right = noise::<R>(inner * columns, seed + 1);
        let start = noise::<R>(rows * columns, seed + 2);
        let mut expected = start.clone();
        naive(rows, inner, columns, &left, &right, &mut expected);
        let words = |elements: &[R]| elements.iter().map(|x| x.to_u64()).collect::<Vec<_>>();
        for &tier in Tier::available() {
            let mut out = start.clone();
            gemm_on(tier, rows, inner, columns, &left, &right, &mut out);
            assert_eq!(
                words(&out),
                words(&expected),
                "{rows} x {inner} x {columns} on {tier:?}"
            );
            let mut out = start.clone();
            PackedMatrix::new(inner, columns, &right).multiply_add_on(tier, rows, &left, &mut out);
            assert_eq!(
                words(&out),
                words(&expected),
                "packed, {rows} x {inner} x {columns} on {tier:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn equals_the_definition(rows in 0usize..20, inner in 0usize..40, columns in 0usize..150, seed in any::<u32>()) {
            check::<u32>(rows, inner, columns, seed.into());
            check::<u64>(rows, inner, columns, seed.into());
        }
    }

    #[test]
    fn blocks_of_the_inner_dimension_add_up() {
        for inner in [BLOCK_INNER - 1, BLOCK_INNER, BLOCK_INNER + 1, 3 * BLOCK_INNER + 7] {
            check::<u32>(7, inner, 65, 1);
            check::<u64>(1, inner, 33, 2);
        }
    }

    #[test]
    fn large_products_are_spread_over_threads() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        pool.install(|| {
            check::<u32>(1, 2100, 2011, 3);
            check::<u64>(100, 300, 150, 4);
        });
    }

    #[test]
    #[should_panic(expected = "the right operand is inner x columns")]
    fn another_shape_is_refused() {
        gemm::<u32>(1, 2, 3, &[0; 2], &[0; 5], &mut [0; 3]);
    }
}
