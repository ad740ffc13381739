//! Convolution of groups of one channel each.

use rayon::prelude::*;

use super::ConvGeometry;
use crate::Ring;
use crate::kernel::PARALLEL_PRODUCTS;
use crate::kernel::tier::{Tier, vectorize_for};

/// `out += kernels * input`, tap by tap: each adds a multiple of an input row to a row of the result.
pub(super) fn multiply_add<R: Ring>(
    tier: Tier,
    geometry: &ConvGeometry,
    batch: usize,
    kernels: &[R],
    input: &[R],
    out: &mut [R],
) {
    let plane = |(index, out): (usize, &mut [R])| {
        let (image, output) = (index / geometry.outputs, index % geometry.outputs);
        let channel = image * geometry.channels + output / (geometry.outputs / geometry.groups);
        let size = geometry.input[0] * geometry.input[1];
        let input = &input[channel * size..(channel + 1) * size];
        let kernel = &kernels[output * geometry.taps()..(output + 1) * geometry.taps()];
        vectorize_for(tier, || plane_loop(geometry, kernel, input, out));
    };
    if batch * geometry.output_len() * geometry.taps() < PARALLEL_PRODUCTS {
        out.chunks_exact_mut(geometry.pixels()).enumerate().for_each(plane);
    } else {
        out.par_chunks_exact_mut(geometry.pixels()).enumerate().for_each(plane);
    }
}

#[inline(always)]
fn plane_loop<R: Ring>(geometry: &ConvGeometry, kernel: &[R], input: &[R], out: &mut [R]) {
    let (width, out_width) = (geometry.input[1], geometry.output_size()[1]);
    for (tap, &factor) in kernel.iter().enumerate() {
        let (ky, kx) = (tap / geometry.kernel[1], tap % geometry.kernel[1]);
        let columns = geometry.covered(1, kx);
        if columns.is_empty() {
            continue;
        }
        for row in geometry.covered(0, ky) {
            let y = row * geometry.stride[0] + ky * geometry.dilation[0] - geometry.pad_before[0];
            let x = columns.start * geometry.stride[1] + kx * geometry.dilation[1] - geometry.pad_before[1];
            let from = &input[y * width + x..(y + 1) * width];
            let to = &mut out[row * out_width..][columns.clone()];
            if geometry.stride[1] == 1 {
                to.iter_mut()
                    .zip(from)
                    .for_each(|(to, &element)| *to = to.plus(factor.times(element)));
            } else {
                let from = from.iter().step_by(geometry.stride[1]);
                to.iter_mut()
                    .zip(from)
                    .for_each(|(to, &element)| *to = to.plus(factor.times(element)));
            }
        }
    }
}
