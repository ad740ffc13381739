//! Convolution of groups of one channel each.

use rayon::prelude::*;

use super::ConvGeometry;
use crate::kernel::PARALLEL_PRODUCTS;
use crate::kernel::gemm::product::{Panel, RowOrder, Rows, multiply_panel};
use crate::kernel::gemm::tile::{panel_columns, strip};
use crate::kernel::tier::Tier;
use crate::{Ring, Secret, vector};

/// `out += kernels * input`.
pub(super) fn multiply_add<R: Ring>(
    tier: Tier,
    geometry: &ConvGeometry,
    batch: usize,
    kernels: &[R],
    input: &[R],
    out: &mut [R],
) {
    let by_channel = geometry.outputs / geometry.groups;
    let size = geometry.input[0] * geometry.input[1];
    let channel = |(out, (index, input)): (&mut [R], (usize, &[R]))| {
        let len = by_channel * geometry.taps();
        let kernels = &kernels[index % geometry.channels * len..][..len];
        planes(tier, geometry, &Padded::new(geometry, input), kernels, out);
    };
    if batch * geometry.output_len() * geometry.taps() < PARALLEL_PRODUCTS {
        let planes = input.chunks_exact(size).enumerate();
        out.chunks_exact_mut(by_channel * geometry.pixels())
            .zip(planes)
            .for_each(channel);
    } else {
        let planes = input.par_chunks_exact(size).enumerate();
        out.par_chunks_exact_mut(by_channel * geometry.pixels())
            .zip(planes)
            .for_each(channel);
    }
}

/// Adds the channels of the result that come from one channel of the input.
///
/// Taps of a kernel row that read the same segment of a padded row are evenly spaced in it, so that they make a small matrix product whose
/// right operand is the padded row itself, its rows overlapping.
fn planes<R: Ring>(tier: Tier, geometry: &ConvGeometry, padded: &Padded<R>, kernels: &[R], out: &mut [R]) {
    let [kernel_rows, kernel_columns] = geometry.kernel;
    let [_, width] = geometry.output_size();
    let (rows, pixels) = (geometry.outputs / geometry.groups, geometry.pixels());
    let step = shared_step(geometry);
    let factors = factors(geometry, kernels);
    let filled = width.next_multiple_of(strip::<R>());
    let mut sums = Secret::zeros(rows * filled);
    for y in 0..pixels / width {
        sums.fill(R::ZERO);
        let mut factors = &factors[..];
        for ky in 0..kernel_rows {
            let row = (y * geometry.stride[0] + ky * geometry.dilation[0]) * padded.row;
            for first_tap in 0..step.min(kernel_columns) {
                let inner = (kernel_columns - first_tap).div_ceil(step);
                let left = Rows {
                    elements: factors,
                    rows,
                    inner,
                    order: RowOrder::Panels,
                };
                factors = &factors[rows * inner..];
                let column = first_tap * geometry.dilation[1];
                let start = row + column % geometry.stride[1] * padded.segment + column / geometry.stride[1];
                let stride = step * geometry.dilation[1] / geometry.stride[1];
                for first in (0..filled).step_by(panel_columns::<R>()) {
                    let columns = panel_columns::<R>().min(filled - first);
                    let right = Panel {
                        elements: &padded.elements[start + first..],
                        stride,
                        columns,
                    };
                    multiply_panel(tier, left, right, &mut sums[first..], filled);
                }
            }
        }
        for (out, sums) in out.chunks_exact_mut(pixels).zip(sums.chunks_exact(filled)) {
            vector::add_assign(&mut out[y * width..(y + 1) * width], &sums[..width]);
        }
    }
}

/// Distance of two taps of a kernel row that read the same segment.
fn shared_step(geometry: &ConvGeometry) -> usize {
    let (mut x, mut y) = (geometry.stride[1], geometry.dilation[1]);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    geometry.stride[1] / x
}

/// The kernels' elements in the order in which [`planes`] reads them.
fn factors<R: Ring>(geometry: &ConvGeometry, kernels: &[R]) -> Secret<R> {
    let step = shared_step(geometry);
    let mut ordered = Vec::with_capacity(kernels.len());
    for ky in 0..geometry.kernel[0] {
        for first_tap in 0..step.min(geometry.kernel[1]) {
            for kx in (first_tap..geometry.kernel[1]).step_by(step) {
                let tap = ky * geometry.kernel[1] + kx;
                ordered.extend(kernels.iter().skip(tap).step_by(geometry.taps()));
            }
        }
    }
    Secret::new(ordered)
}

/// A channel with its padding, laid out so that neighbouring pixels of the result read neighbouring elements at any stride: each row is
/// `stride` segments, segment `p` holding the columns that leave the remainder `p`.
struct Padded<R: Ring> {
    elements: Secret<R>,
    /// Elements of a segment, enough for a whole last strip.
    segment: usize,
    /// Elements of a row.
    row: usize,
}

impl<R: Ring> Padded<R> {
    fn new(geometry: &ConvGeometry, input: &[R]) -> Self {
        let stride = geometry.stride[1];
        let reach = geometry.dilation[1] * (geometry.kernel[1] - 1);
        let segment = geometry.output_size()[1].next_multiple_of(strip::<R>()) + reach / stride + 1;
        let row = stride * segment;
        let rows = geometry.input[0] + geometry.pad_before[0] + geometry.pad_after[0];
        let mut elements = Secret::zeros(rows * row);
        let first = geometry.pad_before[1];
        for (y, from) in input.chunks_exact(geometry.input[1]).enumerate() {
            let to = &mut elements[(geometry.pad_before[0] + y) * row..][..row];
            if stride == 1 {
                let len = from.len().min(segment.saturating_sub(first));
                to[first..first + len].copy_from_slice(&from[..len]);
                continue;
            }
            for phase in 0..stride {
                // The first column of the input that falls into this segment, and its place there.
                let skip = (phase + stride - first % stride) % stride;
                let start = (first + skip) / stride;
                let segment = &mut to[phase * segment..(phase + 1) * segment];
                let elements = from.iter().skip(skip).step_by(stride);
                segment
                    .iter_mut()
                    .skip(start)
                    .zip(elements)
                    .for_each(|(to, &element)| *to = element);
            }
        }
        Padded { elements, segment, row }
    }
}
