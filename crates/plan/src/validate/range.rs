//! Scales and bounds: what each step makes of them, and what the protocols can take in the plan's ring.

use tercet_ring::RingKind;

use super::{Rule, ensure};
use crate::limits::KNOTS_MAX;
use crate::{Comparison, Op, Plan, Step, Term, Value, ValueId};

/// Checks the result's scale and bound, and the operands' bounds against the step's protocol. References are already checked.
pub fn check(plan: &Plan, step: &Step) -> Result<(), Rule> {
    let ring_bits = plan.ring_bits;
    let value = &step.value;
    // One bit is the sign's.
    at_most(value.bound.bits, ring_bits - 1)?;
    ensure(
        value.fraction_bits < ring_bits,
        Rule::Scale {
            expected: i32::from(ring_bits) - 1,
            found: value.fraction_bits,
        },
    )?;
    let of = |id: &ValueId| plan.value(*id);
    match &step.op {
        Op::Input(input) => check_input(plan, *input as usize, value),
        Op::Reshape(id) | Op::Broadcast(id) | Op::Transpose { of: id, .. } | Op::Slice { of: id, .. } => {
            same_scale(of(id), value)
        }
        Op::Concat { of: ids, .. } => ids.iter().try_for_each(|id| same_scale(of(id), value)),
        Op::Pad { of: id, fill, .. } => {
            ensure(fill.unsigned_abs() < 1 << value.bound.bits, Rule::Constant(*fill))?;
            same_scale(of(id), value)
        }
        Op::SumPool { of: id, .. } | Op::SumAxes { of: id, .. } => no_coarser(of(id), value),
        Op::Combine { terms, constant } => {
            fits_ring(*constant, ring_bits)?;
            terms.iter().try_for_each(|(id, factor)| {
                fits_ring(*factor, ring_bits)?;
                no_coarser(of(id), value)
            })
        }
        Op::Linear(terms) => terms.iter().try_for_each(|term| check_term(plan, term, value)),
        Op::Truncate { of: id, shift } => {
            truncates(of(id), *shift, ring_bits)?;
            scale(i32::from(of(id).fraction_bits) - i32::from(*shift), value)
        }
        Op::Piecewise { .. } => check_piecewise(plan, &step.op, value),
        Op::MaxPool {
            of: id,
            shift,
            comparison,
            ..
        } => {
            truncates(of(id), *shift, ring_bits)?;
            compares_differences(of(id), comparison, plan.ring())?;
            scale(i32::from(of(id).fraction_bits) - i32::from(*shift), value)
        }
        Op::ArgMax { of: id, comparison, .. } => {
            truncates(of(id), 0, ring_bits)?;
            compares_differences(of(id), comparison, plan.ring())?;
            let last_class = of(id).shape.last().map_or(0, |&classes| i64::from(classes) - 1);
            ensure(
                last_class.unsigned_abs() < 1 << value.bound.bits,
                Rule::Constant(last_class),
            )?;
            scale(0, value)
        }
    }
}

fn check_input(plan: &Plan, input: usize, value: &Value) -> Result<(), Rule> {
    let input = &plan.inputs[input];
    scale(i32::from(input.fraction_bits), value)?;
    let (low, high) = input.range;
    let largest = low.abs().max(high.abs()) * f64::from(input.fraction_bits).exp2();
    ensure(largest.round() < f64::from(value.bound.bits).exp2(), Rule::Range)
}

fn check_term(plan: &Plan, term: &Term, value: &Value) -> Result<(), Rule> {
    let of = |id: &ValueId| i32::from(plan.value(*id).fraction_bits);
    match term {
        Term::Dense { of: id, weight } | Term::Conv { of: id, weight, .. } | Term::Scale { of: id, weight } => {
            scale(of(id) + i32::from(plan.parameter(*weight).fraction_bits), value)
        }
        Term::Product { left, right } | Term::MatMul { left, right } => scale(of(left) + of(right), value),
        Term::Add { of: id, factor } => {
            fits_ring(*factor, plan.ring_bits)?;
            no_coarser(plan.value(*id), value)
        }
        Term::Bias(parameter) => scale(i32::from(plan.parameter(*parameter).fraction_bits), value),
    }
}

fn check_piecewise(plan: &Plan, op: &Op, value: &Value) -> Result<(), Rule> {
    let Op::Piecewise {
        of: id,
        shift,
        knots,
        slopes,
        offsets,
        comparison,
        ..
    } = op
    else {
        return Ok(());
    };
    let operand = plan.value(*id);
    let pieces = knots.len() + 1;
    ensure((1..=KNOTS_MAX).contains(&knots.len()), Rule::Count)?;
    let ascending = knots.is_sorted_by(|a, b| a < b);
    ensure(
        ascending && slopes.len() == pieces && offsets.len() == pieces,
        Rule::Knots,
    )?;
    for &constant in knots.iter().chain(slopes).chain(offsets) {
        fits_ring(constant, plan.ring_bits)?;
    }
    truncates(operand, *shift, plan.ring_bits)?;
    let farthest = knots.iter().map(|&knot| knot.unsigned_abs()).max().unwrap_or(0);
    compares(operand, farthest, comparison, plan.ring())?;
    // The slopes carry what the result's scale has beyond that of the truncated operand.
    let truncated = i32::from(operand.fraction_bits) - i32::from(*shift);
    ensure(truncated >= 0, Rule::Shift(*shift))?;
    ensure(
        i32::from(value.fraction_bits) >= truncated,
        Rule::Scale {
            expected: truncated,
            found: value.fraction_bits,
        },
    )
}

fn scale(expected: i32, value: &Value) -> Result<(), Rule> {
    ensure(
        i32::from(value.fraction_bits) == expected,
        Rule::Scale {
            expected,
            found: value.fraction_bits,
        },
    )
}

fn same_scale(operand: &Value, value: &Value) -> Result<(), Rule> {
    scale(i32::from(operand.fraction_bits), value)
}

/// A public factor, or the count of a mean, may carry fractional bits of its own.
fn no_coarser(operand: &Value, value: &Value) -> Result<(), Rule> {
    ensure(
        value.fraction_bits >= operand.fraction_bits,
        Rule::Scale {
            expected: i32::from(operand.fraction_bits),
            found: value.fraction_bits,
        },
    )
}

fn at_most(bits: u8, allowed: u8) -> Result<(), Rule> {
    ensure(bits <= allowed, Rule::Bound { bits, allowed })
}

fn fits_ring(constant: i64, ring_bits: u8) -> Result<(), Rule> {
    ensure(constant.unsigned_abs() < 1 << (ring_bits - 1), Rule::Constant(constant))
}

/// Truncation adds 2^(l-2) to make the operand non-negative, and must not wrap.
fn truncates(operand: &Value, shift: u8, ring_bits: u8) -> Result<(), Rule> {
    ensure(shift <= ring_bits - 2, Rule::Shift(shift))?;
    at_most(operand.bound.bits, ring_bits - 2)
}

/// A difference of two values reaches twice as far as each.
fn compares_differences(operand: &Value, comparison: &Comparison, ring: RingKind) -> Result<(), Rule> {
    compares(operand, largest(operand), comparison, ring)
}

/// Every |x - y| for |x| within the operand's bound and |y| <= `farthest` must be within the comparison's limit.
fn compares(operand: &Value, farthest: u64, comparison: &Comparison, ring: RingKind) -> Result<(), Rule> {
    comparison.check(ring)?;
    let reach = largest(operand).saturating_add(farthest);
    let limit = comparison.limit();
    ensure(reach <= limit, Rule::ComparisonReach { reach, limit })
}

/// The largest magnitude within the bound, which is already checked to fit the ring.
fn largest(operand: &Value) -> u64 {
    (1 << operand.bound.bits) - 1
}
