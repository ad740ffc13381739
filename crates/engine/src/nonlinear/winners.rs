//! The winners of a contest in a selection: `sum over candidates of w_i v_i`, with winner bits that are opened under masks or never.
//!
//! Opened bits take a round of the contest, and two dealt elements for each candidate. With [`Variant::Latency`] that round is saved: `w_i` enters as the product
//! of the candidate's comparisons, which are opened, and there are two elements for each of [`Group::winner_terms`]; see `polynomial.rs`.

use tercet_plan::{Group, Variant};
use tercet_ring::{BitPlanes, Ring, Secret};

use super::contest::Contest;
use super::polynomial::{Polynomial, Selected, Unopened};
use super::select::{Bits, MaskParts, Selector, Shares, SlotPair, add_bits, deal_bits};
use super::slots::Slots;
use crate::{Dealer, EngineError, EvaluatorTile};

/// What the dealer knows of winner bits: rows of masks or of products of masks.
pub(super) struct DealtWinners<R: Ring> {
    rows: Secret<R>,
    /// The candidate that each row belongs to.
    candidates: Vec<usize>,
    lanes: usize,
}

impl<R: Ring> DealtWinners<R> {
    /// The dealer's part of a contest, with the rows alone dealt.
    pub fn deal(dealer: &mut Dealer, slots: Slots, contest: &Contest<'_>, r: &[R]) -> Result<Self, EngineError> {
        let (planes, candidates) = match contest.variant {
            Variant::Latency => {
                let pairs = contest.deal_pairs(dealer, slots, r)?;
                let polynomials = contest.polynomials();
                let products: Vec<_> = polynomials.iter().map(|winner| winner.mask_products(&pairs)).collect();
                let rows = polynomials.iter().map(Polynomial::rows).enumerate();
                let candidates = rows.flat_map(|(candidate, rows)| std::iter::repeat_n(candidate, rows));
                (BitPlanes::concat(&products), candidates.collect())
            }
            Variant::Traffic | Variant::Balanced => {
                let masks = contest.deal(dealer, slots, r)?;
                let candidates = (0..masks.planes()).collect();
                (masks, candidates)
            }
        };
        Ok(DealtWinners {
            rows: deal_bits(dealer, slots, &planes),
            candidates,
            lanes: contest.lanes,
        })
    }

    /// Deals the rows' products with values, one row for each candidate.
    pub fn select(&self, dealer: &mut Dealer, slots: Slots, pair: SlotPair, values: &MaskParts<R>) {
        values.deal_selected(dealer, slots, pair, &self.rows, &self.candidates, self.lanes);
    }
}

/// Winner bits at an evaluator.
pub(super) enum Winners<R: Ring> {
    /// Opened under masks, a row for each candidate.
    Opened(Bits<R>),
    /// Products of opened comparisons, one for each candidate.
    Unopened(Unopened<R>, Vec<Polynomial>),
}

impl<R: Ring> Winners<R> {
    /// An evaluator's part of a contest.
    pub async fn evaluate(
        evaluator: &mut EvaluatorTile,
        slots: Slots,
        contest: &Contest<'_>,
        m: &[R],
    ) -> Result<Self, EngineError> {
        match contest.variant {
            Variant::Latency => {
                let pairs = contest.evaluate_pairs(evaluator, slots, m).await?;
                let polynomials = contest.polynomials();
                let rows = polynomials.iter().map(Polynomial::rows).sum();
                Ok(Winners::Unopened(
                    Unopened::take(evaluator, slots, &pairs, rows),
                    polynomials,
                ))
            }
            Variant::Traffic | Variant::Balanced => {
                let opened = contest.evaluate(evaluator, slots, m).await?;
                Ok(Winners::Opened(Bits::take(evaluator, slots, &opened)))
            }
        }
    }

    /// Takes the products that [`DealtWinners::select`] dealt for values of `lanes` elements a row.
    pub fn take_selected(
        &self,
        evaluator: &mut EvaluatorTile,
        slots: Slots,
        pair: SlotPair,
        shift: u32,
        candidates: usize,
    ) -> Shares<R> {
        let len = match self {
            Winners::Opened(_) => candidates,
            Winners::Unopened(bits, _) => bits.len(),
        };
        Shares::take(evaluator, slots, pair, shift, len)
    }

    /// For each group of candidates `sum += w t` over all of them; values have a row for each candidate, sums one for each group.
    pub fn add_values(&self, sums: &mut [R], groups: &[Group], selector: &Selector<'_, R>, selected: &Shares<R>) {
        match self {
            Winners::Opened(bits) => selector.add_winners(sums, groups, bits, selected),
            Winners::Unopened(bits, polynomials) => {
                let mut first_row = 0;
                for (candidate, (winner, group)) in polynomials.iter().zip(by_candidate(groups)).enumerate() {
                    let sum = &mut sums[group * selector.lanes..(group + 1) * selector.lanes];
                    let row = |all| selector.row(all, candidate);
                    let value = Selected::Truncated {
                        m: row(selector.m),
                        shift: selector.shift,
                        shares: [row(&selector.values.shifted), row(&selector.values.wraps)],
                        products: selected,
                        factor: R::ONE,
                        offset: R::ZERO,
                    };
                    bits.add(sum, winner, first_row, None, value);
                    first_row += winner.rows();
                }
            }
        }
    }

    /// For each group the winner's place among all candidates.
    pub fn add_places(&self, sums: &mut [R], groups: &[Group], is_first: bool, lanes: usize) {
        let mut first_row = 0;
        for (candidate, group) in by_candidate(groups).enumerate() {
            let sum = &mut sums[group * lanes..(group + 1) * lanes];
            let place = R::from_u64(candidate as u64);
            match self {
                Winners::Opened(bits) => add_bits(sum, bits, candidate, is_first, place),
                Winners::Unopened(bits, polynomials) => {
                    let winner = &polynomials[candidate];
                    bits.add(sum, winner, first_row, None, Selected::Constant(place));
                    first_row += winner.rows();
                }
            }
        }
    }
}

/// For each candidate the group it is in.
fn by_candidate(groups: &[Group]) -> impl Iterator<Item = usize> {
    let of_group = |(index, group): (usize, &Group)| std::iter::repeat_n(index, group.candidates as usize);
    groups.iter().enumerate().flat_map(of_group)
}
