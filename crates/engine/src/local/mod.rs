//! Local steps: what each party computes on each component it holds, without a message.
//!
//! They are all linear over the ring up to a public constant, so a step runs on m, on l0 and on l1 alike; the public
//! constant goes to m alone.

mod layout;
mod sums;

use tercet_plan::Op;
use tercet_ring::{Ring, Secret, vector};

pub(crate) use layout::Strided;

/// One component of an operand: a batch of tensors, samples outermost.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a, R> {
    /// Shape of one sample.
    pub shape: &'a [u32],
    /// All samples' elements.
    pub elements: &'a [R],
}

/// Which component of a value a step runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// m, which carries public constants.
    Masked,
    /// A mask, or half of one.
    Mask,
}

/// Runs a local step on one component of its operands, given in the order of [`Op::operands`].
///
/// The step has to be a local one of a validated plan.
pub(crate) fn apply<R: Ring>(
    op: &Op,
    part: Part,
    batch: usize,
    operands: &[Operand<'_, R>],
    shape: &[u32],
) -> Secret<R> {
    let public = |constant: i64| match part {
        Part::Masked => R::from_i64(constant),
        Part::Mask => R::ZERO,
    };
    match op {
        Op::Reshape(_) => Secret::new(operands[0].elements.to_vec()),
        Op::Transpose { permutation, .. } => {
            Strided::transpose(operands[0].shape, permutation).gather(batch, operands[0])
        }
        Op::Slice { start, step, .. } => {
            Strided::slice(operands[0].shape, start, step, shape).gather(batch, operands[0])
        }
        Op::Broadcast(_) => Strided::broadcast(operands[0].shape, shape).gather(batch, operands[0]),
        Op::Concat { axis, .. } => layout::concat(batch, operands, *axis as usize),
        Op::Pad { before, fill, .. } => layout::pad(batch, operands[0], before, shape, public(*fill)),
        Op::SumPool { window, .. } => sums::pool(batch, operands[0], *window, shape),
        Op::SumAxes { axes, .. } => sums::axes(batch, operands[0], axes),
        Op::Combine { terms, constant } => {
            let mut sum = Secret::new(vec![public(*constant); batch * elements(shape)]);
            for (operand, &(_, factor)) in operands.iter().zip(terms) {
                vector::add_scaled(&mut sum, R::from_i64(factor), operand.elements);
            }
            sum
        }
        Op::Input(_)
        | Op::Linear(_)
        | Op::Truncate { .. }
        | Op::Piecewise { .. }
        | Op::MaxPool { .. }
        | Op::ArgMax { .. } => unreachable!("only local steps come here"),
    }
}

/// Elements of a tensor of this shape.
pub(crate) fn elements(shape: &[u32]) -> usize {
    shape.iter().map(|&size| size as usize).product()
}

/// Distance between neighbours along each axis of a row-major tensor.
fn strides(shape: &[u32]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as isize;
    }
    strides
}
