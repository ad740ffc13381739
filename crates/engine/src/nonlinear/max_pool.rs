//! Max pooling: of each window the largest `floor(x / 2^shift)`, zero among the candidates when a ReLU follows.
//!
//! A tournament of `contest`s: `y = sum over candidates of w_i t_i` with winner bits w, the products fused with the truncation as in
//! `select.rs`. Windows of up to four elements need one level; the winners of an earlier level are masked afresh, at full
//! scale, and only the last level truncates.
//!
//! Rounds and bytes of a level: those of its contest; one round more with one element for each group each way; dealt for each candidate three
//! elements and, in the last level, 2 `shift` bits. Error: one unit of the result, and twice what the comparison's ignored bits allow.

use tercet_plan::{Comparison, Group, Tournament, Window};
use tercet_ring::{Ring, Secret, vector};

use super::contest::Contest;
use super::select::{Bits, MaskParts, SELECTED, Selector, Shares, VALUES, deal_bits};
use super::slots::{Slot, Slots};
use super::{Shapes, truncate};
use crate::local::{Operand, Strided};
use crate::{Dealer, EngineError, Evaluator};

/// The public form of a max pooling, as in [`tercet_plan::Op::MaxPool`].
#[derive(Clone, Copy)]
pub struct MaxPool<'a> {
    /// The window.
    pub window: Window,
    /// Bits dropped.
    pub shift: u8,
    /// Whether zero competes.
    pub relu: bool,
    /// How a difference is compared with zero.
    pub comparison: Comparison,
    /// `[channels, height, width]` of operand and result.
    pub shapes: Shapes<'a>,
}

impl MaxPool<'_> {
    fn tournament(&self) -> Tournament {
        Tournament::new(self.window.size[0].saturating_mul(self.window.size[1]), self.relu)
    }

    fn lanes(&self) -> usize {
        self.shapes.result_elements()
    }

    fn contest<'g>(&self, groups: &'g [Group]) -> Contest<'g> {
        Contest {
            groups,
            comparison: self.comparison,
            lanes: self.lanes(),
        }
    }

    /// The bits that a level drops.
    fn shift_of(&self, is_last: bool) -> u32 {
        if is_last { u32::from(self.shift) } else { 0 }
    }

    /// For each place in the window the elements that stand there, one for each window.
    fn candidates<R: Ring>(&self, elements: &[R]) -> Secret<R> {
        let Shapes {
            operand: shape,
            result,
            batch,
        } = self.shapes;
        let [rows, columns] = self.window.size;
        let mut candidates = Vec::with_capacity((rows * columns) as usize * self.lanes());
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let start = [0, row * self.window.dilation[0], column * self.window.dilation[1]];
            let step = [1, self.window.stride[0] as i32, self.window.stride[1] as i32];
            let place = Strided::slice(shape, &start, &step, result);
            candidates.extend_from_slice(&place.gather(batch, Operand { shape, elements }));
        }
        Secret::new(candidates)
    }
}

/// The dealer's part.
///
/// # Errors
/// When the comparison does not fit the ring, which no checked plan has.
pub fn deal<R: Ring>(dealer: &mut Dealer, r: &[R], pool: MaxPool<'_>) -> Result<(), EngineError> {
    let tournament = pool.tournament();
    let mut r = pool.candidates(r);
    if tournament.levels().is_empty() {
        truncate::deal(dealer, &r, pool.shift);
        return Ok(());
    }
    for (level, groups) in tournament.levels().iter().enumerate() {
        let (slots, is_last) = (Slots::of_level(level), level + 1 == tournament.levels().len());
        let winners = pool.contest(groups).deal(dealer, slots, &r)?;
        let parts = MaskParts::new(&r, pool.shift_of(is_last));
        parts.deal(dealer, slots, VALUES);
        let bit_masks = deal_bits(dealer, slots, &winners);
        parts.deal_selected(dealer, slots, SELECTED, &bit_masks);
        if !is_last {
            let [mut mask, other] = dealer.masks(slots.at(Slot::OutputMasks), groups.len() * pool.lanes());
            vector::add_assign(&mut mask, &other);
            r = mask;
        }
    }
    Ok(())
}

/// An evaluator's part: the masked result. `mask` is its half of the result's mask.
///
/// # Errors
/// When a peer is lost, late, or sends what the protocol does not call for.
pub fn evaluate<R: Ring>(
    evaluator: &mut Evaluator,
    m: &[R],
    pool: MaxPool<'_>,
    mask: &Secret<R>,
) -> Result<Secret<R>, EngineError> {
    let tournament = pool.tournament();
    let mut m = pool.candidates(m);
    if tournament.levels().is_empty() {
        return truncate::evaluate(evaluator, &m, pool.shift, mask);
    }
    for (level, groups) in tournament.levels().iter().enumerate() {
        let (slots, is_last) = (Slots::of_level(level), level + 1 == tournament.levels().len());
        let shift = pool.shift_of(is_last);
        let winners = pool.contest(groups).evaluate(evaluator, slots, &m)?;
        let values = &Shares::take(evaluator, slots, VALUES, shift, m.len())?;
        let bits = Bits::take(evaluator, slots, &winners)?;
        let selected = Shares::take(evaluator, slots, SELECTED, shift, m.len())?;
        let mut sums = match is_last {
            true => mask.clone(),
            false => evaluator.masks(slots.at(Slot::OutputMasks), groups.len() * pool.lanes()),
        };
        let selector = Selector {
            m: &m,
            shift,
            is_first: evaluator.is_first(),
            values,
            lanes: pool.lanes(),
        };
        selector.add_winners(&mut sums, groups, &bits, &selected);
        m = evaluator.open(sums)?;
    }
    Ok(m)
}
