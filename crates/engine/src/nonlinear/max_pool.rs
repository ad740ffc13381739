//! Max pooling: of each window the largest `floor(x / 2^shift)`, zero among the candidates when a ReLU follows.
//!
//! A tournament of `contest`s: `y = sum over candidates of w_i t_i` with winner bits w, the products fused with the truncation as in
//! `select.rs`, or in the fewest rounds as in `winners.rs`. Windows of up to four elements need one level; the winners of an earlier level are masked afresh, at full
//! scale, and only the last level truncates.
//!
//! Rounds and bytes of a level: those of its contest; one round more with one element for each group each way; dealt for each candidate three
//! elements and, in the last level, 2 `shift` bits. Error: one unit of the result, and twice what the comparison's ignored bits allow.

use std::ops::Range;

use tercet_plan::{Comparison, Group, Tournament, Variant, Window};
use tercet_ring::{Ring, Secret};

use super::contest::Contest;
use super::select::{MaskParts, SELECTED, Selector, Shares, VALUES};
use super::slots::{Slot, Slots};
use super::truncate;
use super::winners::{DealtWinners, Winners};
use crate::{Dealer, EngineError, EvaluatorTile};

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
    /// Who meets whom, and whether winner bits are opened.
    pub variant: Variant,
    /// `[channels, height, width]` of one sample of the operand.
    pub operand: &'a [u32],
    /// The same of the result.
    pub result: &'a [u32],
}

impl MaxPool<'_> {
    fn tournament(&self) -> Tournament {
        Tournament::new(
            self.window.size[0].saturating_mul(self.window.size[1]),
            self.relu,
            self.variant,
        )
    }

    fn contest<'g>(&self, groups: &'g [Group], lanes: usize) -> Contest<'g> {
        Contest {
            groups,
            comparison: self.comparison,
            variant: self.variant,
            lanes,
        }
    }

    /// The bits that a level drops.
    fn shift_of(&self, is_last: bool) -> u32 {
        if is_last { u32::from(self.shift) } else { 0 }
    }

    /// For each place in the window the elements that stand there, one for each window of `lanes`.
    fn candidates<R: Ring>(&self, elements: &[R], lanes: Range<usize>) -> Secret<R> {
        let wide = |size: u32| size as usize;
        let (&[_, height, width], &[_, rows, columns]) = (self.operand, self.result) else {
            unreachable!("a pooled value has three axes")
        };
        let [height, width, rows, columns] = [height, width, rows, columns].map(wide);
        let [stride, dilation] = [self.window.stride, self.window.dilation].map(|pair| pair.map(wide));
        let [places, places_in_row] = self.window.size.map(wide);
        let mut candidates = Vec::with_capacity(places * places_in_row * lanes.len());
        for (place, place_in_row) in (0..places).flat_map(|row| (0..places_in_row).map(move |column| (row, column))) {
            let mut lane = lanes.start;
            while lane < lanes.end {
                let (row, column) = (lane / columns, lane % columns);
                let count = (columns - column).min(lanes.end - lane);
                let from = (row / rows * height + row % rows * stride[0] + place * dilation[0]) * width
                    + column * stride[1]
                    + place_in_row * dilation[1];
                candidates.extend(elements[from..].iter().step_by(stride[1]).take(count));
                lane += count;
            }
        }
        Secret::new(candidates)
    }
}

/// The dealer's part for the windows `lanes` of the whole batch, with r of the whole operand.
///
/// # Errors
/// When the comparison does not fit the ring, which no checked plan has.
pub fn deal<R: Ring>(dealer: &mut Dealer, r: &[R], pool: MaxPool<'_>, lanes: Range<usize>) -> Result<(), EngineError> {
    let tournament = pool.tournament();
    let mut r = pool.candidates(r, lanes.clone());
    let lanes = lanes.len();
    if tournament.levels().is_empty() {
        truncate::deal(dealer, &r, pool.shift);
        return Ok(());
    }
    for (level, groups) in tournament.levels().iter().enumerate() {
        let (slots, is_last) = (Slots::of_level(level), level + 1 == tournament.levels().len());
        let winners = DealtWinners::deal(dealer, slots, &pool.contest(groups, lanes), &r)?;
        let parts = MaskParts::new(&r, pool.shift_of(is_last));
        parts.deal(dealer, slots, VALUES);
        winners.select(dealer, slots, SELECTED, &parts);
        if !is_last {
            r = dealer.mask(slots.at(Slot::OutputMasks), groups.len() * lanes);
        }
    }
    Ok(())
}

/// An evaluator's part for the windows `lanes` of the whole batch, with m of the whole operand: the masked result. `mask` is its half of the
/// result's mask.
///
/// # Errors
/// When the comparison does not fit the ring, which no checked plan has.
pub async fn evaluate<R: Ring>(
    evaluator: &mut EvaluatorTile,
    m: &[R],
    pool: MaxPool<'_>,
    lanes: Range<usize>,
    mask: &[R],
) -> Result<Secret<R>, EngineError> {
    let tournament = pool.tournament();
    let mut m = pool.candidates(m, lanes.clone());
    let lanes = lanes.len();
    if tournament.levels().is_empty() {
        return Ok(truncate::evaluate(evaluator, &m, pool.shift, mask).await);
    }
    for (level, groups) in tournament.levels().iter().enumerate() {
        let (slots, is_last) = (Slots::of_level(level), level + 1 == tournament.levels().len());
        let shift = pool.shift_of(is_last);
        let winners = Winners::evaluate(evaluator, slots, &pool.contest(groups, lanes), &m).await?;
        let values = &Shares::take(evaluator, slots, VALUES, shift, m.len());
        let selected = winners.take_selected(evaluator, slots, SELECTED, shift, m.len());
        let mut sums = match is_last {
            true => Secret::new(mask.to_vec()),
            false => evaluator.masks(slots.at(Slot::OutputMasks), groups.len() * lanes),
        };
        let selector = Selector {
            m: &m,
            shift,
            is_first: evaluator.is_first(),
            values,
            lanes,
        };
        winners.add_values(&mut sums, groups, &selector, &selected);
        m = evaluator.open(sums).await;
    }
    Ok(m)
}
