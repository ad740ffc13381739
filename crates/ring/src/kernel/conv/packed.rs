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
        let rows = 0..geometry.outputs;
        if !spread {
            self.rows(tier, kernels, rows, input, out);
        } else if batch >= threads || geometry.groups > 1 {
            let share = batch.div_ceil(threads);
            input
                .par_chunks(share * geometry.input_len())
                .zip(out.par_chunks_mut(share * geometry.output_len()))
                .for_each(|(input, out)| self.rows(tier, kernels, rows.clone(), input, out));
        } else {
            // Each thread gathers the input for itself, which costs little beside the products of its outputs.
            let share = rows.len().div_ceil(threads).next_multiple_of(PANEL_ROWS);
            for (input, out) in input
                .chunks_exact(geometry.input_len())
                .zip(out.chunks_exact_mut(geometry.output_len()))
            {
                out.par_chunks_mut(share * geometry.pixels())
                    .enumerate()
                    .for_each(|(index, out)| {
                        let first = index * share;
                        self.rows(tier, kernels, first..first + out.len() / geometry.pixels(), input, out);
                    });
            }
        }
    }

    /// Some outputs of whole images: all, or of a single group those from a panel of rows on. `out` has no others.
    fn rows(&self, tier: Tier, kernels: &[R], outputs: Range<usize>, input: &[R], out: &mut [R]) {
        let geometry = &self.geometry;
        let (all, taps, pixels) = (geometry.outputs / geometry.groups, geometry.taps(), geometry.pixels());
        let rows = outputs.len() / geometry.groups;
        let mut gather = Gather::new(geometry);
        let mut scratch = Secret::zeros(longest_block(taps) * panel_columns::<R>());
        let mut sums = Secret::default();
        let end = out.len() / outputs.len();
        for first in (0..end).step_by(panel_columns::<R>()) {
            let columns = panel_columns::<R>().min(end - first);
            let width = columns.next_multiple_of(strip::<R>());
            let (image, pixel) = (first / pixels, first % pixels);
            // A panel that reaches into the next image is added up apart.
            let apart = pixel + columns > pixels;
            if apart {
                sums = Secret::zeros(outputs.len() * width);
            }
            gather.select(first..first + columns);
            for group in 0..geometry.groups {
                let kernels = &kernels[group * all * taps..];
                let (to, stride) = match apart {
                    true => (&mut sums[group * rows * width..], width),
                    false => (
                        &mut out[(image * outputs.len() + group * rows) * pixels + pixel..],
                        pixels,
                    ),
                };
                for block in blocks(taps) {
                    let panel = &mut scratch[..block.len() * width];
                    vectorize!(tier, gather.fill(input, group, block.clone(), panel, width));
                    let left = Rows {
                        elements: &kernels[all * block.start + outputs.start * block.len()..],
                        rows,
                        inner: block.len(),
                        order: RowOrder::Panels,
                    };
                    let right = Panel {
                        elements: panel,
                        stride: width,
                        columns: if apart { width } else { columns },
                    };
                    multiply_panel(tier, left, right, to, stride);
                }
            }
            if apart {
                self.add_panel(first, outputs.len(), &sums, out);
            }
        }
    }

    /// Adds a panel's result, of some outputs, where its pixels are.
    fn add_panel(&self, first: usize, outputs: usize, panel: &[R], out: &mut [R]) {
        let pixels = self.geometry.pixels();
        let width = panel.len() / outputs;
        let end = (out.len() / outputs).min(first + width);
        let mut column = first;
        while column < end {
            let (image, pixel) = (column / pixels, column % pixels);
            let len = (pixels - pixel).min(end - column);
            let image = &mut out[image * outputs * pixels..][..outputs * pixels];
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
