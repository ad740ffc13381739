//! Steps that move elements and compute nothing.

use tercet_ring::{Ring, Secret};

use super::{Operand, elements, strides};

/// Reads a tensor in another order: element `i` of the result stands at `offset + sum of i[axis] * strides[axis]`.
pub(crate) struct Strided {
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: isize,
}

impl Strided {
    pub(crate) fn transpose(shape: &[u32], permutation: &[u32]) -> Self {
        let from = strides(shape);
        Strided::new(
            permutation.iter().map(|&axis| shape[axis as usize] as usize).collect(),
            permutation.iter().map(|&axis| from[axis as usize]).collect(),
            0,
        )
    }

    pub(crate) fn slice(shape: &[u32], start: &[u32], step: &[i32], result: &[u32]) -> Self {
        let from = strides(shape);
        Strided::new(
            result.iter().map(|&size| size as usize).collect(),
            from.iter()
                .zip(step)
                .map(|(&stride, &step)| stride * step as isize)
                .collect(),
            from.iter()
                .zip(start)
                .map(|(&stride, &start)| stride * start as isize)
                .sum(),
        )
    }

    /// By the rules of numpy: axes align at the end, and those of size one repeat.
    pub(crate) fn broadcast(shape: &[u32], result: &[u32]) -> Self {
        let missing = result.len() - shape.len();
        let repeated = shape
            .iter()
            .zip(strides(shape))
            .map(|(&size, stride)| if size == 1 { 0 } else { stride });
        Strided::new(
            result.iter().map(|&size| size as usize).collect(),
            std::iter::repeat_n(0, missing).chain(repeated).collect(),
            0,
        )
    }

    /// Drops axes of size one and merges neighbours that are read in one stride.
    fn new(shape: Vec<usize>, strides: Vec<isize>, offset: isize) -> Self {
        let mut merged = Strided {
            shape: Vec::new(),
            strides: Vec::new(),
            offset,
        };
        for (size, stride) in shape.into_iter().zip(strides).filter(|&(size, _)| size != 1) {
            match (merged.shape.last_mut(), merged.strides.last_mut()) {
                (Some(last_size), Some(last_stride)) if *last_stride == stride * size as isize => {
                    *last_size *= size;
                    *last_stride = stride;
                }
                _ => {
                    merged.shape.push(size);
                    merged.strides.push(stride);
                }
            }
        }
        merged
    }

    pub(crate) fn gather<R: Ring>(&self, batch: usize, operand: Operand<'_, R>) -> Secret<R> {
        let count = self.shape.iter().product::<usize>();
        let mut result = Vec::with_capacity(batch * count);
        for sample in operand
            .elements
            .chunks_exact(elements(operand.shape).max(1))
            .take(batch)
        {
            self.gather_axis(0, self.offset, sample, &mut result);
        }
        Secret::new(result)
    }

    fn gather_axis<R: Ring>(&self, axis: usize, offset: isize, from: &[R], to: &mut Vec<R>) {
        let at = offset as usize;
        match (self.shape.get(axis), self.strides.get(axis)) {
            (None, _) | (_, None) => to.push(from[at]),
            (Some(&size), Some(&1)) if axis + 1 == self.shape.len() => to.extend_from_slice(&from[at..at + size]),
            (Some(&size), Some(&0)) if axis + 1 == self.shape.len() => to.extend(std::iter::repeat_n(from[at], size)),
            (Some(&size), Some(&stride)) if axis + 1 == self.shape.len() => {
                to.extend((0..size as isize).map(|i| from[(offset + i * stride) as usize]));
            }
            (Some(&size), Some(&stride)) => {
                for i in 0..size as isize {
                    self.gather_axis(axis + 1, offset + i * stride, from, to);
                }
            }
        }
    }
}

pub(super) fn concat<R: Ring>(batch: usize, operands: &[Operand<'_, R>], axis: usize) -> Secret<R> {
    // What lies before the axis (the batch included) is walked; what lies from it on is copied whole.
    let outer = batch * elements(&operands[0].shape[..axis]);
    let mut result = Vec::with_capacity(operands.iter().map(|operand| operand.elements.len()).sum());
    for index in 0..outer {
        for operand in operands {
            let run = elements(&operand.shape[axis..]);
            result.extend_from_slice(&operand.elements[index * run..(index + 1) * run]);
        }
    }
    Secret::new(result)
}

pub(super) fn pad<R: Ring>(batch: usize, operand: Operand<'_, R>, before: &[u32], shape: &[u32], fill: R) -> Secret<R> {
    let to_strides = strides(shape);
    let row = operand.shape.last().map_or(1, |&size| size as usize);
    let outer_axes = operand.shape.len().saturating_sub(1);
    let mut result = Secret::new(vec![fill; batch * elements(shape)]);
    let rows_per_sample = elements(&operand.shape[..outer_axes]);
    for (index, source) in operand.elements.chunks_exact(row.max(1)).enumerate() {
        let (sample, mut rest) = (index / rows_per_sample, index % rows_per_sample);
        let mut at = sample * elements(shape) + before.last().map_or(0, |&border| border as usize);
        for axis in (0..outer_axes).rev() {
            let size = operand.shape[axis] as usize;
            at += (rest % size + before[axis] as usize) * to_strides[axis] as usize;
            rest /= size;
        }
        result[at..at + row].copy_from_slice(source);
    }
    result
}
