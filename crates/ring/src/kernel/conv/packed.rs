use std::fmt;
use std::ops::Range;

use rayon::prelude::*;

use super::gather::Gather;
use super::tiled::{self, TiledKernels};
use super::{ConvGeometry, depthwise};
use crate::kernel::PARALLEL_PRODUCTS;
use crate::kernel::gemm::product::{Left, Panel, RowOrder, Rows, multiply_panel};
use crate::kernel::gemm::tile::{PANEL_ROWS, panel_columns, strip};
use crate::kernel::gemm::{blocks, longest_block};
use crate::kernel::tier::Tier;
use crate::{Ring, Secret, vector, vectorize};

/// The kernels of a convolution in the order in which the innermost loop reads them, with the convolution's geometry. Wiped when dropped.
pub struct PackedKernels<R: Ring> {
    geometry: ConvGeometry,
    form: Form<R>,
}

enum Form<R: Ring> {
    /// By group, in each by block of taps, in each the panels of rows.
    Panels(Secret<R>),
    /// As they came.
    Depthwise(Secret<R>),
    Tiled(TiledKernels<R>),
}

impl<R: Ring> PackedKernels<R> {
    /// Packs kernels of shape `[outputs, channels / groups, kernel height, kernel width]`.
    pub fn new(geometry: ConvGeometry, kernels: &[R]) -> Self {
        assert_eq!(
            kernels.len(),
            geometry.kernels_len(),
            "kernels are outputs x channels / groups x height x width"
        );
        let form = if is_depthwise(&geometry) {
            Form::Depthwise(Secret::new(kernels.to_vec()))
        } else if tiled::suits(&geometry) {
            Form::Tiled(TiledKernels::new(&geometry, kernels))
        } else {
            Form::Panels(panels(&geometry, kernels))
        };
        PackedKernels { geometry, form }
    }

    /// Shapes and windows.
    pub fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    /// `out += kernels * input` for `batch` images, one after the other.
    pub fn multiply_add(&self, batch: usize, input: &[R], out: &mut [R]) {
        self.multiply_add_on(Tier::current(), batch, input, out);
    }

    pub(super) fn multiply_add_on(&self, tier: Tier, batch: usize, input: &[R], out: &mut [R]) {
        let geometry = &self.geometry;
        assert_eq!(
            input.len(),
            batch * geometry.input_len(),
            "the input is batch x channels x height x width"
        );
        assert_eq!(
            out.len(),
            batch * geometry.output_len(),
            "the result is batch x outputs x height x width"
        );
        let columns = batch * geometry.pixels();
        let threads = rayon::current_num_threads();
        let spread = threads > 1 && columns * geometry.kernels_len() >= PARALLEL_PRODUCTS;
        let kernels = match &self.form {
            Form::Depthwise(kernels) => return depthwise::multiply_add(tier, geometry, batch, kernels, input, out),
            Form::Tiled(kernels) => return kernels.multiply_add(tier, geometry, spread, input, out),
            Form::Panels(kernels) => kernels,
        };
        if !spread {
            return self.columns(tier, kernels, input, 0..columns, |first, part| {
                self.add_panel(first, part, out)
            });
        }
        let share = columns.div_ceil(threads).next_multiple_of(panel_columns::<R>());
        let starts: Vec<usize> = (0..columns).step_by(share).collect();
        let parts: Vec<Vec<(usize, Secret<R>)>> = starts
            .par_iter()
            .map(|&start| {
                let mut panels = Vec::new();
                let range = start..columns.min(start + share);
                self.columns(tier, kernels, input, range, |first, part| {
                    panels.push((first, Secret::new(part.to_vec())))
                });
                panels
            })
            .collect();
        for (first, part) in parts.iter().flatten() {
            self.add_panel(*first, part, out);
        }
    }

    /// Multiplies some columns; hands over each panel's first column and result, `outputs` rows.
    fn columns(&self, tier: Tier, kernels: &[R], input: &[R], range: Range<usize>, mut done: impl FnMut(usize, &[R])) {
        let geometry = &self.geometry;
        let (rows, taps) = (geometry.outputs / geometry.groups, geometry.taps());
        let mut gather = Gather::new(geometry);
        let mut scratch = Secret::zeros(longest_block(taps) * panel_columns::<R>());
        let mut sums = Secret::zeros(geometry.outputs * panel_columns::<R>());
        for first in range.clone().step_by(panel_columns::<R>()) {
            let columns = panel_columns::<R>().min(range.end - first);
            let width = columns.next_multiple_of(strip::<R>());
            let sums = &mut sums[..geometry.outputs * width];
            sums.fill(R::ZERO);
            gather.select(first..first + columns);
            for group in 0..geometry.groups {
                let kernels = &kernels[group * rows * taps..];
                let sums = &mut sums[group * rows * width..];
                for block in blocks(taps) {
                    let panel = &mut scratch[..block.len() * width];
                    vectorize!(tier, gather.fill(input, group, block.clone(), panel, width));
                    let kernels = &kernels[rows * block.start..rows * block.end];
                    let left = Rows {
                        elements: kernels,
                        rows,
                        inner: block.len(),
                        order: RowOrder::Panels,
                    };
                    multiply_panel(
                        tier,
                        left,
                        Panel {
                            elements: panel,
                            stride: width,
                            columns: width,
                        },
                        sums,
                        width,
                    );
                }
            }
            done(first, sums);
        }
    }

    /// Adds a panel's result where its pixels are.
    fn add_panel(&self, first: usize, panel: &[R], out: &mut [R]) {
        let pixels = self.geometry.pixels();
        let width = panel.len() / self.geometry.outputs;
        let total = out.len() / self.geometry.outputs;
        let end = total.min(first + width);
        let mut column = first;
        while column < end {
            let (image, pixel) = (column / pixels, column % pixels);
            let len = (pixels - pixel).min(end - column);
            let image = &mut out[image * self.geometry.output_len()..][..self.geometry.output_len()];
            for (to, sums) in image.chunks_exact_mut(pixels).zip(panel.chunks_exact(width)) {
                vector::add_assign(&mut to[pixel..pixel + len], &sums[column - first..column - first + len]);
            }
            column += len;
        }
    }
}

/// Packs the kernels of each group into panels.
fn panels<R: Ring>(geometry: &ConvGeometry, kernels: &[R]) -> Secret<R> {
    let (rows, taps) = (geometry.outputs / geometry.groups, geometry.taps());
    let mut packed = Secret::zeros(kernels.len());
    for (group, packed) in kernels
        .chunks_exact(rows * taps)
        .zip(packed.chunks_exact_mut(rows * taps))
    {
        let group = Left::new(group, rows, taps);
        for block in blocks(taps) {
            group.pack(
                0..rows,
                block.clone(),
                &mut packed[rows * block.start..rows * block.end],
            );
        }
    }
    packed
}

/// Whether groups have one channel and too few outputs to fill a panel of rows.
fn is_depthwise(geometry: &ConvGeometry) -> bool {
    geometry.channels == geometry.groups && geometry.outputs / geometry.groups < PANEL_ROWS
}

impl<R: Ring> fmt::Debug for PackedKernels<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedKernels({:?} over {})", self.geometry, R::KIND)
    }
}
