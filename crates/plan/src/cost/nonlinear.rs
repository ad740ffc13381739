//! The cost of the steps that turn an opened value into a masked one.
//!
//! Bits travel in planes of whole 64-bit words, so a plane of `lanes`
//! bits takes [`plane_bytes`]; ring elements and narrow integers are packed without gaps.

use tercet_ring::RingKind;

use crate::comparison::{ComparisonFault, Layout};
use crate::cost::StepCost;
use crate::op::{Comparison, Op, Variant};
use crate::tournament::{Group, Tournament};
use crate::unopened::UnopenedLayout;

/// The cost of a non-linear step; other steps cost nothing here. `lanes` is the number of elements of the result over the whole batch,
/// `operand_shape` the shape of one sample of the operand.
///
/// # Errors
/// When the step's comparison does not fit the ring.
pub fn nonlinear(op: &Op, operand_shape: &[u32], lanes: u64, ring: RingKind) -> Result<StepCost, ComparisonFault> {
    let cost = traffic(op, operand_shape, lanes, ring)?;
    let dealt_work = cost.dealt.saturating_mul(op.variant().map_or(10, work_per_ten_bytes)) / 10;
    Ok(StepCost { dealt_work, ..cost })
}

/// What ten dealt bytes of a variant cost an evaluator, in bytes of the balanced one. Measured with `cargo bench -p tercet-engine --bench relu` on a million elements of Z_2^32: 13.3 ms
/// balanced, 19.4 ms traffic first and 96.5 ms latency first, for 28.5, 21.9 and 146.6 bytes an element.
fn work_per_ten_bytes(variant: Variant) -> u64 {
    match variant {
        Variant::Traffic => 19,
        Variant::Balanced => 10,
        Variant::Latency => 14,
    }
}

/// Rounds and bytes of a non-linear step.
fn traffic(op: &Op, operand_shape: &[u32], lanes: u64, ring: RingKind) -> Result<StepCost, ComparisonFault> {
    match op {
        Op::Truncate { shift, .. } => Ok(truncate(lanes, *shift, ring)),
        Op::Piecewise {
            shift,
            knots,
            comparison,
            variant,
            ..
        } => {
            let knots = knots.len() as u32;
            match variant {
                Variant::Latency => piecewise_unopened(lanes, knots, *shift, *comparison, ring),
                Variant::Traffic | Variant::Balanced => {
                    let layout = Layout::of_variant(*comparison, *variant, ring)?;
                    Ok(piecewise(lanes, knots, *shift, &layout, ring))
                }
            }
        }
        Op::MaxPool {
            window,
            shift,
            relu,
            comparison,
            variant,
            ..
        } => {
            let [rows, columns] = window.size;
            let contests = Contests {
                tournament: Tournament::new(rows.saturating_mul(columns), *relu, *variant),
                layout: Layout::of_variant(*comparison, *variant, ring)?,
                variant: *variant,
                lanes,
            };
            Ok(max_pool(&contests, *shift, ring))
        }
        Op::ArgMax {
            comparison, variant, ..
        } => {
            let contests = Contests {
                tournament: Tournament::new(operand_shape.last().copied().unwrap_or(1), false, *variant),
                layout: Layout::of_variant(*comparison, *variant, ring)?,
                variant: *variant,
                lanes,
            };
            Ok(arg_max(&contests, ring))
        }
        _ => Ok(StepCost::default()),
    }
}

/// `Op::Truncate`: the dealer deals the shifted mask and the weight of its wrap; the result is re-masked.
fn truncate(lanes: u64, shift: u8, ring: RingKind) -> StepCost {
    StepCost::symmetric(1, elements(lanes, ring), truncated(lanes, shift, ring))
}

/// `Op::Piecewise` with opened answers: all knots are compared with the one mask, whose leaves are dealt once.
fn piecewise(lanes: u64, knots: u32, shift: u8, layout: &Layout, ring: RingKind) -> StepCost {
    let compared = compare(plane_bytes(lanes), knots, layout);
    let selected = truncated(lanes, shift, ring) + selecting(u64::from(knots) * lanes, shift, ring);
    compared + StepCost::symmetric(1, elements(lanes, ring), selected)
}

/// `Op::Piecewise` without: each product of masks takes as much as a secret bit, and so does the sign of the mask, which all knots share.
fn piecewise_unopened(
    lanes: u64,
    knots: u32,
    shift: u8,
    comparison: Comparison,
    ring: RingKind,
) -> Result<StepCost, ComparisonFault> {
    let layout = UnopenedLayout::for_piecewise(comparison, knots, shift, ring)?;
    let plane = plane_bytes(lanes);
    let products = 1 + u64::from(knots) * u64::from(layout.products());
    Ok(StepCost::symmetric(
        layout.rounds() + 1,
        plane * u64::from(knots * layout.opened_bits()) + elements(lanes, ring),
        plane * u64::from(layout.dealt_bits(knots))
            + truncated(lanes, shift, ring)
            + selecting(products * lanes, shift, ring),
    ))
}

/// What a search for the largest runs through.
struct Contests {
    tournament: Tournament,
    layout: Layout,
    variant: Variant,
    lanes: u64,
}

impl Contests {
    /// All pairs of each group, and from them the bits that name the winners, unless these come with the selection.
    fn contest(&self, groups: &[Group]) -> StepCost {
        let plane = plane_bytes(self.lanes);
        let compared = compare(plane * sum(groups, Group::pairs), 1, &self.layout);
        if self.variant == Variant::Latency {
            return compared;
        }
        let openings = sum(groups, Group::winner_openings);
        let products = plane * sum(groups, Group::winner_products);
        compared + StepCost::symmetric(u32::from(openings > 0), plane * openings, products)
    }

    /// Candidates of a level, over all lanes.
    fn candidates(&self, groups: &[Group]) -> u64 {
        self.lanes * sum(groups, |group| group.candidates)
    }

    /// Secret bits of a level that something is selected by, over all lanes: one for each candidate, or the products of masks that stand for it.
    fn bits(&self, groups: &[Group]) -> u64 {
        match self.variant {
            Variant::Latency => self.lanes * sum(groups, Group::winner_terms),
            Variant::Traffic | Variant::Balanced => self.candidates(groups),
        }
    }
}

/// `Op::MaxPool`.
fn max_pool(contests: &Contests, shift: u8, ring: RingKind) -> StepCost {
    let Some((last, earlier)) = contests.tournament.levels().split_last() else {
        return truncate(contests.lanes, shift, ring);
    };
    let level = |groups: &[Group], shift| {
        let dealt = truncated(contests.candidates(groups), shift, ring) + selecting(contests.bits(groups), shift, ring);
        let winners = elements(groups.len() as u64 * contests.lanes, ring);
        contests.contest(groups) + StepCost::symmetric(1, winners, dealt)
    };
    earlier.iter().map(|groups| level(groups, 0)).sum::<StepCost>() + level(last, shift)
}

/// `Op::ArgMax`.
fn arg_max(contests: &Contests, ring: RingKind) -> StepCost {
    let levels = contests.tournament.levels();
    if levels.is_empty() {
        // The index of a single candidate is known; it is masked all the same.
        return StepCost::symmetric(1, elements(contests.lanes, ring), 0);
    }
    let mut cost = StepCost::default();
    for (level, groups) in levels.iter().enumerate() {
        // A secret value is dealt for each candidate, and its product for each bit.
        let value = elements(contests.candidates(groups) + contests.bits(groups), ring);
        let mut dealt = elements(contests.bits(groups), ring);
        if level > 0 {
            dealt += value;
        }
        let mut winners = groups.len() as u64 * contests.lanes;
        // The winner's value, which only a further level needs.
        if level + 1 < levels.len() {
            dealt += value;
            winners *= 2;
        }
        cost += contests.contest(groups) + StepCost::symmetric(1, elements(winners, ring), dealt);
    }
    cost
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

fn sum(groups: &[Group], of: impl Fn(Group) -> u32) -> u64 {
    groups.iter().map(|&group| u64::from(of(group))).sum()
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
    use crate::{ValueId, Window};

    const COMPARISON: Comparison = Comparison { bits: 26, drop: 5 };

    fn relu(comparison: Comparison, variant: Variant) -> Op {
        Op::Piecewise {
            of: ValueId(0),
            shift: 10,
            knots: vec![0],
            slopes: vec![0, 1],
            offsets: vec![0, 0],
            comparison,
            variant,
        }
    }

    fn max_pool(side: u32, shift: u8, relu: bool, comparison: Comparison, variant: Variant) -> Op {
        Op::MaxPool {
            of: ValueId(0),
            window: Window {
                size: [side, side],
                stride: [side, side],
                dilation: [1, 1],
            },
            shift,
            relu,
            comparison,
            variant,
        }
    }

    fn arg_max(comparison: Comparison, variant: Variant) -> Op {
        Op::ArgMax {
            of: ValueId(0),
            comparison,
            variant,
        }
    }

    fn cost(op: &Op, candidates: u32, lanes: u64) -> StepCost {
        nonlinear(op, &[candidates], lanes, RingKind::Z32).expect("a sound comparison")
    }

    #[test]
    fn relu_on_the_32_bit_ring() {
        let cost = |variant| cost(&relu(COMPARISON, variant), 1, 64_000);
        let balanced = cost(Variant::Balanced);
        assert_eq!(balanced.rounds, 3);
        // 9 bits opened and one element, against 72 bits with the opening of the linear layer; 112 dealt for the sign.
        assert_eq!(balanced.e0_to_e1 * 8, 64_000 * (9 + 32));
        assert_eq!(balanced.dealt * 8, 64_000 * (112 + 3 * 32 + 2 * 10));
        let latency = cost(Variant::Latency);
        assert_eq!(latency.rounds, 2);
        // Of three leaves 5 bits; their products, and eleven of masks, each with 32 + 32 + 10 bits.
        assert_eq!(latency.e0_to_e1 * 8, 64_000 * (5 + 32));
        assert_eq!(latency.dealt * 8, 64_000 * (127 + 127 + 63 + 32 + 10 + 11 * 74));
    }

    #[test]
    fn pooling_two_by_two_takes_two_rounds_more_than_a_comparison() {
        let cost = |variant| cost(&max_pool(2, 0, true, COMPARISON, variant), 1, 64);
        let balanced = cost(Variant::Balanced);
        assert_eq!(balanced.rounds, 4);
        assert_eq!(balanced.e0_to_e1 * 8, 64 * (10 * 9 + 4 + 32));
        assert_eq!(balanced.dealt * 8, 64 * (10 * 112 + 10 + 4 * 11 + 4 * 3 * 32));
        let latency = cost(Variant::Latency);
        assert_eq!(latency.rounds, 3);
        assert_eq!(latency.e0_to_e1 * 8, 64 * (10 * 9 + 32));
        assert_eq!(latency.dealt * 8, 64 * (10 * 112 + 4 * 32 + 4 * 15 * 2 * 32));
    }

    #[test]
    fn variants_are_what_their_names_say() {
        let bytes = |cost: StepCost| cost.e0_to_e1 + cost.e1_to_e0 + cost.dealt;
        let of = |comparison, variant| {
            [
                cost(&relu(comparison, variant), 1, 6400),
                cost(&max_pool(2, 10, true, comparison, variant), 1, 6400),
                cost(&max_pool(3, 10, false, comparison, variant), 1, 6400),
                cost(&arg_max(comparison, variant), 10, 6400),
            ]
        };
        for comparison in [
            COMPARISON,
            Comparison { bits: 12, drop: 0 },
            Comparison { bits: 32, drop: 0 },
        ] {
            let [traffic, balanced, latency] = Variant::ALL.map(|variant| of(comparison, variant));
            for (index, balanced) in balanced.into_iter().enumerate() {
                assert!(balanced.rounds <= traffic[index].rounds);
                assert!(bytes(balanced) <= bytes(latency[index]) && latency[index].rounds < balanced.rounds);
            }
            assert!(bytes(traffic[0]) <= bytes(balanced[0]));
        }
    }

    #[test]
    fn one_candidate_is_no_contest() {
        for variant in Variant::ALL {
            let of = |op: &Op| nonlinear(op, &[1], 10, RingKind::Z64);
            assert_eq!(of(&arg_max(COMPARISON, variant)), Ok(StepCost::symmetric(1, 80, 0)));
            let pool = max_pool(1, 7, false, COMPARISON, variant);
            let cut = truncate(10, 7, RingKind::Z64);
            let dealt_work = cut.dealt * work_per_ten_bytes(variant) / 10;
            assert_eq!(of(&pool), Ok(StepCost { dealt_work, ..cut }));
        }
    }

    #[test]
    fn bad_comparisons_have_no_cost() {
        let bad = Comparison { bits: 40, drop: 0 };
        for variant in Variant::ALL {
            for op in [
                relu(bad, variant),
                max_pool(2, 0, true, bad, variant),
                arg_max(bad, variant),
            ] {
                assert!(nonlinear(&op, &[3], 1, RingKind::Z32).is_err());
            }
        }
    }
}
