//! Secret bits times truncated values, and the truncated values themselves.
//!
//! Of an opened value `x = m - r` with |x| < 2^(l-2) the truncation is linear in what the dealer knows: with `u = (m + 2^(l-2)) >> f`,
//! `c = 1 - msb(m + 2^(l-2))` and `C = 2^(l-f)`,
//!
//! ```text
//! t = u - 2^(l-2-f) - (r >> f) + c C msb(r)
//! ```
//!
//! is `floor(x / 2^f)` or one more: adding 2^(l-2) makes the value non-negative, so that the sum with r wraps exactly when r has its top bit and
//! m does not, and only the carry of the low f bits is lost. So is its product with a masked bit `b = m_b ^ l_b`:
//!
//! ```text
//! l_b t = (u - 2^(l-2-f)) l_b - l_b (r >> f) + c C l_b msb(r)          b t = m_b t + (1 - 2 m_b) l_b t
//! ```
//!
//! The dealer deals shares of the products on the right; those of C need only f bits. With f = 0 the formulas hold for every x and nothing wraps.
//! Source: the wrap of a mask from its top bit as in Dalskov et al., PoPETs 2020 (truncation with a public bound); the product with a dealt mask as in
//! ASTRA (CCSW 2019).

use tercet_plan::Group;
use tercet_ring::{BitPlanes, Ring, Secret, unslice, vector, vectorize};

use super::slots::{Slot, Slots};
use crate::{Dealer, EvaluatorTile};

/// Where the two parts of one kind of dealt products are drawn: those with the shifted mask, and those with its wrap.
pub(super) type SlotPair = [Slot; 2];

/// Truncated values.
pub(super) const VALUES: SlotPair = [Slot::ShiftedMasks, Slot::Wraps];
/// Products of bits and truncated values.
pub(super) const SELECTED: SlotPair = [Slot::SelectedMasks, Slot::SelectedWraps];

/// What the dealer knows of values to be truncated: the mask's parts.
pub(super) struct MaskParts<R: Ring> {
    shift: u32,
    shifted: Secret<R>,
    wraps: Secret<R>,
}

impl<R: Ring> MaskParts<R> {
    /// Of the mask `r`, for a truncation by `shift` bits.
    pub fn new(r: &[R], shift: u32) -> Self {
        let top = if shift > 0 { r } else { &[] };
        MaskParts {
            shift,
            shifted: Secret::new(r.iter().map(|r| r.shifted_right(shift)).collect()),
            wraps: Secret::new(top.iter().map(|r| r.shifted_right(R::BITS - 1)).collect()),
        }
    }

    /// Deals the values themselves.
    pub fn deal(&self, dealer: &mut Dealer, slots: Slots, [shifted, wraps]: SlotPair) {
        dealer.deal(slots.at(shifted), &self.shifted);
        if self.shift > 0 {
            dealer.deal_narrow(slots.at(wraps), self.shift, &self.wraps);
        }
    }

    /// Deals the products of bits and the values, both in rows of `lanes`: of each row of bits with the row of values that `value_rows` names.
    pub fn deal_selected(
        &self,
        dealer: &mut Dealer,
        slots: Slots,
        [shifted, wraps]: SlotPair,
        bit_masks: &Secret<R>,
        value_rows: &[usize],
        lanes: usize,
    ) {
        let times = |factors: &Secret<R>| {
            let mut products = bit_masks.clone();
            let rows = products.chunks_mut(lanes.max(1)).zip(value_rows);
            rows.for_each(|(row, &value)| vector::multiply_assign(row, &factors[value * lanes..(value + 1) * lanes]));
            products
        };
        dealer.deal(slots.at(shifted), &times(&self.shifted));
        if self.shift > 0 {
            dealer.deal_narrow(slots.at(wraps), self.shift, &times(&self.wraps));
        }
    }
}

/// The dealer's part for bits: deals their masks as ring elements, and gives those.
pub(super) fn deal_bits<R: Ring>(dealer: &mut Dealer, slots: Slots, masks: &BitPlanes) -> Secret<R> {
    let masks = as_elements(masks);
    dealer.deal(slots.at(Slot::BitMasks), &masks);
    masks
}

/// An evaluator's shares of products with the parts of a mask: with the mask shifted, and with its wrap (mod 2^shift).
pub(super) struct Shares<R: Ring> {
    pub shifted: Secret<R>,
    pub wraps: Secret<R>,
}

impl<R: Ring> Shares<R> {
    /// Takes what [`MaskParts::deal`] or [`MaskParts::deal_selected`] dealt.
    pub fn take(
        evaluator: &mut EvaluatorTile,
        slots: Slots,
        [shifted, wraps]: SlotPair,
        shift: u32,
        len: usize,
    ) -> Self {
        let shifted = evaluator.dealt(slots.at(shifted), len);
        let wraps = match shift {
            0 => Secret::zeros(len),
            _ => evaluator.dealt_narrow(slots.at(wraps), shift, len),
        };
        Shares { shifted, wraps }
    }
}

/// Masked bits at an evaluator: opened ones, and shares of their masks, both as ring elements.
pub(super) struct Bits<R: Ring> {
    opened: Secret<R>,
    masks: Secret<R>,
}

impl<R: Ring> Bits<R> {
    /// Takes what [`deal_bits`] dealt for bits that are opened already.
    pub fn take(evaluator: &mut EvaluatorTile, slots: Slots, opened: &BitPlanes) -> Self {
        let opened = as_elements(opened);
        let masks = evaluator.dealt(slots.at(Slot::BitMasks), opened.len());
        Bits { opened, masks }
    }
}

/// An evaluator's local work on opened values `m`: adds shares of them, of bits, and of their products to a sum.
///
/// `lanes` elements make a row. Rows of bits and rows of values are numbered from zero.
pub(super) struct Selector<'a, R: Ring> {
    pub m: &'a [R],
    pub shift: u32,
    pub is_first: bool,
    pub values: &'a Shares<R>,
    pub lanes: usize,
}

impl<R: Ring> Selector<'_, R> {
    /// `sum += factor * t`.
    pub fn add_value(&self, sum: &mut [R], value: usize, factor: R) {
        let [m, shifted, wraps] = [self.m, &self.values.shifted, &self.values.wraps].map(|all| self.row(all, value));
        let (form, sum) = (Form::new(self.shift, self.is_first), &mut sum[..self.lanes]);
        vectorize!(form.add_values(sum, m, shifted, wraps, factor));
    }

    /// `sum += factor * b * t`.
    pub fn add_selected(
        &self,
        sum: &mut [R],
        value: usize,
        bit: usize,
        bits: &Bits<R>,
        selected: &Shares<R>,
        factor: R,
    ) {
        let value = [self.m, &self.values.shifted, &self.values.wraps].map(|all| self.row(all, value));
        let bit = [&bits.opened, &bits.masks, &selected.shifted, &selected.wraps].map(|all| self.row(all, bit));
        let (form, sum) = (Form::new(self.shift, self.is_first), &mut sum[..self.lanes]);
        vectorize!(form.add_selected(sum, value, bit, factor));
    }

    /// For each group of candidates `sum += b t` over all of them; bits and values have a row for each candidate, sums one for each group.
    pub fn add_winners(&self, sums: &mut [R], groups: &[Group], bits: &Bits<R>, selected: &Shares<R>) {
        let mut candidate = 0;
        for (group, sum) in groups.iter().zip(sums.chunks_exact_mut(self.lanes.max(1))) {
            for _ in 0..group.candidates {
                self.add_selected(sum, candidate, candidate, bits, selected, R::ONE);
                candidate += 1;
            }
        }
    }

    pub fn row<'b>(&self, all: &'b [R], row: usize) -> &'b [R] {
        &all[row * self.lanes..(row + 1) * self.lanes]
    }
}

/// `sum += factor * b`, for row `row` of the bits.
pub(super) fn add_bits<R: Ring>(sum: &mut [R], bits: &Bits<R>, row: usize, is_first: bool, factor: R) {
    let row = row * sum.len()..(row + 1) * sum.len();
    let one = if is_first { R::ONE } else { R::ZERO };
    let bits = sum.iter_mut().zip(&bits.opened[row.clone()]).zip(&bits.masks[row]);
    for ((sum, &opened), &mask) in bits {
        *sum = sum.plus(factor.times(unmasked(opened, mask, one)));
    }
}

/// The share of `b v` from those of `v` and `l_b v`: `m_b v + (1 - 2 m_b) l_b v`.
#[inline(always)]
pub(super) fn unmasked<R: Ring>(opened: R, masked: R, value: R) -> R {
    masked.plus(R::ZERO.minus(opened).and(value.minus(masked).minus(masked)))
}

/// The public numbers of a truncation.
#[derive(Clone, Copy)]
pub(super) struct Form<R> {
    shift: u32,
    offset: R,
    shifted_offset: R,
    first: R,
}

impl<R: Ring> Form<R> {
    pub fn new(shift: u32, is_first: bool) -> Self {
        let offset = R::ONE.shifted_left(R::BITS - 2);
        let first = if is_first { R::ZERO.minus(R::ONE) } else { R::ZERO };
        Form {
            shift,
            offset,
            shifted_offset: offset.shifted_right(shift),
            first,
        }
    }

    /// `u - 2^(l-2-f)`, and all ones where the mask may have wrapped.
    #[inline(always)]
    pub fn public(&self, m: R) -> (R, R) {
        let m = m.plus(self.offset);
        let wrapped = m.shifted_right(R::BITS - 1).minus(R::ONE);
        (m.shifted_right(self.shift).minus(self.shifted_offset), wrapped)
    }

    /// A share of `t`, or of `l_b t`, without the public part.
    #[inline(always)]
    pub fn secret(&self, shifted: R, wrap: R, wrapped: R) -> R {
        wrap.shifted_left(R::BITS - self.shift).and(wrapped).minus(shifted)
    }

    #[inline(always)]
    fn add_values(&self, sum: &mut [R], m: &[R], shifted: &[R], wraps: &[R], factor: R) {
        for (((sum, &m), &shifted), &wrap) in sum.iter_mut().zip(m).zip(shifted).zip(wraps) {
            let (public, wrapped) = self.public(m);
            let value = public.and(self.first).plus(self.secret(shifted, wrap, wrapped));
            *sum = sum.plus(factor.times(value));
        }
    }

    #[inline(always)]
    fn add_selected(&self, sum: &mut [R], [m, shifted, wraps]: [&[R]; 3], bits: [&[R]; 4], factor: R) {
        let len = sum.len();
        let (m, shifted, wraps) = (&m[..len], &shifted[..len], &wraps[..len]);
        let [opened, masks, bit_shifted, bit_wraps] = bits.map(|row| &row[..len]);
        for i in 0..len {
            let (public, wrapped) = self.public(m[i]);
            let value = public.and(self.first).plus(self.secret(shifted[i], wraps[i], wrapped));
            let masked = public
                .times(masks[i])
                .plus(self.secret(bit_shifted[i], bit_wraps[i], wrapped));
            sum[i] = sum[i].plus(factor.times(unmasked(opened[i], masked, value)));
        }
    }
}

/// All planes' bits as elements 0 and 1, one plane after the other.
pub(super) fn as_elements<R: Ring>(planes: &BitPlanes) -> Secret<R> {
    if planes.planes() == 1 || planes.lanes().is_multiple_of(64) {
        return unslice(planes.words(), planes.planes() * planes.lanes());
    }
    let mut elements = Secret::zeros(planes.planes() * planes.lanes());
    for (plane, elements) in elements.chunks_exact_mut(planes.lanes()).enumerate() {
        elements.copy_from_slice(&unslice::<R>(planes.plane(plane), planes.lanes()));
    }
    elements
}
