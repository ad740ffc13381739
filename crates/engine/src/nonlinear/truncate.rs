//! Truncation: an opened `x = m - r` with |x| < 2^(l-2) becomes a masked `t`, `floor(x / 2^shift)` or one more. Never anything else.
//!
//! Local work: the evaluators' shares of t, linear in `r >> shift` and msb(r), which the dealer deals; see `select.rs`.
//! Exchange: the shares under a fresh mask. Rounds and bytes: one round, one element each way; one element and `shift` bits dealt.
//! With `shift` 0 it is exact for every x, and only masks afresh.

use tercet_ring::{Ring, Secret};

use super::select::{MaskParts, Selector, Shares, VALUES};
use super::slots::Slots;
use crate::{Dealer, EvaluatorTile};

/// The dealer's part.
pub fn deal<R: Ring>(dealer: &mut Dealer, r: &[R], shift: u8) {
    MaskParts::new(r, u32::from(shift)).deal(dealer, Slots::of_step(), VALUES);
}

/// An evaluator's part: the masked result. `mask` is its half of the result's mask.
pub async fn evaluate<R: Ring>(evaluator: &mut EvaluatorTile, m: &[R], shift: u8, mask: &[R]) -> Secret<R> {
    let shift = u32::from(shift);
    let values = &Shares::take(evaluator, Slots::of_step(), VALUES, shift, m.len());
    let mut sum = Secret::new(mask.to_vec());
    let selector = Selector {
        m,
        shift,
        is_first: evaluator.is_first(),
        values,
        lanes: m.len(),
    };
    selector.add_value(&mut sum, 0, R::ONE);
    evaluator.open(sum).await
}
