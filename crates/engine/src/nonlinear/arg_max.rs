//! The index of the largest element along the last axis, of equal ones the first.
//!
//! A tournament of `contest`s, as in max pooling, whose winners carry their index along: public before the first level, masked after
//! it. Values stay at full scale, and those of the last winner are never computed.
//!
//! Rounds and bytes of a level: those of its contest; one round more with one index for each group each way, and one value unless the
//! level is the last; dealt for each candidate one element for its bit, two for the value unless the level is the last, two for
//! the index unless it is the first. Exact when the comparison ignores no bits; otherwise the element found is within twice what is ignored of
//! the largest. The index of a single element is masked, which takes a round.

use std::ops::Range;

use tercet_plan::{Comparison, Group, Tournament, Variant};
use tercet_ring::{Ring, Secret};

use super::contest::Contest;
use super::select::{MaskParts, SELECTED, Selector, Shares, SlotPair, VALUES};
use super::slots::{Slot, Slots};
use super::winners::{DealtWinners, Winners};
use crate::{Dealer, EngineError, EvaluatorTile};

/// Indices, which are not truncated: the second slot of each pair stays unused.
const INDICES: SlotPair = [Slot::IndexMasks, Slot::Wraps];
/// Products of bits and indices.
const SELECTED_INDICES: SlotPair = [Slot::SelectedIndexMasks, Slot::SelectedWraps];

/// The public form of a search for the largest element, as in [`tercet_plan::Op::ArgMax`].
#[derive(Clone, Copy)]
pub struct ArgMax {
    /// How a difference is compared with zero.
    pub comparison: Comparison,
    /// Who meets whom, and whether winner bits are opened.
    pub variant: Variant,
    /// Elements of a row.
    pub candidates: usize,
}

impl ArgMax {
    fn tournament(&self) -> Tournament {
        Tournament::new(self.candidates as u32, false, self.variant)
    }

    fn contest<'g>(&self, groups: &'g [Group], lanes: usize) -> Contest<'g> {
        Contest {
            groups,
            comparison: self.comparison,
            variant: self.variant,
            lanes,
        }
    }

    /// Where the rows `lanes` stand in the operand.
    pub(super) fn operand_range(&self, lanes: Range<usize>) -> Range<usize> {
        lanes.start * self.candidates..lanes.end * self.candidates
    }

    /// The candidates in rows: first all elements of index 0, then those of index 1.
    fn candidates<R: Ring>(&self, elements: &[R]) -> Secret<R> {
        let columns = (0..self.candidates).map(|index| elements.iter().skip(index).step_by(self.candidates));
        let mut candidates = Vec::with_capacity(elements.len());
        columns.for_each(|column| candidates.extend(column));
        Secret::new(candidates)
    }
}

/// The dealer's part, with r of some rows.
///
/// # Errors
/// When the comparison does not fit the ring, which no checked plan has.
pub fn deal<R: Ring>(dealer: &mut Dealer, r: &[R], search: ArgMax) -> Result<(), EngineError> {
    let (tournament, lanes) = (search.tournament(), r.len() / search.candidates);
    let mut values = search.candidates(r);
    let mut indices: Option<Secret<R>> = None;
    for (level, groups) in tournament.levels().iter().enumerate() {
        let slots = Slots::of_level(level);
        let winning = DealtWinners::deal(dealer, slots, &search.contest(groups, lanes), &values)?;
        if let Some(indices) = &indices {
            let parts = MaskParts::new(indices, 0);
            parts.deal(dealer, slots, INDICES);
            winning.select(dealer, slots, SELECTED_INDICES, &parts);
        }
        if level + 1 < tournament.levels().len() {
            let parts = MaskParts::new(&values, 0);
            parts.deal(dealer, slots, VALUES);
            winning.select(dealer, slots, SELECTED, &parts);
            let winners = groups.len() * lanes;
            let mask = dealer.mask::<R>(slots.at(Slot::OutputMasks), 2 * winners);
            indices = Some(Secret::new(mask[..winners].to_vec()));
            values = Secret::new(mask[winners..].to_vec());
        }
    }
    Ok(())
}

/// An evaluator's part, with m of some rows: the masked result. `mask` is its half of the result's mask.
///
/// # Errors
/// When the comparison does not fit the ring, which no checked plan has.
pub async fn evaluate<R: Ring>(
    evaluator: &mut EvaluatorTile,
    m: &[R],
    search: ArgMax,
    mask: &[R],
) -> Result<Secret<R>, EngineError> {
    let (tournament, lanes, is_first) = (search.tournament(), m.len() / search.candidates, evaluator.is_first());
    let mut values = search.candidates(m);
    let mut indices: Option<Secret<R>> = None;
    for (level, groups) in tournament.levels().iter().enumerate() {
        let (slots, is_last) = (Slots::of_level(level), level + 1 == tournament.levels().len());
        let winning = Winners::evaluate(evaluator, slots, &search.contest(groups, lanes), &values).await?;
        let winners = groups.len() * lanes;
        let mut sums = match is_last {
            true => Secret::new(mask.to_vec()),
            false => evaluator.masks(slots.at(Slot::OutputMasks), 2 * winners),
        };
        let (index_sums, value_sums) = sums.split_at_mut(winners);
        match &indices {
            None => winning.add_places(index_sums, groups, is_first, lanes),
            Some(indices) => {
                let shares = &Shares::take(evaluator, slots, INDICES, 0, indices.len());
                let selected = winning.take_selected(evaluator, slots, SELECTED_INDICES, 0, indices.len());
                let selector = Selector {
                    m: indices,
                    shift: 0,
                    is_first,
                    values: shares,
                    lanes,
                };
                winning.add_values(index_sums, groups, &selector, &selected);
            }
        }
        if !is_last {
            let shares = &Shares::take(evaluator, slots, VALUES, 0, values.len());
            let selected = winning.take_selected(evaluator, slots, SELECTED, 0, values.len());
            let selector = Selector {
                m: &values,
                shift: 0,
                is_first,
                values: shares,
                lanes,
            };
            winning.add_values(value_sums, groups, &selector, &selected);
        }
        let opened = evaluator.open(sums).await;
        if is_last {
            return Ok(opened);
        }
        indices = Some(Secret::new(opened[..winners].to_vec()));
        values = Secret::new(opened[winners..].to_vec());
    }
    Ok(evaluator.open(Secret::new(mask.to_vec())).await)
}
