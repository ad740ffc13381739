//! The innermost product: a panel of at most six rows times a panel of at most four strips of columns.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

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
    /// `rows` rows of `inner` elements.
    pub left: *const R,
    /// Elements from a row of `left` to the next.
    pub left_row: usize,
    /// Elements from a column of `left` to the next.
    pub left_column: usize,
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
            debug_assert!((1..=PANEL_ROWS).contains(&tile.rows) && (1..=PANEL_STRIPS).contains(&tile.strips));
            match tier {
                // SAFETY: the caller's promise.
                Tier::Portable => unsafe { portable::multiply_add(tile) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Tier::Avx2 => unsafe { avx2::$name(tile) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Tier::Avx512 | Tier::Avx512Plus => unsafe { avx512::$name(tile) },
            }
        }
    };
}

multiply_add!(multiply_add_u32, u32);
multiply_add!(multiply_add_u64, u64);
