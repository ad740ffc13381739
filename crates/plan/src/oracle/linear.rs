//! The terms of a linear step, each added to the sum so far.

use tercet_ring::kernel::conv::{self, PackedKernels};
use tercet_ring::kernel::gemm::gemm;
use tercet_ring::{Ring, Secret};

use super::Machine;
use super::local::broadcast_positions;
use crate::{ConvGeometry, Term, ValueId};

impl<R: Ring> Machine<'_, R> {
    pub(super) fn add_term(&self, term: &Term, values: &[Secret<R>], result: &[u32], sum: &mut [R]) {
        let of = |id: &ValueId| &values[id.0 as usize][..];
        let shape = |id: &ValueId| self.plan.value(*id).shape.as_slice();
        let last = |shape: &[u32]| shape[shape.len() - 1] as usize;
        match term {
            Term::Dense { of: id, weight } => {
                let [inner, outer] = [last(shape(id)), last(result)];
                let rows = of(id).len() / inner;
                gemm(rows, inner, outer, of(id), &self.parameters[weight.0 as usize], sum);
            }
            Term::Conv {
                of: id,
                weight,
                geometry,
            } => {
                let kernels = &self.parameters[weight.0 as usize];
                let kernel = &self.plan.parameter(*weight).shape;
                convolve(of(id), shape(id), kernels, kernel, geometry, sum);
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
                    gemm(rows, inner, outer, left, right, sum);
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

/// Adds a batch of images under kernels, `[outputs, channels / groups, rows, columns]`.
fn convolve<R: Ring>(
    operand: &[R],
    image: &[u32],
    kernels: &[R],
    kernel: &[u32],
    geometry: &ConvGeometry,
    sum: &mut [R],
) {
    let pair = |sizes: [u32; 2]| sizes.map(|size| size as usize);
    let geometry = conv::ConvGeometry {
        channels: image[0] as usize,
        input: pair([image[1], image[2]]),
        outputs: kernel[0] as usize,
        kernel: pair([kernel[2], kernel[3]]),
        stride: pair(geometry.stride),
        dilation: pair(geometry.dilation),
        pad_before: pair(geometry.pad_before),
        pad_after: pair(geometry.pad_after),
        groups: geometry.groups as usize,
    };
    let batch = operand.len() / geometry.input_len();
    PackedKernels::new(geometry, kernels).multiply_add(batch, operand, sum);
}
