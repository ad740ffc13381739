//! Continuous piecewise linear functions: ReLU, clip, leaky ReLU, hard sigmoid, and approximations of others.
//!
//! With `t = floor(x / 2^shift)` (or one more) and `b_i = [x >= knot_i]`,
//!
//! ```text
//! y = slope_0 t + offset_0 + sum over i of b_i ((slope_i - slope_{i-1}) t + offset_i - offset_{i-1})
//! ```
//!
//! All knots are compared at once, with the one mask r; here their answers are opened, for the fewest rounds see `unopened.rs`. The products of bits and t come with the truncation, see `select.rs`.
//! Rounds and bytes: those of the comparison; one round more with one element each way; dealt for t one element and `shift` bits, for each
//! knot two elements and `shift` bits. Error: one unit of t times the slope, and at a knot what the comparison's ignored bits allow.

use tercet_plan::{Comparison, Layout, Variant};
use tercet_ring::{BitPlanes, Ring, Secret, slice_difference};

use super::select::{Bits, MaskParts, SELECTED, Selector, Shares, VALUES, add_bits, deal_bits};
use super::slots::Slots;
use super::{comparison, layout, unopened};
use crate::{Dealer, EngineError, EvaluatorTile};

/// The public form of a piecewise function, as in [`tercet_plan::Op::Piecewise`].
#[derive(Clone, Copy)]
pub struct Piecewise<'a> {
    /// Bits dropped before the slopes apply.
    pub shift: u8,
    /// Ascending, at the scale of x; at least one.
    pub knots: &'a [i64],
    /// One more than knots.
    pub slopes: &'a [i64],
    /// One more than knots, at the scale of y.
    pub offsets: &'a [i64],
    /// How `x - knot` is compared with zero.
    pub comparison: Comparison,
    /// Whether answers are opened, and how bits are grouped.
    pub variant: Variant,
}

/// The dealer's part.
///
/// # Errors
/// When the comparison does not fit the ring, which no checked plan has.
pub fn deal<R: Ring>(dealer: &mut Dealer, r: &[R], function: Piecewise<'_>) -> Result<(), EngineError> {
    if function.variant == Variant::Latency {
        return unopened::deal(dealer, r, function);
    }
    let slots = Slots::of_step();
    let parts = MaskParts::new(r, u32::from(function.shift));
    let layout = layout::<R>(function.comparison, function.variant)?;
    let bits = compared_bits(r, 0, function.comparison, &layout);
    let masks = comparison::deal(dealer, slots, &layout, &bits, function.knots.len());
    parts.deal(dealer, slots, VALUES);
    let bit_masks = deal_bits(dealer, slots, &masks);
    parts.deal_selected(
        dealer,
        slots,
        SELECTED,
        &bit_masks,
        &vec![0; function.knots.len()],
        r.len(),
    );
    Ok(())
}

/// An evaluator's part: the masked result. `mask` is its half of the result's mask.
///
/// # Errors
/// When the comparison does not fit the ring, which no checked plan has.
pub async fn evaluate<R: Ring>(
    evaluator: &mut EvaluatorTile,
    m: &[R],
    function: Piecewise<'_>,
    mask: &[R],
) -> Result<Secret<R>, EngineError> {
    if function.variant == Variant::Latency {
        return unopened::evaluate(evaluator, m, function, mask).await;
    }
    let (slots, shift, is_first) = (Slots::of_step(), u32::from(function.shift), evaluator.is_first());
    let layout = layout::<R>(function.comparison, function.variant)?;
    let knots = function.knots.iter();
    let planes: Vec<BitPlanes> = knots
        .map(|&knot| compared_bits(m, knot, function.comparison, &layout))
        .collect();
    let answers = comparison::evaluate(evaluator, slots, &layout, &planes).await;
    let values = &Shares::take(evaluator, slots, VALUES, shift, m.len());
    let selector = Selector {
        m,
        shift,
        is_first,
        values,
        lanes: m.len(),
    };
    let mut sum = Secret::new(mask.to_vec());
    if is_first {
        let offset = R::from_i64(function.offsets[0]);
        sum.iter_mut().for_each(|sum| *sum = sum.plus(offset));
    }
    if function.slopes[0] != 0 {
        selector.add_value(&mut sum, 0, R::from_i64(function.slopes[0]));
    }
    let bits = Bits::take(evaluator, slots, &answers);
    let selected = Shares::take(evaluator, slots, SELECTED, shift, function.knots.len() * m.len());
    for knot in 0..function.knots.len() {
        selector.add_selected(&mut sum, 0, knot, &bits, &selected, steps(function.slopes, knot));
        if function.offsets[knot] != function.offsets[knot + 1] {
            add_bits(&mut sum, &bits, knot, is_first, steps(function.offsets, knot));
        }
    }
    Ok(evaluator.open(sum).await)
}

/// The bits of `elements - knot` that a comparison looks at, the sign last.
pub(super) fn compared_bits<R: Ring>(elements: &[R], knot: i64, comparison: Comparison, layout: &Layout) -> BitPlanes {
    let mut planes = BitPlanes::zeros(layout.compared_bits() as usize + 1, elements.len());
    let (knot, count) = (R::from_i64(knot), planes.planes() as u32);
    slice_difference(elements, knot, u32::from(comparison.drop), count, planes.words_mut());
    planes
}

/// By how much slopes or offsets change at a knot.
pub(super) fn steps<R: Ring>(of: &[i64], knot: usize) -> R {
    R::from_i64(of[knot + 1]).minus(R::from_i64(of[knot]))
}
