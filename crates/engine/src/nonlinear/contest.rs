//! Who wins: of candidates in groups, masked bits that name the largest of each group.
//!
//! All pairs of a group are compared at once, `b_ij = [v_i >= v_j]` for i < j. Candidate i wins if `b_ij` for all j > i and not `b_ji` for all
//! j < i, so there is exactly one winner, of equal candidates the first. The product of several masked bits is
//! linear in the products of their masks, which the dealer deals; it is opened under a fresh mask. Of two candidates one bit tells.
//!
//! Ignored low bits are dropped from each value before the difference is taken: what is compared is then one number for each candidate,
//! and the answers cannot run in a circle.
//!
//! Rounds and bytes: those of the comparison; if a group has more than two contestants one round more,
//! [`Group::winner_openings`] bits each way and [`Group::winner_products`] dealt. Source: ABY2.0 (USENIX Security 2021),
//! multi-input multiplication.

use tercet_plan::{Comparison, Group, Variant};
use tercet_ring::{BitPlanes, Ring, Secret, slice_bits};

use super::block::{Base, Factors, Shared};
use super::polynomial::Polynomial;
use super::slots::{Slot, Slots};
use super::{block, comparison, layout};
use crate::{Dealer, EngineError, EvaluatorTile};

/// The groups of a level, and how their candidates are compared. Candidates stand in rows of `lanes` elements, group after group.
pub(super) struct Contest<'a> {
    pub groups: &'a [Group],
    pub comparison: Comparison,
    pub variant: Variant,
    pub lanes: usize,
}

/// A candidate's comparisons: for each opponent the pair, and whether the candidate wins when the answer is no.
struct Candidate {
    pairs: Vec<usize>,
    negated: Vec<bool>,
}

impl Contest<'_> {
    /// The dealer's part: the masks of the winner bits, one plane for each candidate.
    pub fn deal<R: Ring>(&self, dealer: &mut Dealer, slots: Slots, r: &[R]) -> Result<BitPlanes, EngineError> {
        let pairs = self.deal_pairs(dealer, slots, r)?;
        if self.openings() == 0 {
            return Ok(self.assemble(&pairs, None, false));
        }
        let singles = self.contested(&pairs);
        let mut products = BitPlanes::zeros(self.products() - singles.planes(), self.lanes);
        let mut first_product = 0;
        for candidate in self.contested_candidates() {
            let factors = Factors {
                base: Base::One(true),
                planes: &candidate.pairs,
                first_product,
            };
            first_product = block::store_products(&pairs, factors, &mut products);
        }
        dealer.deal_bits(slots.at(Slot::WinnerProducts), &BitPlanes::concat(&[singles, products]));
        let winners = dealer.mask_bits(slots.at(Slot::WinnerMasks), self.openings(), self.lanes);
        Ok(self.assemble(&pairs, Some(&winners), false))
    }

    /// An evaluator's part: the masked winner bits, one plane for each candidate.
    pub async fn evaluate<R: Ring>(
        &self,
        evaluator: &mut EvaluatorTile,
        slots: Slots,
        m: &[R],
    ) -> Result<BitPlanes, EngineError> {
        let pairs = self.evaluate_pairs(evaluator, slots, m).await?;
        if self.openings() == 0 {
            return Ok(self.assemble(&pairs, None, true));
        }
        let dealt = evaluator.dealt_bits(slots.at(Slot::WinnerProducts), self.products(), self.lanes);
        let (singles, products) = dealt.split_at(self.contested_pairs().count());
        let mut masks = BitPlanes::zeros(pairs.planes(), self.lanes);
        for (single, pair) in self.contested_pairs().enumerate() {
            masks.plane_mut(pair).copy_from_slice(singles.plane(single));
        }
        let mut winners = evaluator.mask_bits(slots.at(Slot::WinnerMasks), self.openings(), self.lanes);
        let shared = Shared {
            opened: &pairs,
            masks: &masks,
            products: &products,
        };
        let (base, mut first_product) = (Base::One(evaluator.is_first()), 0);
        for (winner, candidate) in self.contested_candidates().iter().enumerate() {
            let factors = Factors {
                base,
                planes: &candidate.pairs,
                first_product,
            };
            first_product = block::add_product(shared, factors, &candidate.negated, winners.plane_mut(winner));
        }
        let winners = evaluator.open_bits(winners).await;
        Ok(self.assemble(&pairs, Some(&winners), true))
    }

    /// The dealer's part of all comparisons: the masks of the answers, one plane for each pair.
    pub fn deal_pairs<R: Ring>(&self, dealer: &mut Dealer, slots: Slots, r: &[R]) -> Result<BitPlanes, EngineError> {
        let layout = layout::<R>(self.comparison, self.variant)?;
        let bits = slice_bits(&self.differences(r), 0, layout.compared_bits() + 1);
        Ok(self.by_pair(comparison::deal(dealer, slots, &layout, &bits, 1)))
    }

    /// An evaluator's part of all comparisons: the masked answers, one plane for each pair.
    pub async fn evaluate_pairs<R: Ring>(
        &self,
        evaluator: &mut EvaluatorTile,
        slots: Slots,
        m: &[R],
    ) -> Result<BitPlanes, EngineError> {
        let layout = layout::<R>(self.comparison, self.variant)?;
        let bits = slice_bits(&self.differences(m), 0, layout.compared_bits() + 1);
        Ok(self.by_pair(comparison::evaluate(evaluator, slots, &layout, &[bits]).await))
    }

    /// The winner bit of each candidate as a product of the answers.
    pub fn polynomials(&self) -> Vec<Polynomial> {
        let winner =
            |candidate: Candidate| Polynomial::product(candidate.pairs.into_iter().zip(candidate.negated).collect());
        self.candidates(|_| true).into_iter().map(winner).collect()
    }

    /// For each pair the differences of its values without their ignored bits, in rows of whole words of lanes.
    fn differences<R: Ring>(&self, values: &[R]) -> Secret<R> {
        let row_lanes = self.lanes.next_multiple_of(64);
        let drop = u32::from(self.comparison.drop);
        let pairs = self.pair_count();
        let mut differences = Secret::zeros(pairs * row_lanes);
        let mut rows = differences.chunks_exact_mut(row_lanes.max(1));
        let row = |candidate: usize| &values[candidate * self.lanes..(candidate + 1) * self.lanes];
        let mut first = 0;
        for group in self.groups {
            let candidates = group.candidates as usize;
            for (i, j) in pairs_of(*group) {
                let Some(to) = rows.next() else { break };
                let left = row(first + i);
                if j < candidates {
                    for ((to, left), right) in to.iter_mut().zip(left).zip(row(first + j)) {
                        *to = left.shifted_right(drop).minus(right.shifted_right(drop));
                    }
                } else {
                    to.iter_mut()
                        .zip(left)
                        .for_each(|(to, left)| *to = left.shifted_right(drop));
                }
            }
            first += candidates;
        }
        differences
    }

    /// The answers of all pairs in one plane, as one plane for each pair.
    fn by_pair(&self, answers: BitPlanes) -> BitPlanes {
        BitPlanes::from_words(self.pair_count(), self.lanes, answers.words().to_vec())
    }

    /// The winner bits of all candidates: those found from several pairs, and where there is but one pair its answer and the opposite.
    /// A mask is the same for both, so only masked bits are negated.
    fn assemble(&self, pairs: &BitPlanes, winners: Option<&BitPlanes>, negates: bool) -> BitPlanes {
        let candidates = self.groups.iter().map(|group| group.candidates as usize).sum();
        let mut bits = BitPlanes::zeros(candidates, self.lanes);
        let (mut candidate, mut pair, mut winner) = (0, 0, 0);
        for group in self.groups {
            for place in 0..group.candidates {
                let to = bits.plane_mut(candidate);
                match winners.filter(|_| group.has_winner_round()) {
                    Some(winners) => {
                        to.copy_from_slice(winners.plane(winner));
                        winner += 1;
                    }
                    None => {
                        let flip = if negates && place == 1 { u64::MAX } else { 0 };
                        to.iter_mut()
                            .zip(pairs.plane(pair))
                            .for_each(|(to, answer)| *to = answer ^ flip);
                    }
                }
                candidate += 1;
            }
            pair += group.pairs() as usize;
        }
        bits
    }

    /// The pairs whose answers enter products.
    fn contested_pairs(&self) -> impl Iterator<Item = usize> {
        let mut pair = 0;
        self.groups.iter().flat_map(move |group| {
            let pairs = pair..pair + group.pairs() as usize;
            pair = pairs.end;
            pairs.filter(|_| group.has_winner_round())
        })
    }

    /// Their planes.
    fn contested(&self, pairs: &BitPlanes) -> BitPlanes {
        let planes: Vec<usize> = self.contested_pairs().collect();
        let mut contested = BitPlanes::zeros(planes.len(), self.lanes);
        for (to, &pair) in planes.iter().enumerate() {
            contested.plane_mut(to).copy_from_slice(pairs.plane(pair));
        }
        contested
    }

    /// The comparisons of each candidate that has several.
    fn contested_candidates(&self) -> Vec<Candidate> {
        self.candidates(Group::has_winner_round)
    }

    /// The comparisons of each candidate in the groups `of`.
    fn candidates(&self, of: impl Fn(Group) -> bool) -> Vec<Candidate> {
        let (mut candidates, mut first_pair) = (Vec::new(), 0);
        for group in self.groups {
            for candidate in (0..group.candidates as usize).filter(|_| of(*group)) {
                let own = pairs_of(*group)
                    .enumerate()
                    .filter(|(_, (i, j))| *i == candidate || *j == candidate);
                let (pairs, negated) = own.map(|(pair, (_, j))| (first_pair + pair, j == candidate)).unzip();
                candidates.push(Candidate { pairs, negated });
            }
            first_pair += group.pairs() as usize;
        }
        candidates
    }

    fn pair_count(&self) -> usize {
        self.groups.iter().map(|group| group.pairs() as usize).sum()
    }

    fn openings(&self) -> usize {
        self.groups.iter().map(|group| group.winner_openings() as usize).sum()
    }

    fn products(&self) -> usize {
        self.groups.iter().map(|group| group.winner_products() as usize).sum()
    }
}

/// The pairs of a group's contestants, zero being the last.
fn pairs_of(group: Group) -> impl Iterator<Item = (usize, usize)> {
    let contestants = group.contestants() as usize;
    (0..contestants).flat_map(move |i| (i + 1..contestants).map(move |j| (i, j)))
}
