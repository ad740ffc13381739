use std::arch::x86_64::*;

use super::Tile;

macro_rules! multiply_add {
    ($name:ident, $sums:ident, $word:ty, $broadcast:ident, $multiply:ident, $add:ident) => {
        /// Adds the product of the two panels to the tile, which stays in registers all along the inner dimension.
        ///
        /// # Safety
        /// The pointers are valid for what [`Tile`] says stands behind them, `out` for writing and aliased by nobody.
        #[target_feature(enable = "avx512f,avx512dq")]
        pub(super) unsafe fn $name(tile: &Tile<$word>) {
            macro_rules! by_form {
                ($rows:expr, $strips:expr => $of_rows:literal) => {
                    match $strips {
                        // SAFETY (all four): the caller's promise; the constants are the tile's rows and strips.
                        1 => unsafe { $sums::<$of_rows, 1>(tile) },
                        2 => unsafe { $sums::<$of_rows, 2>(tile) },
                        3 => unsafe { $sums::<$of_rows, 3>(tile) },
                        _ => unsafe { $sums::<$of_rows, 4>(tile) },
                    }
                };
            }
            match tile.rows {
                1 => by_form!(tile.rows, tile.strips => 1),
                2 => by_form!(tile.rows, tile.strips => 2),
                3 => by_form!(tile.rows, tile.strips => 3),
                4 => by_form!(tile.rows, tile.strips => 4),
                5 => by_form!(tile.rows, tile.strips => 5),
                _ => by_form!(tile.rows, tile.strips => 6),
            }
        }

        /// # Safety
        #[doc = concat!("As [`", stringify!($name), "`]; `ROWS` and `STRIPS` are the tile's.")]
        #[target_feature(enable = "avx512f,avx512dq")]
        unsafe fn $sums<const ROWS: usize, const STRIPS: usize>(tile: &Tile<$word>) {
            const WIDTH: usize = 64 / size_of::<$word>();
            let mut sums = [[_mm512_setzero_si512(); STRIPS]; ROWS];
            let rows: [*const $word; ROWS] = std::array::from_fn(|row| tile.left.wrapping_add(row * tile.left_row));
            let (mut column, mut right) = (0, tile.right);
            for _ in 0..tile.inner {
                let columns: [__m512i; STRIPS] =
                    // SAFETY: row `k` of the right panel has `STRIPS` strips.
                    std::array::from_fn(|strip| unsafe { _mm512_loadu_si512(right.add(strip * WIDTH).cast()) });
                for (row, sums) in rows.iter().zip(&mut sums) {
                    // SAFETY: each of the `ROWS` rows has an element in column `k`.
                    let factor = $broadcast(unsafe { *row.add(column) } as _);
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = $add(*sum, $multiply(factor, column));
                    }
                }
                column += tile.left_column;
                right = right.wrapping_add(tile.right_stride);
            }
            for (row, sums) in sums.into_iter().enumerate() {
                for (strip, sum) in sums.into_iter().enumerate() {
                    // SAFETY: the tile has `ROWS` rows of `STRIPS` strips.
                    unsafe {
                        let out: *mut __m512i = tile.out.add(row * tile.out_stride + strip * WIDTH).cast();
                        _mm512_storeu_si512(out, $add(_mm512_loadu_si512(out), sum));
                    }
                }
            }
        }
    };
}

multiply_add!(
    multiply_add_u32,
    sums_u32,
    u32,
    _mm512_set1_epi32,
    _mm512_mullo_epi32,
    _mm512_add_epi32
);
multiply_add!(
    multiply_add_u64,
    sums_u64,
    u64,
    _mm512_set1_epi64,
    _mm512_mullo_epi64,
    _mm512_add_epi64
);
