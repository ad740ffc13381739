//! The terms of a linear step, each added to the sum so far.

use tercet_ring::{Ring, Secret};

use super::Machine;
use super::local::broadcast_positions;
use super::strided::elements;
use crate::{ConvGeometry, Term, ValueId};

impl<R: Ring> Machine<'_, R> {
    pub(super) fn add_term(&self, term: &Term, values: &[Secret<R>], result: &[u32], sum: &mut [R]) {
        let of = |id: &ValueId| &values[id.0 as usize][..];
        let shape = |id: &ValueId| self.plan.value(*id).shape.as_slice();
        let sample = elements(result);
        let last = |shape: &[u32]| shape[shape.len() - 1] as usize;
        match term {
            Term::Dense { of: id, weight } => {
                let [inner, outer] = [last(shape(id)), last(result)];
                matrix_product(of(id), &self.parameters[weight.0 as usize], inner, outer, sum);
            }
            Term::Conv {
                of: id,
                weight,
                geometry,
            } => {
                let kernels = &self.parameters[weight.0 as usize];
                let convolution = Convolution {
                    operand: shape(id),
                    kernel: &self.plan.parameter(*weight).shape,
                    result,
                    geometry,
                };
                let samples = of(id).chunks_exact(elements(shape(id)));
                for (from, to) in samples.zip(sum.chunks_exact_mut(sample)) {
                    convolution.add(from, kernels, to);
                }
            }
            Term::Scale { of: id, weight } => {
                let places = broadcast_positions(&self.plan.parameter(*weight).shape, result);
                let factors = &self.parameters[weight.0 as usize];
                let factors = places.iter().cycle().map(|&place| factors[place]);
                add_products(of(id).iter().copied().zip(factors), sum);
            }
            Term::Product { left, right } => {
                add_products(of(left).iter().copied().zip(of(right).iter().copied()), sum);
            }
            Term::MatMul { left, right } => {
                let [inner, outer] = [last(shape(left)), last(result)];
                let rows = shape(left)[shape(left).len() - 2] as usize;
                let lefts = of(left).chunks_exact(rows * inner);
                let rights = of(right).chunks_exact(inner * outer);
                for ((left, right), sum) in lefts.zip(rights).zip(sum.chunks_exact_mut(rows * outer)) {
                    matrix_product(left, right, inner, outer, sum);
                }
            }
            Term::Add { of: id, factor } => {
                let factor = R::from_i64(*factor);
                add_products(of(id).iter().map(|&element| (element, factor)), sum);
            }
            Term::Bias(parameter) => {
                let places = broadcast_positions(&self.plan.parameter(*parameter).shape, result);
                let biases = &self.parameters[parameter.0 as usize];
                add_products(places.iter().cycle().map(|&place| (biases[place], R::ONE)), sum);
            }
        }
    }
}

fn add_products<R: Ring>(pairs: impl Iterator<Item = (R, R)>, sum: &mut [R]) {
    sum.iter_mut()
        .zip(pairs)
        .for_each(|(sum, (a, b))| *sum = sum.plus(a.times(b)));
}

/// Adds `[rows, inner]` times `[inner, outer]`, four rows of the right factor at a time to go over the sum less often.
fn matrix_product<R: Ring>(left: &[R], right: &[R], inner: usize, outer: usize, sum: &mut [R]) {
    for (left, sum) in left.chunks_exact(inner).zip(sum.chunks_exact_mut(outer)) {
        let (fours, rest) = left.as_chunks::<4>();
        let (rows, last_rows) = right.split_at(4 * fours.len() * outer);
        for (&[a, b, c, d], rows) in fours.iter().zip(rows.chunks_exact(4 * outer)) {
            let (first, second) = rows.split_at(2 * outer);
            let rows = first.split_at(outer).0.iter().zip(first.split_at(outer).1);
            let rows = rows.zip(second.split_at(outer).0.iter().zip(second.split_at(outer).1));
            for (sum, ((&w, &x), (&y, &z))) in sum.iter_mut().zip(rows) {
                let low = a.times(w).plus(b.times(x));
                *sum = sum.plus(low.plus(c.times(y).plus(d.times(z))));
            }
        }
        for (&factor, row) in rest.iter().zip(last_rows.chunks_exact(outer)) {
            sum.iter_mut()
                .zip(row)
                .for_each(|(sum, &element)| *sum = sum.plus(factor.times(element)));
        }
    }
}

struct Convolution<'a> {
    /// `[channels, height, width]`.
    operand: &'a [u32],
    /// `[outputs, channels / groups, rows, columns]`.
    kernel: &'a [u32],
    /// `[outputs, height, width]`.
    result: &'a [u32],
    geometry: &'a ConvGeometry,
}

impl Convolution<'_> {
    /// Adds the cross-correlation of one sample: for each group, kernels as a matrix times the taps of every position.
    fn add<R: Ring>(&self, operand: &[R], kernels: &[R], sum: &mut [R]) {
        let groups = self.geometry.groups as usize;
        let pixels = elements(&self.result[1..]);
        let inner = elements(&self.kernel[1..]);
        let outputs = self.kernel[0] as usize / groups;
        let operands = operand.chunks_exact(operand.len() / groups);
        let kernels = kernels.chunks_exact(outputs * inner);
        for ((operand, kernels), sum) in operands.zip(kernels).zip(sum.chunks_exact_mut(outputs * pixels)) {
            matrix_product(kernels, &self.taps(operand), inner, pixels, sum);
        }
    }

    /// `[channels of the group * rows * columns, pixels]`: what each tap of the kernel meets at each position; zero in the padding.
    fn taps<R: Ring>(&self, operand: &[R]) -> Secret<R> {
        let [height, width] = [self.operand[1] as usize, self.operand[2] as usize];
        let [out_height, out_width] = [self.result[1] as usize, self.result[2] as usize];
        let ConvGeometry {
            stride,
            dilation,
            pad_before,
            ..
        } = *self.geometry;
        // The place in the operand, if it is not in the padding.
        let place = |axis: usize, position: usize, tap: usize, size: usize| {
            let padded = position * stride[axis] as usize + tap * dilation[axis] as usize;
            padded
                .checked_sub(pad_before[axis] as usize)
                .filter(|&place| place < size)
        };
        let mut taps = Vec::with_capacity(elements(&self.kernel[1..]) * out_height * out_width);
        for channel in operand.chunks_exact(height * width) {
            for (row, column) in
                (0..self.kernel[2] as usize).flat_map(|r| (0..self.kernel[3] as usize).map(move |c| (r, c)))
            {
                for y in 0..out_height {
                    let line = place(0, y, row, height).map(|y| &channel[y * width..][..width]);
                    taps.extend((0..out_width).map(|x| match (line, place(1, x, column, width)) {
                        (Some(line), Some(x)) => line[x],
                        _ => R::ZERO,
                    }));
                }
            }
        }
        Secret::new(taps)
    }
}
