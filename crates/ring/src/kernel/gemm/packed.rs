use std::fmt;

use super::blocks;
use super::product::{self, Left, Right};
use super::tile::{panel_columns, strip};
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
        let rows = Right::in_rows(elements, inner, columns);
        let mut packed = Secret::zeros(inner * columns.next_multiple_of(strip::<R>()));
        let mut rest = &mut packed[..];
        for block in blocks(inner) {
            for first in (0..columns).step_by(panel_columns::<R>()) {
                let width = rows.panel_width(first);
                let (panel, others) = rest.split_at_mut(block.len() * width.next_multiple_of(strip::<R>()));
                rows.copy_panel(&block, first, panel);
                rest = others;
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
        self.multiply_add_on(Tier::current(), rows, left, out);
    }

    pub(super) fn multiply_add_on(&self, tier: Tier, rows: usize, left: &[R], out: &mut [R]) {
        let right = Right::packed(&self.elements, self.inner, self.columns);
        product::multiply_add(tier, Left::new(left, rows, self.inner), right, out);
    }

    /// As [`PackedMatrix::multiply_add`], on this thread.
    pub(crate) fn multiply_add_here(&self, tier: Tier, rows: usize, left: &[R], out: &mut [R]) {
        let right = Right::packed(&self.elements, self.inner, self.columns);
        product::multiply_add_here(tier, Left::new(left, rows, self.inner), right, out);
    }
}

impl<R: Ring> fmt::Debug for PackedMatrix<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedMatrix({} x {} over {})", self.inner, self.columns, R::KIND)
    }
}
