//! Steps that add elements of one operand up.

use tercet_plan::Window;
use tercet_ring::{Ring, Secret, vector};

use super::{Operand, elements};

/// Sums of a window over the last two axes.
pub(super) fn pool<R: Ring>(batch: usize, operand: Operand<'_, R>, window: Window, shape: &[u32]) -> Secret<R> {
    let &[.., height, width] = operand.shape else {
        unreachable!("pooled operands have height and width")
    };
    let &[.., rows, columns] = shape else {
        unreachable!("pooled results have height and width")
    };
    let (height, width, rows, columns) = (height as usize, width as usize, rows as usize, columns as usize);
    let [size, stride, dilation] = [window.size, window.stride, window.dilation].map(|pair| pair.map(|n| n as usize));
    let mut result = Secret::<R>::zeros(batch * elements(shape));
    let planes = operand.elements.chunks_exact((height * width).max(1));
    for (plane, sums) in planes.zip(result.chunks_exact_mut((rows * columns).max(1))) {
        for (row, sums) in sums.chunks_exact_mut(columns).enumerate() {
            for tap in 0..size[0] {
                let line = &plane[(row * stride[0] + tap * dilation[0]) * width..][..width];
                for (column, sum) in sums.iter_mut().enumerate() {
                    let taps = line[column * stride[1]..].iter().step_by(dilation[1]).take(size[1]);
                    *sum = taps.fold(*sum, |sum, &element| sum.plus(element));
                }
            }
        }
    }
    result
}

/// Sums along axes, which vanish.
pub(super) fn axes<R: Ring>(batch: usize, operand: Operand<'_, R>, axes: &[u32]) -> Secret<R> {
    let mut shape = operand.shape.to_vec();
    let mut sums = Secret::new(operand.elements.to_vec());
    // From the last axis on, so that the positions of the others stay.
    for &axis in axes.iter().rev() {
        let axis = axis as usize;
        let (outer, inner) = (batch * elements(&shape[..axis]), elements(&shape[axis + 1..]));
        sums = axis_sum(&sums, outer, shape[axis] as usize, inner);
        shape.remove(axis);
    }
    sums
}

fn axis_sum<R: Ring>(from: &[R], outer: usize, size: usize, inner: usize) -> Secret<R> {
    let mut sums = Secret::<R>::zeros(outer * inner);
    for (slab, sums) in from
        .chunks_exact((size * inner).max(1))
        .zip(sums.chunks_exact_mut(inner.max(1)))
    {
        if inner == 1 {
            sums[0] = slab.iter().fold(R::ZERO, |sum, &element| sum.plus(element));
        } else {
            slab.chunks_exact(inner).for_each(|line| vector::add_assign(sums, line));
        }
    }
    sums
}
