//! The local steps. Shapes are per sample; samples are outermost.

use tercet_ring::{Ring, Secret};

use super::strided::{elements, gather, positions, strides};
use crate::Window;

pub fn transpose<R: Ring>(of: &[R], shape: &[u32], permutation: &[u32], result: &[u32]) -> Secret<R> {
    let from = strides(shape);
    let permuted: Vec<isize> = permutation.iter().map(|&axis| from[axis as usize]).collect();
    gather(of, elements(shape), &positions(result, 0, &permuted))
}

pub fn slice<R: Ring>(of: &[R], shape: &[u32], start: &[u32], step: &[i32], result: &[u32]) -> Secret<R> {
    let from = strides(shape);
    let base = from
        .iter()
        .zip(start)
        .map(|(&stride, &first)| stride * first as isize)
        .sum();
    let spread: Vec<isize> = from
        .iter()
        .zip(step)
        .map(|(&stride, &step)| stride * step as isize)
        .collect();
    gather(of, elements(shape), &positions(result, base, &spread))
}

/// Where the elements of a tensor of `shape` stand when it is repeated to `result` by the rules of numpy.
pub fn broadcast_positions(shape: &[u32], result: &[u32]) -> Vec<usize> {
    let new_axes = result.len() - shape.len();
    let own = strides(shape);
    let repeated: Vec<isize> = (0..result.len())
        .map(|axis| match axis.checked_sub(new_axes) {
            Some(axis) if shape[axis] > 1 => own[axis],
            _ => 0,
        })
        .collect();
    positions(result, 0, &repeated)
}

pub fn broadcast<R: Ring>(of: &[R], shape: &[u32], result: &[u32]) -> Secret<R> {
    gather(of, elements(shape), &broadcast_positions(shape, result))
}

pub fn concat<R: Ring>(parts: &[(&[R], &[u32])], axis: usize) -> Secret<R> {
    // A part is a sequence of blocks, one for each index of the axes before `axis`.
    let blocks: Vec<_> = parts
        .iter()
        .map(|(part, shape)| part.chunks_exact(elements(&shape[axis..])))
        .collect();
    let count = blocks.first().map_or(0, |blocks| blocks.len());
    let mut blocks = blocks;
    let mut result = Vec::with_capacity(parts.iter().map(|(part, _)| part.len()).sum());
    for _ in 0..count {
        for part in &mut blocks {
            result.extend_from_slice(part.next().unwrap_or_default());
        }
    }
    Secret::new(result)
}

pub fn pad<R: Ring>(of: &[R], shape: &[u32], before: &[u32], fill: R, result: &[u32]) -> Secret<R> {
    let to = strides(result);
    let base = to
        .iter()
        .zip(before)
        .map(|(&stride, &border)| stride * border as isize)
        .sum();
    let places = positions(shape, base, &to);
    let samples = of.chunks_exact(elements(shape));
    let mut padded = Secret::new(vec![fill; samples.len() * elements(result)]);
    for (from, to) in samples.zip(padded.chunks_exact_mut(elements(result))) {
        from.iter()
            .zip(&places)
            .for_each(|(&element, &place)| to[place] = element);
    }
    padded
}

/// Where the elements of every window of a `[channels, height, width]` tensor stand, window by window.
pub fn window_positions(shape: &[u32], window: &Window, result: &[u32]) -> Vec<Vec<usize>> {
    let from = strides(shape);
    let [vertical, horizontal] = [from[1], from[2]];
    let along = |numbers: [u32; 2]| [vertical * numbers[0] as isize, horizontal * numbers[1] as isize];
    let [down, right] = along(window.stride);
    let taps = along(window.dilation);
    positions(result, 0, &[from[0], down, right])
        .into_iter()
        .map(|corner| positions(&window.size, corner as isize, &taps))
        .collect()
}

pub fn sum_pool<R: Ring>(of: &[R], shape: &[u32], window: &Window, result: &[u32]) -> Secret<R> {
    let windows = window_positions(shape, window, result);
    let sum = |sample: &[R], taps: &Vec<usize>| taps.iter().fold(R::ZERO, |sum, &tap| sum.plus(sample[tap]));
    let samples = of.chunks_exact(elements(shape));
    Secret::new(
        samples
            .flat_map(|sample| windows.iter().map(move |taps| sum(sample, taps)))
            .collect(),
    )
}

pub fn sum_axes<R: Ring>(of: &[R], shape: &[u32], axes: &[u32], result: &[u32]) -> Secret<R> {
    let mut kept = strides(result).into_iter();
    let to: Vec<isize> = (0..shape.len() as u32)
        .map(|axis| {
            if axes.contains(&axis) {
                0
            } else {
                kept.next().unwrap_or(0)
            }
        })
        .collect();
    let places = positions(shape, 0, &to);
    let samples = of.chunks_exact(elements(shape));
    let mut sums = Secret::<R>::zeros(samples.len() * elements(result));
    for (from, to) in samples.zip(sums.chunks_exact_mut(elements(result))) {
        from.iter()
            .zip(&places)
            .for_each(|(&element, &place)| to[place] = to[place].plus(element));
    }
    sums
}

pub fn combine<R: Ring>(terms: &[(&[R], R)], constant: R) -> Secret<R> {
    let mut sum = Secret::new(vec![constant; terms[0].0.len()]);
    for &(of, factor) in terms {
        sum.iter_mut()
            .zip(of)
            .for_each(|(sum, &element)| *sum = sum.plus(factor.times(element)));
    }
    sum
}
