//! The innermost product: a panel of at most six rows times a panel of at most four strips of columns.

use crate::Ring;
use crate::kernel::tier::Tier;

/// Rows of a full panel of the left operand.
pub(crate) const PANEL_ROWS: usize = 6;

/// Strips of a full panel of the right operand. A strip is as many columns as fill a cache line, which is the widest vector.
pub(crate) const PANEL_STRIPS: usize = 4;

/// Columns of a strip.
pub(crate) const fn strip<R: Ring>() -> usize {
    64 / R::BYTES
}

/// Columns of a full panel of the right operand.
pub(crate) const fn panel_columns<R: Ring>() -> usize {
    PANEL_STRIPS * strip::<R>()
}

/// One tile of the result and the two panels whose product is added to it.
pub(crate) struct Tile<R> {
    /// 1 to [`PANEL_ROWS`].
    pub rows: usize,
    /// 1 to [`PANEL_STRIPS`].
    pub strips: usize,
    /// Products summed into one element.
    pub inner: usize,
    /// `inner` columns of `rows` elements.
    pub left: *const R,
    /// `inner` rows of `strips` strips, each `right_stride` elements after the one before.
    pub right: *const R,
    /// Elements from a row of `right` to the next.
    pub right_stride: usize,
    /// `rows` rows of `strips` strips, each `out_stride` elements after the one before.
    pub out: *mut R,
    /// Elements from a row of `out` to the next.
    pub out_stride: usize,
}

macro_rules! multiply_add {
    ($name:ident, $word:ty) => {
        /// Adds the product of the two panels to the tile.
        ///
        /// # Safety
        /// The pointers are valid for what [`Tile`] says stands behind them, `out` for writing and aliased by nobody, and the processor
        /// has `tier`.
        pub(crate) unsafe fn $name(tier: Tier, tile: &Tile<$word>) {
            match tier {
                // SAFETY: the caller's promise.
                _ => unsafe { portable(tile) },
            }
        }
    };
}

multiply_add!(multiply_add_u32, u32);
multiply_add!(multiply_add_u64, u64);

/// # Safety
/// As [`multiply_add_u32`].
unsafe fn portable<R: Ring>(tile: &Tile<R>) {
    let width = strip::<R>();
    for strip in 0..tile.strips {
        for row in 0..tile.rows {
            let mut sums = [R::ZERO; 16];
            for k in 0..tile.inner {
                // SAFETY: `k`, `row` and `strip` are within what the tile says stands behind its pointers.
                let (factor, columns) = unsafe {
                    let columns = tile.right.add(k * tile.right_stride + strip * width);
                    (
                        *tile.left.add(k * tile.rows + row),
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
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = out.plus(sum);
            }
        }
    }
}
