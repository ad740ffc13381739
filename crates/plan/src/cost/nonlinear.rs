//! The cost of the steps that turn an opened value into a masked one.
//!
//! Bits travel in planes of whole 64-bit words, so a plane of `lanes`
//! bits takes [`plane_bytes`]; ring elements and narrow integers are packed without gaps.

use tercet_ring::RingKind;

use crate::comparison::{ComparisonFault, Layout};
use crate::cost::StepCost;
use crate::op::{Comparison, Op};
use crate::tournament::{Group, Tournament};

/// The cost of a non-linear step; other steps cost nothing here. `lanes` is the number of elements of the result over the whole batch,
/// `operand_shape` the shape of one sample of the operand.
///
/// # Errors
/// When the step's comparison does not fit the ring.
pub fn nonlinear(op: &Op, operand_shape: &[u32], lanes: u64, ring: RingKind) -> Result<StepCost, ComparisonFault> {
    match op {
        Op::Truncate { shift, .. } => Ok(truncate(lanes, *shift, ring)),
        Op::Piecewise {
            shift,
            knots,
            comparison,
            ..
        } => piecewise(lanes, knots.len() as u32, *shift, *comparison, ring),
        Op::MaxPool {
            window,
            shift,
            relu,
            comparison,
            ..
        } => {
            let [rows, columns] = window.size;
            max_pool(lanes, rows.saturating_mul(columns), *shift, *relu, *comparison, ring)
        }
        Op::ArgMax { comparison, .. } => arg_max(lanes, operand_shape.last().copied().unwrap_or(1), *comparison, ring),
        _ => Ok(StepCost::default()),
    }
}

/// `Op::Truncate`: the dealer deals the shifted mask and the weight of its wrap; the result is re-masked.
fn truncate(lanes: u64, shift: u8, ring: RingKind) -> StepCost {
    StepCost::symmetric(1, elements(lanes, ring), truncated(lanes, shift, ring))
}

/// `Op::Piecewise`: all knots are compared with the one mask, whose leaves are dealt once.
fn piecewise(
    lanes: u64,
    knots: u32,
    shift: u8,
    comparison: Comparison,
    ring: RingKind,
) -> Result<StepCost, ComparisonFault> {
    let layout = Layout::new(comparison, ring)?;
    let compared = compare(plane_bytes(lanes), knots, &layout);
    let selected = truncated(lanes, shift, ring) + selecting(u64::from(knots) * lanes, shift, ring);
    Ok(compared + StepCost::symmetric(1, elements(lanes, ring), selected))
}

/// `Op::MaxPool` over windows of `window` elements.
fn max_pool(
    lanes: u64,
    window: u32,
    shift: u8,
    relu: bool,
    comparison: Comparison,
    ring: RingKind,
) -> Result<StepCost, ComparisonFault> {
    let layout = Layout::new(comparison, ring)?;
    let tournament = Tournament::new(window, relu);
    let Some((last, earlier)) = tournament.levels().split_last() else {
        return Ok(truncate(lanes, shift, ring));
    };
    let select = |groups: &[Group], shift| {
        let candidates = u64::from(candidates(groups)) * lanes;
        let dealt = truncated(candidates, shift, ring) + selecting(candidates, shift, ring);
        StepCost::symmetric(1, elements(groups.len() as u64 * lanes, ring), dealt)
    };
    let earlier = earlier
        .iter()
        .map(|groups| contest(lanes, groups, &layout) + select(groups, 0))
        .sum::<StepCost>();
    Ok(earlier + contest(lanes, last, &layout) + select(last, shift))
}

/// `Op::ArgMax` over rows of `candidates` elements.
fn arg_max(
    lanes: u64,
    candidate_count: u32,
    comparison: Comparison,
    ring: RingKind,
) -> Result<StepCost, ComparisonFault> {
    let layout = Layout::new(comparison, ring)?;
    let tournament = Tournament::new(candidate_count, false);
    if tournament.levels().is_empty() {
        // The index of a single candidate is known; it is masked all the same.
        return Ok(StepCost::symmetric(1, elements(lanes, ring), 0));
    }
    let mut cost = StepCost::default();
    for (level, groups) in tournament.levels().iter().enumerate() {
        let candidates = u64::from(candidates(groups)) * lanes;
        // The winner's index: one dealt bit as a ring element, and from the second level on its product with the secret index.
        let mut dealt = elements(candidates, ring);
        if level > 0 {
            dealt += 2 * elements(candidates, ring);
        }
        let mut winners = groups.len() as u64 * lanes;
        // The winner's value, which only a further level needs.
        if level + 1 < tournament.levels().len() {
            dealt += 2 * elements(candidates, ring);
            winners *= 2;
        }
        cost += contest(lanes, groups, &layout) + StepCost::symmetric(1, elements(winners, ring), dealt);
    }
    Ok(cost)
}

/// All pairs of each group, and from them the bits that name the winners.
fn contest(lanes: u64, groups: &[Group], layout: &Layout) -> StepCost {
    let plane = plane_bytes(lanes);
    let pairs = groups.iter().map(|group| u64::from(group.pairs())).sum::<u64>();
    let openings = groups
        .iter()
        .map(|group| u64::from(group.winner_openings()))
        .sum::<u64>();
    let products = groups
        .iter()
        .map(|group| u64::from(group.winner_products()))
        .sum::<u64>();
    compare(plane * pairs, 1, layout) + StepCost::symmetric(u32::from(openings > 0), plane * openings, plane * products)
}

/// Comparisons of values whose planes take `plane` bytes with `thresholds` public numbers each, up to the opened masked answers.
fn compare(plane: u64, thresholds: u32, layout: &Layout) -> StepCost {
    StepCost::symmetric(
        layout.rounds(),
        plane * u64::from(thresholds) * u64::from(layout.opened_bits()),
        plane * u64::from(layout.dealt_bits(thresholds)),
    )
}

/// Dealt for `count` truncated values: the shifted mask, and its wrap in `shift` bits.
fn truncated(count: u64, shift: u8, ring: RingKind) -> u64 {
    elements(count, ring) + narrow(count, shift)
}

/// Dealt for `count` products of a secret bit and a truncated value: the bit's mask, its product with the shifted mask, and with the wrap.
fn selecting(count: u64, shift: u8, ring: RingKind) -> u64 {
    2 * elements(count, ring) + narrow(count, shift)
}

fn candidates(groups: &[Group]) -> u32 {
    groups.iter().map(|group| group.candidates).sum()
}

/// Bytes of a plane of `lanes` bits.
fn plane_bytes(lanes: u64) -> u64 {
    lanes.div_ceil(64) * 8
}

/// Bytes of `count` ring elements.
fn elements(count: u64, ring: RingKind) -> u64 {
    count * ring.bytes() as u64
}

/// Bytes of `count` integers of `bits` bits without gaps.
fn narrow(count: u64, bits: u8) -> u64 {
    (count * u64::from(bits)).div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPARISON: Comparison = Comparison { bits: 26, drop: 5 };

    #[test]
    fn relu_on_the_32_bit_ring() {
        let cost = piecewise(64_000, 1, 10, COMPARISON, RingKind::Z32).expect("a sound comparison");
        assert_eq!(cost.rounds, 3);
        // 9 bits opened and one element, against 72 bits with the opening of the linear layer; 112 dealt for the sign.
        assert_eq!(cost.e0_to_e1 * 8, 64_000 * (9 + 32));
        assert_eq!(cost.dealt * 8, 64_000 * (112 + 3 * 32 + 2 * 10));
    }

    #[test]
    fn pooling_two_by_two_takes_two_rounds_more_than_a_comparison() {
        let cost = max_pool(64, 4, 0, true, COMPARISON, RingKind::Z32).expect("a sound comparison");
        assert_eq!(cost.rounds, 4);
        assert_eq!(cost.e0_to_e1 * 8, 64 * (10 * 9 + 4 + 32));
        assert_eq!(cost.dealt * 8, 64 * (10 * 112 + 10 + 4 * 11 + 4 * 3 * 32));
    }

    #[test]
    fn one_candidate_is_no_contest() {
        assert_eq!(
            arg_max(10, 1, COMPARISON, RingKind::Z64),
            Ok(StepCost::symmetric(1, 80, 0))
        );
        assert_eq!(
            max_pool(10, 1, 7, false, COMPARISON, RingKind::Z64),
            Ok(truncate(10, 7, RingKind::Z64))
        );
    }

    #[test]
    fn bad_comparisons_have_no_cost() {
        let bad = Comparison { bits: 40, drop: 0 };
        assert!(piecewise(1, 1, 0, bad, RingKind::Z32).is_err());
        assert!(max_pool(1, 1, 0, true, bad, RingKind::Z32).is_err());
        assert!(arg_max(1, 3, bad, RingKind::Z32).is_err());
    }
}
