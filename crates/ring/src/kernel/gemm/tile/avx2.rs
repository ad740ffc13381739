use std::arch::x86_64::*;

use super::Tile;

/// Picks the function for the tile's rows.
macro_rules! by_rows {
    ($function:ident, $tile:ident, $column:ident) => {
        match $tile.rows {
            // SAFETY (all six): the caller's promise; the constant is the tile's rows.
            1 => unsafe { $function::<1>($tile, $column) },
            2 => unsafe { $function::<2>($tile, $column) },
            3 => unsafe { $function::<3>($tile, $column) },
            4 => unsafe { $function::<4>($tile, $column) },
            5 => unsafe { $function::<5>($tile, $column) },
            _ => unsafe { $function::<6>($tile, $column) },
        }
    };
}

/// Adds the product of the two panels to the tile, one strip at a time: two vectors a row.
///
/// # Safety
/// The pointers are valid for what [`Tile`] says stands behind them, `out` for writing and aliased by nobody.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn multiply_add_u32(tile: &Tile<u32>) {
    for column in (0..tile.strips * 16).step_by(16) {
        by_rows!(strip_u32, tile, column);
    }
}

/// Adds the product of the two panels to the tile, half a strip at a time.
///
/// # Safety
/// As [`multiply_add_u32`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn multiply_add_u64(tile: &Tile<u64>) {
    for column in (0..tile.strips * 8).step_by(4) {
        by_rows!(half_strip_u64, tile, column);
    }
}

/// # Safety
/// As [`multiply_add_u32`]; `ROWS` are the tile's, and 16 columns from `column` on are in it.
#[target_feature(enable = "avx2")]
unsafe fn strip_u32<const ROWS: usize>(tile: &Tile<u32>, column: usize) {
    let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
    for k in 0..tile.inner {
        // SAFETY: row `k` of the right panel has the strip's two vectors.
        let columns: [__m256i; 2] = [0, 8]
            .map(|half| unsafe { _mm256_loadu_si256(tile.right.add(k * tile.right_stride + column + half).cast()) });
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: column `k` of the left panel has `ROWS` elements.
            let factor =
                _mm256_set1_epi32(unsafe { *tile.left.add(row * tile.left_row + k * tile.left_column) } as i32);
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum = _mm256_add_epi32(*sum, _mm256_mullo_epi32(factor, column));
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (half, sum) in sums.into_iter().enumerate() {
            // SAFETY: the tile has `ROWS` rows with this strip.
            unsafe {
                let out: *mut __m256i = tile.out.add(row * tile.out_stride + column + half * 8).cast();
                _mm256_storeu_si256(out, _mm256_add_epi32(_mm256_loadu_si256(out), sum));
            }
        }
    }
}

/// A product of 64-bit words a and b is, modulo 2^64, the product of their low halves plus 2^32 times the sum of the two crossed products.
/// The crossed products are summed apart and shifted once at the end.
///
/// # Safety
/// As [`multiply_add_u32`]; `ROWS` are the tile's, and 4 columns from `column` on are in it.
#[target_feature(enable = "avx2")]
unsafe fn half_strip_u64<const ROWS: usize>(tile: &Tile<u64>, column: usize) {
    let mut low_sums = [_mm256_setzero_si256(); ROWS];
    let mut crossed_sums = [_mm256_setzero_si256(); ROWS];
    for k in 0..tile.inner {
        // SAFETY: row `k` of the right panel has these four columns.
        let low = unsafe { _mm256_loadu_si256(tile.right.add(k * tile.right_stride + column).cast()) };
        let high = _mm256_srli_epi64::<32>(low);
        for row in 0..ROWS {
            // SAFETY: column `k` of the left panel has `ROWS` elements.
            let factor_low =
                _mm256_set1_epi64x(unsafe { *tile.left.add(row * tile.left_row + k * tile.left_column) } as i64);
            let factor_high = _mm256_srli_epi64::<32>(factor_low);
            low_sums[row] = _mm256_add_epi64(low_sums[row], _mm256_mul_epu32(factor_low, low));
            let crossed = _mm256_add_epi64(_mm256_mul_epu32(factor_low, high), _mm256_mul_epu32(factor_high, low));
            crossed_sums[row] = _mm256_add_epi64(crossed_sums[row], crossed);
        }
    }
    for row in 0..ROWS {
        let sum = _mm256_add_epi64(low_sums[row], _mm256_slli_epi64::<32>(crossed_sums[row]));
        // SAFETY: the tile has `ROWS` rows with these columns.
        unsafe {
            let out: *mut __m256i = tile.out.add(row * tile.out_stride + column).cast();
            _mm256_storeu_si256(out, _mm256_add_epi64(_mm256_loadu_si256(out), sum));
        }
    }
}
