//! The loops around the innermost product, on one thread.

use std::ops::Range;

use zeroize::Zeroize;

use super::BLOCK_INNER;
use super::tile::{PANEL_ROWS, Tile, panel_columns, strip};
use crate::kernel::tier::Tier;
use crate::{Ring, Secret};

/// Rows packed at a time: with [`BLOCK_INNER`] half a mebibyte, so that scratch memory stays bounded and in the second-level cache.
const BLOCK_ROWS: usize = 42 * PANEL_ROWS;

/// A row-major left operand.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a, R> {
    elements: &'a [R],
    rows: usize,
    inner: usize,
}

impl<'a, R: Ring> Left<'a, R> {
    pub(crate) fn new(elements: &'a [R], rows: usize, inner: usize) -> Self {
        assert_eq!(elements.len(), rows * inner, "the left operand is rows x inner");
        Left { elements, rows, inner }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Packs a block into panels of rows, each column by column.
    pub(crate) fn pack(&self, rows: Range<usize>, inner: Range<usize>, packed: &mut [R]) {
        let mut panels = packed;
        for first in rows.clone().step_by(PANEL_ROWS) {
            let height = PANEL_ROWS.min(rows.end - first);
            let (panel, rest) = panels.split_at_mut(height * inner.len());
            panels = rest;
            for i in 0..height {
                let start = (first + i) * self.inner;
                let row = &self.elements[start + inner.start..start + inner.end];
                panel
                    .iter_mut()
                    .skip(i)
                    .step_by(height)
                    .zip(row)
                    .for_each(|(to, &element)| *to = element);
            }
        }
    }
}

/// A right operand, some columns of it, in panels.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a, R> {
    elements: &'a [R],
    inner: usize,
    first_column: usize,
    columns: usize,
    order: Order,
}

#[derive(Clone, Copy)]
enum Order {
    /// As [`super::PackedMatrix`] keeps them; of this many columns, filled up to whole strips.
    Packed { columns: usize },
    /// Row-major, with this many elements from a row to the next. The columns are whole strips.
    Rows { stride: usize },
}

impl<'a, R: Ring> Right<'a, R> {
    pub(super) fn packed(elements: &'a [R], inner: usize, columns: usize) -> Self {
        let order = Order::Packed {
            columns: columns.next_multiple_of(strip::<R>()),
        };
        Right {
            elements,
            inner,
            first_column: 0,
            columns,
            order,
        }
    }

    /// The first `columns` columns, whole strips, of a row-major matrix.
    pub(super) fn in_place(elements: &'a [R], inner: usize, stride: usize, columns: usize) -> Self {
        assert!(
            columns.is_multiple_of(strip::<R>()) && columns <= stride,
            "columns read in place are whole strips"
        );
        Right {
            elements,
            inner,
            first_column: 0,
            columns,
            order: Order::Rows { stride },
        }
    }

    /// Some columns, starting with a panel.
    pub(super) fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start.is_multiple_of(panel_columns::<R>()) && range.end <= self.columns);
        Right {
            first_column: self.first_column + range.start,
            columns: range.len(),
            ..self
        }
    }

    /// Rows `inner` of the panel that starts with `column`: where they begin, and how far apart they are.
    fn panel(&self, inner: &Range<usize>, column: usize) -> (&'a [R], usize) {
        let column = self.first_column + column;
        match self.order {
            Order::Packed { columns } => {
                let stride = panel_columns::<R>().min(columns - column);
                (&self.elements[inner.start * columns + column * inner.len()..], stride)
            }
            Order::Rows { stride } => (&self.elements[inner.start * stride + column..], stride),
        }
    }
}

/// `out[.., at..at + right.columns] += left * right`, where rows of `out` are `stride` long.
pub(super) fn multiply_add<R: Ring>(
    tier: Tier,
    left: Left<'_, R>,
    right: Right<'_, R>,
    out: &mut [R],
    stride: usize,
    at: usize,
) {
    assert_eq!(left.inner, right.inner, "both operands have the inner dimension");
    assert_eq!(out.len(), left.rows * stride, "the result is rows x columns");
    assert!(at + right.columns <= stride, "the result has all columns");
    let mut scratch = Secret::zeros(BLOCK_ROWS.min(left.rows) * BLOCK_INNER.min(left.inner));
    for start in (0..left.inner).step_by(BLOCK_INNER) {
        let inner = start..left.inner.min(start + BLOCK_INNER);
        for first in (0..left.rows).step_by(BLOCK_ROWS) {
            let rows = first..left.rows.min(first + BLOCK_ROWS);
            left.pack(rows.clone(), inner.clone(), &mut scratch);
            let panels = PackedRows {
                elements: &scratch,
                rows: rows.len(),
                inner: inner.len(),
            };
            for column in (0..right.columns).step_by(panel_columns::<R>()) {
                let (elements, right_stride) = right.panel(&inner, column);
                let columns = panel_columns::<R>().min(right.columns - column);
                let panel = Panel {
                    elements,
                    stride: right_stride,
                    columns,
                };
                multiply_panel(
                    tier,
                    panels,
                    panel,
                    &mut out[rows.start * stride + at + column..],
                    stride,
                );
            }
        }
    }
}

/// Rows in panels of [`PANEL_ROWS`], the last one lower; each panel column by column.
#[derive(Clone, Copy)]
pub(crate) struct PackedRows<'a, R> {
    pub elements: &'a [R],
    pub rows: usize,
    pub inner: usize,
}

/// A panel of columns, filled up to whole strips.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a, R> {
    pub elements: &'a [R],
    pub stride: usize,
    pub columns: usize,
}

/// Adds the product of packed rows and one panel of columns to `out`, which starts with the first element of the result.
pub(crate) fn multiply_panel<R: Ring>(
    tier: Tier,
    left: PackedRows<'_, R>,
    right: Panel<'_, R>,
    out: &mut [R],
    out_stride: usize,
) {
    if left.rows == 0 || left.inner == 0 || right.columns == 0 {
        return;
    }
    let strips = right.columns.div_ceil(strip::<R>());
    let width = strips * strip::<R>();
    assert!(
        left.elements.len() >= left.rows * left.inner,
        "the panels of rows are complete"
    );
    assert!(
        right.elements.len() >= (left.inner - 1) * right.stride + width,
        "the panel of columns is complete"
    );
    assert!(
        out.len() >= (left.rows - 1) * out_stride + right.columns,
        "the result is complete"
    );
    let mut ragged = [R::ZERO; PANEL_ROWS * 64];
    for first in (0..left.rows).step_by(PANEL_ROWS) {
        let rows = PANEL_ROWS.min(left.rows - first);
        let mut tile = Tile {
            rows,
            strips,
            inner: left.inner,
            left: left.elements[first * left.inner..].as_ptr(),
            right: right.elements.as_ptr(),
            right_stride: right.stride,
            out: out[first * out_stride..].as_mut_ptr(),
            out_stride,
        };
        if right.columns == width {
            // SAFETY: the three assertions above are what the tile needs, and `out` is borrowed exclusively.
            unsafe { R::tile(tier, &tile) };
            continue;
        }
        ragged.fill(R::ZERO);
        tile.out = ragged.as_mut_ptr();
        tile.out_stride = width;
        // SAFETY: as above, with a result of `PANEL_ROWS` rows of at most 64 columns.
        unsafe { R::tile(tier, &tile) };
        for (row, sums) in ragged.chunks_exact(width).take(rows).enumerate() {
            let start = (first + row) * out_stride;
            out[start..start + right.columns]
                .iter_mut()
                .zip(sums)
                .for_each(|(out, &sum)| *out = out.plus(sum));
        }
    }
    ragged.zeroize();
}
