use super::{Tile, strip};
use crate::Ring;

/// Adds the product of the two panels to the tile, one row of one strip at a time.
///
/// # Safety
/// The pointers are valid for what [`Tile`] says stands behind them, `out` for writing and aliased by nobody.
pub(super) unsafe fn multiply_add<R: Ring>(tile: &Tile<R>) {
    let width = strip::<R>();
    for strip in 0..tile.strips {
        for row in 0..tile.rows {
            let mut sums = [R::ZERO; 16];
            let sums = &mut sums[..width];
            for k in 0..tile.inner {
                // SAFETY: `k`, `row` and `strip` are within what the tile says stands behind its pointers.
                let (factor, columns) = unsafe {
                    let columns = tile.right.add(k * tile.right_stride + strip * width);
                    (
                        *tile.left.add(row * tile.left_row + k * tile.left_column),
                        std::slice::from_raw_parts(columns, width),
                    )
                };
                for (sum, &column) in sums.iter_mut().zip(columns) {
                    *sum = sum.plus(factor.times(column));
                }
            }
            // SAFETY: as above, and nobody else has the tile.
            let out =
                unsafe { std::slice::from_raw_parts_mut(tile.out.add(row * tile.out_stride + strip * width), width) };
            for (out, &mut sum) in out.iter_mut().zip(sums) {
                *out = out.plus(sum);
            }
        }
    }
}
