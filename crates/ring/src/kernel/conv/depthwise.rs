//! Convolution of groups of one channel each: a few products for each element, so what matters is to read each plane once.

use rayon::prelude::*;

use super::ConvGeometry;
use crate::kernel::PARALLEL_PRODUCTS;
use crate::kernel::tier::Tier;
use crate::{Ring, Secret, vectorize};

/// Neighbouring pixels worked on together. Rows are filled up to a multiple of it.
const LANES: usize = 16;

/// Rows worked on together, so that a product does not wait for the one before.
const ROWS: usize = 4;

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
    let channel = |padded: &mut Padded<R>, (out, (index, input)): (&mut [R], (usize, &[R]))| {
        let len = by_channel * geometry.taps();
        let kernels = &kernels[index % geometry.channels * len..][..len];
        vectorize!(tier, padded.channel(geometry, kernels, input, out));
    };
    let planes = by_channel * geometry.pixels();
    if batch * geometry.output_len() * geometry.taps() < PARALLEL_PRODUCTS {
        let mut padded = Padded::new(geometry);
        let inputs = input.chunks_exact(size).enumerate();
        out.chunks_exact_mut(planes)
            .zip(inputs)
            .for_each(|planes| channel(&mut padded, planes));
    } else {
        let inputs = input.par_chunks_exact(size).enumerate();
        out.par_chunks_exact_mut(planes)
            .zip(inputs)
            .for_each_init(|| Padded::new(geometry), channel);
    }
}

/// A channel with its padding, laid out so that neighbouring pixels of the result read neighbouring elements at any stride: each row is
/// `stride` segments, segment `p` holding the columns that leave the remainder `p`.
struct Padded<R: Ring> {
    elements: Secret<R>,
    /// Elements of a segment, enough for a whole last group of lanes.
    segment: usize,
    /// Where the tap of each element of a kernel is, seen from the first.
    taps: Vec<usize>,
}

impl<R: Ring> Padded<R> {
    fn new(geometry: &ConvGeometry) -> Self {
        let [row_stride, stride] = geometry.stride;
        let reach = geometry.dilation[1] * (geometry.kernel[1] - 1);
        let [height, width] = geometry.output_size();
        let segment = width.next_multiple_of(LANES) + reach / stride + 1;
        let row = stride * segment;
        // The last rows of the last group are computed and dropped.
        let rows =
            (height.next_multiple_of(ROWS) - 1) * row_stride + geometry.dilation[0] * (geometry.kernel[0] - 1) + 1;
        let taps = (0..geometry.taps()).map(|tap| {
            let (y, x) = (tap / geometry.kernel[1], tap % geometry.kernel[1]);
            let column = x * geometry.dilation[1];
            y * geometry.dilation[0] * row + column % stride * segment + column / stride
        });
        Padded {
            elements: Secret::zeros(rows * row),
            segment,
            taps: taps.collect(),
        }
    }

    /// Adds the channels of the result that come from one channel of the input.
    #[inline(always)]
    fn channel(&mut self, geometry: &ConvGeometry, kernels: &[R], input: &[R], out: &mut [R]) {
        self.load(geometry, input);
        let kernels = kernels.chunks_exact(geometry.taps());
        for (kernel, out) in kernels.zip(out.chunks_exact_mut(geometry.pixels())) {
            self.multiply_add(geometry, kernel, out);
        }
    }

    /// Takes up another channel; padding stays as it is.
    #[inline(always)]
    fn load(&mut self, geometry: &ConvGeometry, input: &[R]) {
        let (stride, first) = (geometry.stride[1], geometry.pad_before[1]);
        let rows = self.elements.chunks_exact_mut(stride * self.segment);
        let lines = input.chunks_exact(geometry.input[1]);
        for (to, from) in rows.skip(geometry.pad_before[0]).zip(lines) {
            match stride {
                1 => {
                    let to = after(to, first);
                    let len = from.len().min(to.len());
                    to[..len].copy_from_slice(&from[..len]);
                }
                2 if first.is_multiple_of(2) => {
                    let (even, odd) = to.split_at_mut(self.segment);
                    split_pairs(from, after(even, first / 2), after(odd, first / 2));
                }
                2 => {
                    // The first element stands alone in the odd segment.
                    let (even, odd) = to.split_at_mut(self.segment);
                    after(odd, first / 2)
                        .iter_mut()
                        .zip(from)
                        .take(1)
                        .for_each(|(to, &element)| *to = element);
                    split_pairs(
                        &from[1..],
                        &mut even[first.div_ceil(2)..],
                        &mut odd[first.div_ceil(2)..],
                    );
                }
                _ => {
                    for (column, &element) in (first..).zip(from) {
                        if column / stride < self.segment {
                            to[column % stride * self.segment + column / stride] = element;
                        }
                    }
                }
            }
        }
    }

    /// Adds one channel of the result.
    #[inline(always)]
    fn multiply_add(&self, geometry: &ConvGeometry, kernel: &[R], out: &mut [R]) {
        let [_, width] = geometry.output_size();
        let row = geometry.stride[1] * self.segment;
        let step = geometry.stride[0] * row;
        for (group, lines) in out.chunks_mut(ROWS * width).enumerate() {
            for x in (0..width).step_by(LANES) {
                let start = &self.elements[group * ROWS * step + x..];
                let [mut first, mut second, mut third, mut fourth] = [[R::ZERO; LANES]; ROWS];
                for (&factor, &tap) in kernel.iter().zip(&self.taps) {
                    first = plus_product(first, factor, start, tap);
                    second = plus_product(second, factor, start, tap + step);
                    third = plus_product(third, factor, start, tap + 2 * step);
                    fourth = plus_product(fourth, factor, start, tap + 3 * step);
                }
                let sums = [first, second, third, fourth];
                for (line, sums) in lines.chunks_exact_mut(width).zip(&sums) {
                    let line = &mut line[x..];
                    match line.first_chunk_mut::<LANES>() {
                        Some(line) => add(line, sums),
                        None => add(line, sums),
                    }
                }
            }
        }
    }
}

/// What is left of a segment from a place on.
fn after<R>(segment: &mut [R], place: usize) -> &mut [R] {
    let place = place.min(segment.len());
    &mut segment[place..]
}

/// Elements of even places to one segment, of odd ones to the other.
#[inline(always)]
fn split_pairs<R: Ring>(from: &[R], even: &mut [R], odd: &mut [R]) {
    let (pairs, last) = from.as_chunks::<2>();
    for ((pair, even), odd) in pairs.iter().zip(even.iter_mut()).zip(odd) {
        *even = pair[0];
        *odd = pair[1];
    }
    if let (Some(&last), Some(even)) = (last.first(), even.get_mut(pairs.len())) {
        *even = last;
    }
}

#[inline(always)]
fn plus_product<R: Ring>(mut sums: [R; LANES], factor: R, elements: &[R], place: usize) -> [R; LANES] {
    let elements: [R; LANES] = *elements[place..].first_chunk().expect("rows are filled up");
    for lane in 0..LANES {
        sums[lane] = sums[lane].plus(factor.times(elements[lane]));
    }
    sums
}

#[inline(always)]
fn add<R: Ring>(to: &mut [R], sums: &[R; LANES]) {
    to.iter_mut().zip(sums).for_each(|(to, &sum)| *to = to.plus(sum));
}
