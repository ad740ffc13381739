//! Piecewise linear functions in the fewest rounds: the answers of the comparisons are never opened.
//!
//! As in `piecewise.rs`, but the children of a comparison's last block are opened, and its answer
//!
//! ```text
//! [x >= 0] = p ^ s ^ less      p = 1 ^ msb(m), s = msb(r), less = a sum of products of masked bits, of which one at most is one
//! ```
//!
//! enters the sum of products as a polynomial, see `polynomial.rs`: the dealer deals s and, for each product of masks, it times 1 - 2 s, each of them alone
//! and times the parts of the truncated value.
//!
//! Rounds and bytes: [`UnopenedLayout::rounds`]; one round more with one element each way; dealt for t one element and `shift` bits, for s and each
//! of [`UnopenedLayout::products`] of each knot two elements and `shift` bits. Error: as in `piecewise.rs`. Source: ABY2.0 (USENIX Security 2021),
//! multi-input multiplication, over the ring.

use tercet_plan::UnopenedLayout;
use tercet_ring::{BitPlanes, Ring, Secret, vector};

use super::comparison;
use super::piecewise::{Piecewise, compared_bits, steps};
use super::polynomial::{Polynomial, Selected, Sign, Unopened};
use super::select::{MaskParts, SELECTED, Selector, Shares, VALUES, as_elements};
use super::slots::{Slot, Slots};
use crate::{Dealer, EngineError, EvaluatorTile};

/// The dealer's part.
///
/// # Errors
/// When the comparison does not fit the ring, which no checked plan has.
pub(super) fn deal<R: Ring>(dealer: &mut Dealer, r: &[R], function: Piecewise<'_>) -> Result<(), EngineError> {
    let slots = Slots::of_step();
    let parts = MaskParts::new(r, u32::from(function.shift));
    let (layout, knots) = (layout::<R>(function)?, function.knots.len());
    let bits = compared_bits(r, 0, function.comparison, layout.below());
    comparison::deal_blocks(dealer, slots, layout.below(), &bits, knots);
    let openings = layout.last_openings() as usize;
    let masks = dealer.mask_bits(slots.at(Slot::AnswerMasks), knots * openings, r.len());
    parts.deal(dealer, slots, VALUES);
    let products: Vec<BitPlanes> = polynomials(&layout, knots)
        .iter()
        .map(|polynomial| polynomial.mask_products(&masks))
        .collect();
    let rows = with_signs(&as_elements(&BitPlanes::concat(&products)), &sign_of(&bits));
    dealer.deal(slots.at(Slot::BitMasks), &rows);
    let values = vec![0; 1 + knots * layout.products() as usize];
    parts.deal_selected(dealer, slots, SELECTED, &rows, &values, r.len());
    Ok(())
}

/// An evaluator's part: the masked result. `mask` is its half of the result's mask.
///
/// # Errors
/// When the comparison does not fit the ring, which no checked plan has.
pub(super) async fn evaluate<R: Ring>(
    evaluator: &mut EvaluatorTile,
    m: &[R],
    function: Piecewise<'_>,
    mask: &[R],
) -> Result<Secret<R>, EngineError> {
    let (slots, shift, is_first) = (Slots::of_step(), u32::from(function.shift), evaluator.is_first());
    let (layout, lanes, knots) = (layout::<R>(function)?, m.len(), function.knots.len());
    let planes = function.knots.iter();
    let planes: Vec<BitPlanes> = planes
        .map(|&knot| compared_bits(m, knot, function.comparison, layout.below()))
        .collect();
    let nodes = comparison::evaluate_blocks(evaluator, slots, layout.below(), &planes).await;
    let openings = layout.last_openings() as usize;
    let children = nodes.iter().flat_map(|nodes| {
        let equal = nodes.equal.clone().split_at(1).1;
        [nodes.less.clone(), equal]
    });
    let mut mine = BitPlanes::concat(&children.collect::<Vec<_>>());
    mine.xor_assign(&evaluator.mask_bits(slots.at(Slot::AnswerMasks), knots * openings, lanes));
    let opened = evaluator.open_bits(mine).await;

    let values = &Shares::take(evaluator, slots, VALUES, shift, lanes);
    let mut sum = Secret::new(mask.to_vec());
    if is_first {
        let offset = R::from_i64(function.offsets[0]);
        sum.iter_mut().for_each(|sum| *sum = sum.plus(offset));
    }
    if function.slopes[0] != 0 {
        let selector = Selector {
            m,
            shift,
            is_first,
            values,
            lanes,
        };
        selector.add_value(&mut sum, 0, R::from_i64(function.slopes[0]));
    }
    let opposites: Vec<BitPlanes> = planes.into_iter().map(opposite).collect();
    let opened = BitPlanes::concat(&[opened, BitPlanes::concat(&opposites)]);
    let rows = 1 + knots * layout.products() as usize;
    let bits = Unopened::take(evaluator, slots, &opened, rows);
    let products = &Shares::take(evaluator, slots, SELECTED, shift, rows * lanes);
    for (knot, polynomial) in polynomials(&layout, knots).iter().enumerate() {
        let sign = Sign {
            row: 0,
            plane: knots * openings + knot,
        };
        let selected = Selected::Truncated {
            m,
            shift,
            shares: [&values.shifted, &values.wraps],
            products,
            factor: steps(function.slopes, knot),
            offset: steps(function.offsets, knot),
        };
        bits.add(&mut sum, polynomial, 1 + knot * polynomial.rows(), Some(sign), selected);
    }
    Ok(evaluator.open(sum).await)
}

fn layout<R: Ring>(function: Piecewise<'_>) -> Result<UnopenedLayout, EngineError> {
    let knots = function.knots.len() as u32;
    UnopenedLayout::for_piecewise(function.comparison, knots, function.shift, R::KIND)
        .map_err(|_| EngineError::Misuse("a comparison that does not fit the ring was run"))
}

/// "Less" of each knot's comparison, in the planes that are opened for the knot.
fn polynomials(layout: &UnopenedLayout, knots: usize) -> Vec<Polynomial> {
    let block = |knot: usize| Polynomial::block(layout.children() as usize, knot * layout.last_openings() as usize);
    (0..knots).map(block).collect()
}

/// The plane of s.
fn sign_of(bits: &BitPlanes) -> BitPlanes {
    BitPlanes::from_words(1, bits.lanes(), bits.plane(bits.planes() - 1).to_vec())
}

/// The plane of p.
fn opposite(bits: BitPlanes) -> BitPlanes {
    let mut sign = sign_of(&bits);
    sign.words_mut().iter_mut().for_each(|word| *word = !*word);
    sign
}

/// The row of s, and all other rows times 1 - 2 s.
fn with_signs<R: Ring>(rows: &Secret<R>, sign: &BitPlanes) -> Secret<R> {
    let sign = as_elements::<R>(sign);
    let factors = Secret::new(sign.iter().map(|s| R::ONE.minus(*s).minus(*s)).collect());
    let mut signed = Secret::zeros(sign.len() + rows.len());
    let (first, rest) = signed.split_at_mut(sign.len());
    first.copy_from_slice(&sign);
    rest.copy_from_slice(rows);
    rest.chunks_mut(sign.len().max(1))
        .for_each(|row| vector::multiply_assign(row, &factors));
    signed
}
