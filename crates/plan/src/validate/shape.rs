//! Shapes of results from shapes of operands.

use super::{Rule, ensure};
use crate::limits::{CANDIDATES_MAX, WINDOW_ELEMENTS_MAX};
use crate::{ConvGeometry, Op, Plan, Step, Term, ValueId, Window};

/// The largest stride, dilation, padding or window size: far above what models use, far below what overflows.
const GEOMETRY_MAX: u32 = 1 << 16;

/// Checks that the result's shape follows from the operands'. References are already checked.
pub fn check(plan: &Plan, step: &Step) -> Result<(), Rule> {
    let shape = step.value.shape.as_slice();
    let of = |id: &ValueId| plan.value(*id).shape.as_slice();
    let wrong = || Rule::Shape(shape.to_vec());
    match &step.op {
        Op::Input(input) => ensure(plan.inputs[*input as usize].shape == shape, wrong()),
        Op::Reshape(id) => ensure(plan.value(*id).elements() == step.value.elements(), wrong()),
        Op::Transpose { of: id, permutation } => ensure(transposes(of(id), permutation, shape), wrong()),
        Op::Slice { of: id, start, step } => ensure(slices(of(id), start, step, shape), wrong()),
        Op::Concat { of: ids, axis } => {
            let shapes: Vec<&[u32]> = ids.iter().map(of).collect();
            ensure(concatenates(&shapes, *axis as usize, shape), wrong())
        }
        Op::Pad {
            of: id, before, after, ..
        } => ensure(pads(of(id), before, after, shape), wrong()),
        Op::Broadcast(id) => ensure(broadcasts(of(id), shape), wrong()),
        Op::SumPool { of: id, window } => pools(of(id), window, shape),
        Op::MaxPool { of: id, window, .. } => {
            ensure(window.taps() <= CANDIDATES_MAX, Rule::Geometry)?;
            pools(of(id), window, shape)
        }
        Op::SumAxes { of: id, axes } => ensure(sums(of(id), axes, shape), wrong()),
        Op::Combine { terms, .. } => ensure(terms.iter().all(|(id, _)| of(id) == shape), wrong()),
        Op::Linear(terms) => terms.iter().try_for_each(|term| check_term(plan, term, shape)),
        Op::Truncate { of: id, .. } | Op::Piecewise { of: id, .. } => ensure(of(id) == shape, wrong()),
        Op::ArgMax { of: id, .. } => {
            let candidates = 2..=CANDIDATES_MAX;
            let split = of(id).split_last();
            let fits = split.is_some_and(|(&last, rest)| candidates.contains(&u64::from(last)) && rest == shape);
            ensure(fits, wrong())
        }
    }
}

fn check_term(plan: &Plan, term: &Term, shape: &[u32]) -> Result<(), Rule> {
    let of = |id: &ValueId| plan.value(*id).shape.as_slice();
    let fits = match term {
        Term::Dense { of: id, weight } => dense(of(id), &plan.parameter(*weight).shape, shape),
        Term::Conv {
            of: id,
            weight,
            geometry,
        } => return convolves(of(id), &plan.parameter(*weight).shape, geometry, shape),
        Term::Scale { of: id, weight } => of(id) == shape && broadcasts(&plan.parameter(*weight).shape, shape),
        Term::Product { left, right } => of(left) == shape && of(right) == shape,
        Term::MatMul { left, right } => multiplies(of(left), of(right), shape),
        Term::Add { of: id, .. } => of(id) == shape,
        Term::Bias(parameter) => broadcasts(&plan.parameter(*parameter).shape, shape),
    };
    ensure(fits, Rule::Shape(shape.to_vec()))
}

fn transposes(of: &[u32], permutation: &[u32], shape: &[u32]) -> bool {
    let mut sorted = permutation.to_vec();
    sorted.sort_unstable();
    let permutes = sorted.iter().copied().eq(0..of.len() as u32);
    permutes
        && permutation
            .iter()
            .map(|&axis| of[axis as usize])
            .eq(shape.iter().copied())
}

fn slices(of: &[u32], start: &[u32], step: &[i32], shape: &[u32]) -> bool {
    let rank = of.len();
    let ranks = [start.len(), step.len(), shape.len()] == [rank; 3];
    ranks
        && (0..rank).all(|axis| {
            let first = i64::from(start[axis]);
            let last = first + i64::from(shape[axis] - 1) * i64::from(step[axis]);
            let inside = 0..i64::from(of[axis]);
            step[axis] != 0 && inside.contains(&first) && inside.contains(&last)
        })
}

fn concatenates(of: &[&[u32]], axis: usize, shape: &[u32]) -> bool {
    let equal_elsewhere =
        |one: &&[u32]| one.len() == shape.len() && (0..shape.len()).all(|i| i == axis || one[i] == shape[i]);
    axis < shape.len()
        && of.iter().all(equal_elsewhere)
        && of.iter().map(|one| u64::from(one[axis])).sum::<u64>() == u64::from(shape[axis])
}

fn pads(of: &[u32], before: &[u32], after: &[u32], shape: &[u32]) -> bool {
    let rank = of.len();
    [before.len(), after.len(), shape.len()] == [rank; 3]
        && (0..rank).all(|axis| {
            u64::from(before[axis]) + u64::from(of[axis]) + u64::from(after[axis]) == u64::from(shape[axis])
        })
}

/// Whether `of` repeats to `shape` by the rules of numpy.
fn broadcasts(of: &[u32], shape: &[u32]) -> bool {
    let aligned = of.iter().rev().zip(shape.iter().rev());
    of.len() <= shape.len() && aligned.into_iter().all(|(&from, &to)| from == to || from == 1)
}

fn pools(of: &[u32], window: &Window, shape: &[u32]) -> Result<(), Rule> {
    let numbers = [window.size, window.stride, window.dilation];
    let moderate = numbers.iter().flatten().all(|&number| number <= GEOMETRY_MAX);
    let &[channels, height, width] = of else {
        return Err(Rule::Geometry);
    };
    let output = window.output([height, width]).filter(|_| moderate);
    let [rows, columns] = output.ok_or(Rule::Geometry)?;
    ensure(shape == [channels, rows, columns], Rule::Shape(shape.to_vec()))?;
    let windows: u64 = shape.iter().map(|&size| u64::from(size)).product();
    let work = window.taps().checked_mul(windows);
    ensure(work.is_some_and(|work| work <= WINDOW_ELEMENTS_MAX), Rule::Geometry)
}

fn sums(of: &[u32], axes: &[u32], shape: &[u32]) -> bool {
    let ascending = axes.is_sorted_by(|a, b| a < b) && axes.last().is_some_and(|&last| (last as usize) < of.len());
    let rest = (0..of.len()).filter(|&axis| !axes.contains(&(axis as u32)));
    ascending && rest.map(|axis| of[axis]).eq(shape.iter().copied())
}

fn dense(of: &[u32], weight: &[u32], shape: &[u32]) -> bool {
    let (Some((last, rows)), &[inner, outer]) = (of.split_last(), weight) else {
        return false;
    };
    *last == inner && shape.split_last() == Some((&outer, rows))
}

fn convolves(of: &[u32], weight: &[u32], geometry: &ConvGeometry, shape: &[u32]) -> Result<(), Rule> {
    let ConvGeometry {
        stride,
        dilation,
        pad_before,
        pad_after,
        groups,
    } = *geometry;
    let (&[channels, height, width], &[outputs, inner, rows, columns]) = (of, weight) else {
        return Err(Rule::Geometry);
    };
    let numbers = [stride, dilation, pad_before, pad_after, [rows, columns]];
    let moderate = numbers.iter().flatten().all(|&number| number <= GEOMETRY_MAX);
    let divides = groups > 0 && channels % groups == 0 && outputs % groups == 0 && inner == channels / groups;
    ensure(moderate && divides, Rule::Geometry)?;
    let output = geometry.output([height, width], [rows, columns]);
    let [height, width] = output.ok_or(Rule::Geometry)?;
    ensure(shape == [outputs, height, width], Rule::Shape(shape.to_vec()))
}

fn multiplies(left: &[u32], right: &[u32], shape: &[u32]) -> bool {
    let ([leading @ .., rows, inner], [leading_right @ .., inner_right, columns]) = (left, right) else {
        return false;
    };
    let ([leading_result @ .., rows_result, columns_result], true) = (shape, inner == inner_right) else {
        return false;
    };
    leading == leading_right && leading == leading_result && [rows, columns] == [rows_result, columns_result]
}
