use std::fmt;
use std::ops::Range;

use rayon::prelude::*;

use super::BLOCK_INNER;
use super::product::{self, Left, Right};
use super::tile::{PANEL_ROWS, panel_columns, strip};
use crate::kernel::PARALLEL_PRODUCTS;
use crate::kernel::tier::Tier;
use crate::{Ring, Secret};

/// The right operand of a product, `inner` x `columns`, in the order in which the innermost loop reads it.
///
/// Blocks of the inner dimension, in each the panels of columns, in each the rows; columns are filled up with zeros to whole cache lines.
/// It is wiped when dropped.
pub struct PackedMatrix<R: Ring> {
    inner: usize,
    columns: usize,
    elements: Secret<R>,
}

impl<R: Ring> PackedMatrix<R> {
    /// Packs a row-major matrix.
    pub fn new(inner: usize, columns: usize, elements: &[R]) -> Self {
        assert_eq!(elements.len(), inner * columns, "the right operand is inner x columns");
        Self::of_columns(inner, columns, elements, 0..columns)
    }

    /// Packs some columns of a row-major matrix whose rows are `stride` long.
    pub(super) fn of_columns(inner: usize, stride: usize, elements: &[R], range: Range<usize>) -> Self {
        let columns = range.len();
        let mut packed = Secret::zeros(inner * columns.next_multiple_of(strip::<R>()));
        let mut position = 0;
        for block in (0..inner).step_by(BLOCK_INNER) {
            for first in (0..columns).step_by(panel_columns::<R>()) {
                let wanted = panel_columns::<R>().min(columns - first);
                for k in block..inner.min(block + BLOCK_INNER) {
                    let start = k * stride + range.start + first;
                    packed[position..position + wanted].copy_from_slice(&elements[start..start + wanted]);
                    position += wanted.next_multiple_of(strip::<R>());
                }
            }
        }
        PackedMatrix {
            inner,
            columns,
            elements: packed,
        }
    }

    /// Rows of the matrix.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `out += left * self`, where `left` is `rows` x `inner` and `out` `rows` x `columns`.
    pub fn multiply_add(&self, rows: usize, left: &[R], out: &mut [R]) {
        self.multiply_add_on(Tier::detected(), rows, left, out);
    }

    pub(super) fn multiply_add_on(&self, tier: Tier, rows: usize, left: &[R], out: &mut [R]) {
        assert_eq!(out.len(), rows * self.columns, "the result is rows x columns");
        let threads = rayon::current_num_threads();
        if threads == 1 || rows * self.inner * self.columns < PARALLEL_PRODUCTS {
            return product::multiply_add(
                tier,
                Left::new(left, rows, self.inner),
                self.view(),
                out,
                self.columns,
                0,
            );
        }
        assert_eq!(left.len(), rows * self.inner, "the left operand is rows x inner");
        let share = rows.div_ceil(threads).next_multiple_of(PANEL_ROWS);
        if share < rows {
            let parts = out
                .par_chunks_mut(share * self.columns)
                .zip(left.par_chunks(share * self.inner));
            parts.for_each(|(out, left)| {
                let rows = out.len() / self.columns;
                product::multiply_add(
                    tier,
                    Left::new(left, rows, self.inner),
                    self.view(),
                    out,
                    self.columns,
                    0,
                );
            });
        } else {
            self.split_columns(tier, Left::new(left, rows, self.inner), out, threads);
        }
    }

    /// Too few rows to share out: each thread takes some panels of columns into a result of its own.
    fn split_columns(&self, tier: Tier, left: Left<'_, R>, out: &mut [R], threads: usize) {
        let share = self.columns.div_ceil(threads).next_multiple_of(panel_columns::<R>());
        let starts: Vec<usize> = (0..self.columns).step_by(share).collect();
        let parts: Vec<Secret<R>> = starts
            .par_iter()
            .map(|&start| {
                let width = share.min(self.columns - start);
                let mut part = Secret::zeros(left.rows() * width);
                product::multiply_add(
                    tier,
                    left,
                    self.view().columns(start..start + width),
                    &mut part,
                    width,
                    0,
                );
                part
            })
            .collect();
        for (start, part) in starts.into_iter().zip(&parts) {
            let width = share.min(self.columns - start);
            for (row, part) in out.chunks_exact_mut(self.columns).zip(part.chunks_exact(width)) {
                crate::vector::add_assign(&mut row[start..start + width], part);
            }
        }
    }

    pub(super) fn view(&self) -> Right<'_, R> {
        Right::packed(&self.elements, self.inner, self.columns)
    }
}

impl<R: Ring> fmt::Debug for PackedMatrix<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedMatrix({} x {} over {})", self.inner, self.columns, R::KIND)
    }
}
