//! The non-linear steps. Elements are compared by their signed representatives.

use tercet_ring::{Ring, Secret};

use super::local::window_positions;
use super::strided::elements;
use crate::Window;

fn map<R: Ring>(of: &[R], change: impl Fn(i64) -> i64) -> Secret<R> {
    Secret::new(of.iter().map(|element| R::from_i64(change(element.to_i64()))).collect())
}

pub fn truncate<R: Ring>(of: &[R], shift: u8) -> Secret<R> {
    map(of, |x| x >> shift)
}

pub fn piecewise<R: Ring>(of: &[R], shift: u8, knots: &[i64], slopes: &[i64], offsets: &[i64]) -> Secret<R> {
    map(of, |x| {
        let piece = knots.iter().filter(|&&knot| x >= knot).count();
        (x >> shift).wrapping_mul(slopes[piece]).wrapping_add(offsets[piece])
    })
}

pub fn max_pool<R: Ring>(of: &[R], shape: &[u32], window: &Window, shift: u8, relu: bool, result: &[u32]) -> Secret<R> {
    let windows = window_positions(shape, window, result);
    let smallest = if relu { 0 } else { i64::MIN };
    let largest = |sample: &[R], taps: &[usize]| {
        let candidates = taps.iter().map(|&tap| sample[tap].to_i64());
        R::from_i64(candidates.fold(smallest, i64::max) >> shift)
    };
    let samples = of.chunks_exact(elements(shape));
    Secret::new(
        samples
            .flat_map(|sample| windows.iter().map(move |taps| largest(sample, taps)))
            .collect(),
    )
}

pub fn arg_max<R: Ring>(of: &[R], shape: &[u32]) -> Secret<R> {
    let first_largest = |row: &[R]| {
        let better = |best: usize, index: usize| {
            if row[index].to_i64() > row[best].to_i64() {
                index
            } else {
                best
            }
        };
        (1..row.len()).fold(0, better)
    };
    let rows = of.chunks_exact(shape[shape.len() - 1] as usize);
    Secret::new(rows.map(|row| R::from_i64(first_largest(row) as i64)).collect())
}
