//! The loops around the innermost product, on one thread.

use std::ops::Range;

use rayon::prelude::*;
use zeroize::Zeroize;

use super::tile::{PANEL_ROWS, Tile, panel_columns, strip};
use super::{blocks, longest_block};
use crate::kernel::PARALLEL_PRODUCTS;
use crate::kernel::tier::Tier;
use crate::{Ring, Secret, vector};

/// Rows packed at a time: a block of them takes half a mebibyte at most, so that scratch memory stays bounded and in the second-level cache.
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

    /// Some rows, and of them some columns.
    fn block(&self, rows: Range<usize>, inner: Range<usize>) -> Rows<'a, R> {
        Rows {
            elements: &self.elements[rows.start * self.inner + inner.start..],
            rows: rows.len(),
            inner: inner.len(),
            order: RowOrder::Rows { stride: self.inner },
        }
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

/// A right operand, or some columns of it, in panels.
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
    /// Row-major, with this many elements from a row to the next.
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

    pub(super) fn in_rows(elements: &'a [R], inner: usize, columns: usize) -> Self {
        assert_eq!(elements.len(), inner * columns, "the right operand is inner x columns");
        Right {
            elements,
            inner,
            first_column: 0,
            columns,
            order: Order::Rows { stride: columns },
        }
    }

    /// Some columns, starting with a panel.
    fn subset(self, range: Range<usize>) -> Self {
        debug_assert!(range.start.is_multiple_of(panel_columns::<R>()) && range.end <= self.columns);
        Right {
            first_column: self.first_column + range.start,
            columns: range.len(),
            ..self
        }
    }

    /// Columns of the panel that starts with `column`.
    pub(super) fn panel_width(&self, column: usize) -> usize {
        panel_columns::<R>().min(self.columns - column)
    }

    /// Columns, in whole strips, of the widest panel that [`Right::panel`] copies.
    fn widest_copy(&self, reused: bool) -> usize {
        match self.order {
            Order::Packed { .. } => 0,
            Order::Rows { .. } if reused => panel_columns::<R>().min(self.columns).next_multiple_of(strip::<R>()),
            Order::Rows { .. } if self.columns.is_multiple_of(strip::<R>()) => 0,
            Order::Rows { .. } => (self.columns % panel_columns::<R>()).next_multiple_of(strip::<R>()),
        }
    }

    /// Rows `inner` of the panel that starts with `column`. It is copied to `scratch` when that pays or when it is not whole strips.
    fn panel<'s>(&self, inner: &Range<usize>, column: usize, reused: bool, scratch: &'s mut [R]) -> Panel<'s, R>
    where
        'a: 's,
    {
        let columns = self.panel_width(column);
        let first = self.first_column + column;
        match self.order {
            Order::Packed { columns: all } => {
                let elements = &self.elements[inner.start * all + first * inner.len()..];
                Panel {
                    elements,
                    stride: panel_columns::<R>().min(all - first),
                    columns,
                }
            }
            Order::Rows { stride } if !reused && columns.is_multiple_of(strip::<R>()) => Panel {
                elements: &self.elements[inner.start * stride + first..],
                stride,
                columns,
            },
            Order::Rows { .. } => {
                let stride = columns.next_multiple_of(strip::<R>());
                let panel = &mut scratch[..inner.len() * stride];
                self.copy_panel(inner, column, panel);
                Panel {
                    elements: panel,
                    stride,
                    columns,
                }
            }
        }
    }

    /// Copies rows `inner` of a panel, which become whole strips; elements past the last column stay what they were.
    pub(super) fn copy_panel(&self, inner: &Range<usize>, column: usize, panel: &mut [R]) {
        let Order::Rows { stride } = self.order else {
            unreachable!("a packed matrix is not packed again")
        };
        let columns = self.panel_width(column);
        for (k, to) in inner
            .clone()
            .zip(panel.chunks_exact_mut(columns.next_multiple_of(strip::<R>())))
        {
            let start = k * stride + self.first_column + column;
            to[..columns].copy_from_slice(&self.elements[start..start + columns]);
        }
    }
}

/// `out += left * right`, on the threads of rayon's current pool when it is worth it.
pub(super) fn multiply_add<R: Ring>(tier: Tier, left: Left<'_, R>, right: Right<'_, R>, out: &mut [R]) {
    assert_eq!(left.inner, right.inner, "both operands have the inner dimension");
    assert_eq!(out.len(), left.rows * right.columns, "the result is rows x columns");
    let threads = rayon::current_num_threads();
    if threads == 1 || left.rows * left.inner * right.columns < PARALLEL_PRODUCTS {
        return multiply_add_here(tier, left, right, out);
    }
    let share = left.rows.div_ceil(threads).next_multiple_of(PANEL_ROWS);
    if share < left.rows {
        let lefts = left.elements.par_chunks(share * left.inner);
        out.par_chunks_mut(share * right.columns)
            .zip(lefts)
            .for_each(|(out, elements)| {
                let left = Left {
                    elements,
                    rows: elements.len() / left.inner,
                    inner: left.inner,
                };
                multiply_add_here(tier, left, right, out);
            });
    } else {
        split_columns(tier, left, right, out, threads);
    }
}

/// Too few rows to share out: each thread takes some panels of columns into a result of its own.
fn split_columns<R: Ring>(tier: Tier, left: Left<'_, R>, right: Right<'_, R>, out: &mut [R], threads: usize) {
    let share = right.columns.div_ceil(threads).next_multiple_of(panel_columns::<R>());
    let ranges: Vec<_> = (0..right.columns)
        .step_by(share)
        .map(|start| start..right.columns.min(start + share))
        .collect();
    let parts: Vec<Secret<R>> = ranges
        .par_iter()
        .map(|range| {
            let mut part = Secret::zeros(left.rows * range.len());
            multiply_add_here(tier, left, right.subset(range.clone()), &mut part);
            part
        })
        .collect();
    for (range, part) in ranges.into_iter().zip(&parts) {
        for (row, part) in out.chunks_exact_mut(right.columns).zip(part.chunks_exact(range.len())) {
            vector::add_assign(&mut row[range.clone()], part);
        }
    }
}

/// `out += left * right`, on this thread.
pub(super) fn multiply_add_here<R: Ring>(tier: Tier, left: Left<'_, R>, right: Right<'_, R>, out: &mut [R]) {
    let reused = left.rows > PANEL_ROWS;
    let mut scratch = Secret::zeros(longest_block(left.inner) * right.widest_copy(reused));
    for inner in blocks(left.inner) {
        for first in (0..left.rows).step_by(BLOCK_ROWS) {
            let rows = first..left.rows.min(first + BLOCK_ROWS);
            for column in (0..right.columns).step_by(panel_columns::<R>()) {
                let panel = right.panel(&inner, column, reused, &mut scratch);
                let out = &mut out[rows.start * right.columns + column..];
                multiply_panel(tier, left.block(rows.clone(), inner.clone()), panel, out, right.columns);
            }
        }
    }
}

/// Rows of a left operand, some of its columns.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, R> {
    pub elements: &'a [R],
    pub rows: usize,
    pub inner: usize,
    pub order: RowOrder,
}

/// Where the elements of [`Rows`] are.
#[derive(Clone, Copy)]
pub(crate) enum RowOrder {
    /// In panels of [`PANEL_ROWS`] rows, the last one lower; each panel column by column.
    Panels,
    /// Row by row, with this many elements from a row to the next.
    Rows { stride: usize },
}

impl<'a, R: Ring> Rows<'a, R> {
    /// At most [`PANEL_ROWS`] rows from row `first` on, which begins a panel.
    fn panel(&self, first: usize) -> Self {
        let start = match self.order {
            RowOrder::Panels => first * self.inner,
            RowOrder::Rows { stride } => first * stride,
        };
        Rows {
            elements: &self.elements[start..],
            rows: PANEL_ROWS.min(self.rows - first),
            ..*self
        }
    }

    /// Elements from a row to the next and from a column to the next, of a single panel.
    fn strides(&self) -> (usize, usize) {
        match self.order {
            RowOrder::Panels => (1, self.rows),
            RowOrder::Rows { stride } => (stride, 1),
        }
    }
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
    left: Rows<'_, R>,
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
        right.elements.len() >= (left.inner - 1) * right.stride + width,
        "the panel of columns is complete"
    );
    assert!(
        out.len() >= (left.rows - 1) * out_stride + right.columns,
        "the result is complete"
    );
    if right.columns < width {
        return multiply_ragged_panel(
            tier,
            left,
            Panel {
                columns: width,
                ..right
            },
            right.columns,
            out,
            out_stride,
        );
    }
    for first in (0..left.rows).step_by(PANEL_ROWS) {
        let panel = left.panel(first);
        let (left_row, left_column) = panel.strides();
        assert!(
            panel.elements.len() > (panel.rows - 1) * left_row + (left.inner - 1) * left_column,
            "the rows are complete"
        );
        let tile = Tile {
            rows: panel.rows,
            strips,
            inner: left.inner,
            left: panel.elements.as_ptr(),
            left_row,
            left_column,
            right: right.elements.as_ptr(),
            right_stride: right.stride,
            out: out[first * out_stride..].as_mut_ptr(),
            out_stride,
        };
        // SAFETY: the assertions above are what the tile needs, and `out` is borrowed exclusively.
        unsafe { R::tile(tier, &tile) };
    }
}

/// As [`multiply_panel`], through a result of whole strips, of which only the first `columns` columns are added.
fn multiply_ragged_panel<R: Ring>(
    tier: Tier,
    left: Rows<'_, R>,
    right: Panel<'_, R>,
    columns: usize,
    out: &mut [R],
    out_stride: usize,
) {
    let mut sums = [R::ZERO; PANEL_ROWS * 64];
    for first in (0..left.rows).step_by(PANEL_ROWS) {
        let part = left.panel(first);
        let sums = &mut sums[..part.rows * right.columns];
        sums.fill(R::ZERO);
        multiply_panel(tier, part, right, sums, right.columns);
        for (row, sums) in sums.chunks_exact(right.columns).enumerate() {
            let start = (first + row) * out_stride;
            out[start..start + columns]
                .iter_mut()
                .zip(sums)
                .for_each(|(out, &sum)| *out = out.plus(sum));
        }
    }
    sums.zeroize();
}
