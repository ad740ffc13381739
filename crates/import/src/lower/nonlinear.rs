//! Steps that compare: activations, maxima, labels.

use tercet_plan::{Comparison, Form, Layout, Op, Variant, Window};

use super::{Held, Lowering};
use crate::error::ImportError;
use crate::graph::{Curve, NodeId};

/// Slopes that are multiples of the smallest one up to here are whole numbers in a suitable unit.
const SLOPE_RATIO_MAX: f64 = 128.0;
/// On the 32-bit ring bits that the slopes add are missing in the weights that follow: more than these are cut off, which takes a round.
const SLOPE_EXCESS_BITS: u8 = 4;
/// Bits of the flattest slope of a curve that has no common unit.
const SLOPE_PRECISION_BITS: f64 = 7.0;
/// Compared bits up to which a comparison takes two rounds.
const TWO_ROUND_BITS: i32 = 25;
/// On the 32-bit ring a knot may be off by 2^KNOT_BITS units of the result, where nothing is seen of it: the function is continuous, and few values
/// are that close. Each bit is about a twentieth of a comparison.
const KNOT_BITS: u8 = 2;
/// On the 64-bit ring a threshold may move by 2^-THRESHOLD_BITS, to save a round.
const THRESHOLD_BITS: i32 = 13;

impl Lowering<'_> {
    pub(super) fn piecewise(&mut self, id: NodeId, of: NodeId, curve: &Curve) -> Result<Held, ImportError> {
        let held = self.natural(of);
        let fraction = self.value(held).fraction_bits;
        let slope_unit = slope_unit(curve);
        let (unit, slope_bits) = match slope_unit {
            Some(slope) => (held.unit * slope, 0),
            None if curve.is_homogeneous() => (held.unit, self.slope_bits(curve)),
            None => (1.0, self.slope_bits(&curve.in_units(held.unit, 1.0))),
        };
        let curve = curve.in_units(held.unit, unit);
        let shift = fraction.saturating_sub(self.rounded_bits(id, held.unit));
        let truncated = fraction - shift;
        let slope_bits = self.fitting(id, unit, truncated, slope_bits);
        let result = truncated + slope_bits;
        let at_operand = f64::from(fraction).exp2();
        let at_result = f64::from(result).exp2();
        let slopes = curve
            .slopes
            .iter()
            .map(|slope| (slope * f64::from(slope_bits).exp2()).round() as i64)
            .collect();
        let offsets: Vec<i64> = curve
            .offsets
            .iter()
            .map(|offset| (offset * at_result).round() as i64)
            .collect();
        let knots: Vec<i64> = curve
            .knots
            .iter()
            .map(|knot| (knot * at_operand).round() as i64)
            .collect();
        let farthest = knots.iter().map(|knot| knot.unsigned_abs()).max().unwrap_or(0);
        let precise = self.comparison(of, held, farthest, shift)?;
        let comparison = if self.scales.ring_bits == 32 {
            self.cheapest(held, farthest, precise)
        } else {
            precise
        };
        let op = Op::Piecewise {
            of: held.id,
            shift,
            knots,
            slopes,
            offsets,
            comparison,
            variant: Variant::Balanced,
        };
        let held = self.step(id, unit, op, result, Form::Masked)?;
        let wanted = self.rounded_bits(id, unit);
        if self.scales.ring_bits == 64 || result <= wanted + SLOPE_EXCESS_BITS {
            return Ok(held);
        }
        let cut = Op::Truncate {
            of: held.id,
            shift: result - wanted,
        };
        self.step(id, unit, cut, wanted, Form::Masked)
    }

    /// As many of the slopes' bits as the result has room for.
    fn fitting(&self, id: NodeId, unit: f64, truncated: u8, slope_bits: u8) -> u8 {
        let available = i32::from(self.scales.ring_bits) - 2;
        let fits = |bits: &u8| self.bits(id, unit, truncated + bits) <= available;
        (0..=slope_bits).rev().find(fits).unwrap_or(0)
    }

    /// As many fractional bits as the flattest slope needs to be as exact as the others, within reason.
    fn slope_bits(&self, curve: &Curve) -> u8 {
        let usual = self.scales.slope_bits;
        if self.scales.ring_bits == 32 {
            return usual;
        }
        let slopes = curve.slopes.iter().map(|slope| slope.abs());
        let flattest = slopes.filter(|&slope| slope > 0.0).fold(1.0, f64::min);
        let needed = (-flattest.log2()).ceil() + SLOPE_PRECISION_BITS;
        usual.max(needed.min(f64::from(2 * usual)) as u8)
    }

    pub(super) fn max_pool(&mut self, id: NodeId, of: NodeId, window: Window, relu: bool) -> Result<Held, ImportError> {
        let held = self.natural(of);
        let value = self.value(held);
        let fraction = value.fraction_bits;
        let shift = fraction.saturating_sub(self.rounded_bits(id, held.unit));
        let largest = (1_u64 << value.bound.bits) - 1;
        let comparison = self.comparison(of, held, largest, shift)?;
        let op = Op::MaxPool {
            of: held.id,
            window,
            shift,
            relu,
            comparison,
            variant: Variant::Balanced,
        };
        self.step(id, held.unit, op, fraction - shift, Form::Masked)
    }

    pub(super) fn arg_max(&mut self, id: NodeId, of: NodeId) -> Result<Held, ImportError> {
        let held = self.natural(of);
        let value = self.value(held);
        let drop = value.fraction_bits.saturating_sub(self.rounded_bits(id, held.unit));
        let largest = (1_u64 << value.bound.bits) - 1;
        let comparison = self.comparison(of, held, largest, drop)?;
        let op = Op::ArgMax {
            of: held.id,
            comparison,
            variant: Variant::Balanced,
        };
        self.step(id, 1.0, op, 0, Form::Masked)
    }

    /// Decides `x - y >= 0` for |x| within the operand's bound and |y| up to `farthest`, within `2^drop`.
    fn comparison(&self, of: NodeId, held: Held, farthest: u64, drop: u8) -> Result<Comparison, ImportError> {
        let value = self.value(held);
        let reach = ((1_u64 << value.bound.bits) - 1).saturating_add(farthest);
        let with_drop = |drop: u8| {
            (drop + 2..=self.scales.ring_bits)
                .map(|bits| Comparison { bits, drop })
                .find(|comparison| comparison.limit() >= reach)
        };
        let Some(comparison) = with_drop(drop) else {
            let needed = 64 - reach.leading_zeros() as i32;
            return Err(self.does_not_fit(of, needed, i32::from(self.scales.ring_bits) - 2));
        };
        // Where numbers are fine enough, a threshold that moves by less than anybody sees saves a round.
        let allowed = i32::from(value.fraction_bits) - THRESHOLD_BITS;
        let cheaper = (drop..=drop + 3)
            .filter(|&drop| i32::from(drop) <= allowed)
            .filter_map(with_drop)
            .find(|cheaper| compared(cheaper) <= TWO_ROUND_BITS);
        Ok(if compared(&comparison) > TWO_ROUND_BITS {
            cheaper.unwrap_or(comparison)
        } else {
            comparison
        })
    }
}

impl Lowering<'_> {
    /// The cheapest comparison that ignores up to [`KNOT_BITS`] more bits.
    fn cheapest(&self, held: Held, farthest: u64, precise: Comparison) -> Comparison {
        let ring = self.plan.ring();
        let reach = ((1_u64 << self.value(held).bound.bits) - 1).saturating_add(farthest);
        let cost = |comparison: &Comparison| {
            let layout = Layout::new(*comparison, ring).expect("a comparison that covers something");
            (layout.rounds(), layout.dealt_bits(1) + 2 * layout.opened_bits())
        };
        let looser = (1..=KNOT_BITS).filter_map(|bits| Comparison::covering(reach, precise.drop + bits, ring));
        looser.fold(
            precise,
            |best, looser| if cost(&looser) < cost(&best) { looser } else { best },
        )
    }
}

fn compared(comparison: &Comparison) -> i32 {
    i32::from(comparison.bits) - 1 - i32::from(comparison.drop)
}

/// The unit in which all slopes are small whole numbers, if there is one.
fn slope_unit(curve: &Curve) -> Option<f64> {
    let magnitudes = curve
        .slopes
        .iter()
        .map(|slope| slope.abs())
        .filter(|&slope| slope > 0.0);
    let least = magnitudes.fold(f64::INFINITY, f64::min);
    if !least.is_finite() {
        return Some(1.0);
    }
    let whole = curve.slopes.iter().all(|slope| {
        let ratio = slope / least;
        ratio.abs() <= SLOPE_RATIO_MAX && (ratio - ratio.round()).abs() < 1e-5
    });
    whole.then_some(least)
}
