//! Sums: free where they are of masked values with whole factors, else one opening.

use std::sync::Arc;

use ndarray::ArrayD;
use tercet_plan::{Form, Op, Term, ValueId};

use super::{Held, Lowering};
use crate::error::ImportError;
use crate::graph::{Constant, NodeId, Term as FloatTerm};

/// Fractional bits of a weight beyond which nothing is gained: those of a single-precision number near one, and some.
const WEIGHT_BITS_MAX: i32 = 30;
/// Fractional bits of a weight below which a layer is useless.
const WEIGHT_BITS_MIN: i32 = 4;
/// The largest whole number by which a sum's operands may differ in unit.
const RATIO_MAX: f64 = 4096.0;

/// Values with the whole factors that bring them to one unit and scale.
pub(super) struct Aligned {
    pub(super) terms: Vec<(ValueId, i64)>,
    pub(super) unit: f64,
    pub(super) fraction: u8,
}

impl Lowering<'_> {
    pub(super) fn sum(&mut self, id: NodeId, terms: &[FloatTerm]) -> Result<Held, ImportError> {
        if let [FloatTerm::Add { of, factor }] = terms {
            return self.multiple(id, *of, *factor);
        }
        let adds: Option<Vec<(NodeId, f64)>> = terms
            .iter()
            .map(|term| match term {
                FloatTerm::Add { of, factor } => Some((*of, *factor)),
                _ => None,
            })
            .collect();
        if let Some(adds) = adds
            && let Some(held) = self.combination(id, &adds)?
        {
            return Ok(held);
        }
        self.linear(id, terms)
    }

    /// A multiple of a value is the value in another unit.
    fn multiple(&mut self, id: NodeId, of: NodeId, factor: f64) -> Result<Held, ImportError> {
        let held = self.natural(of);
        let unit = held.unit * factor.abs();
        if factor > 0.0 {
            return Ok(Held { id: held.id, unit });
        }
        let (fraction, form) = (self.value(held).fraction_bits, self.value(held).form);
        let negated = Op::Combine {
            terms: vec![(held.id, -1)],
            constant: 0,
        };
        self.step(id, unit, negated, fraction, form)
    }

    /// A sum with whole factors needs no message.
    fn combination(&mut self, id: NodeId, adds: &[(NodeId, f64)]) -> Result<Option<Held>, ImportError> {
        let all_opened = adds
            .iter()
            .all(|(of, _)| self.value(self.natural(*of)).form == Form::Opened);
        if all_opened {
            let held: Vec<(Held, f64)> = adds.iter().map(|(of, factor)| (self.natural(*of), *factor)).collect();
            if let Some(Aligned { terms, unit, fraction }) = self.aligned(&held) {
                let fits = self.bits(id, unit, fraction) <= i32::from(self.scales.ring_bits) - 3;
                if fits {
                    let op = Op::Combine { terms, constant: 0 };
                    return self.step(id, unit, op, fraction, Form::Opened).map(Some);
                }
            }
        }
        let mut held = Vec::with_capacity(adds.len());
        for (of, factor) in adds {
            held.push((self.masked(*of)?, *factor));
        }
        let Some(Aligned { terms, unit, fraction }) = self.aligned(&held) else {
            return Ok(None);
        };
        let op = Op::Combine { terms, constant: 0 };
        self.step(id, unit, op, fraction, Form::Masked).map(Some)
    }

    /// Whole factors that bring values to a common unit and scale, if there are any.
    pub(super) fn aligned(&self, held: &[(Held, f64)]) -> Option<Aligned> {
        let unit = held
            .iter()
            .map(|(held, factor)| held.unit * factor.abs())
            .fold(f64::INFINITY, f64::min);
        let fraction = held.iter().map(|(held, _)| self.value(*held).fraction_bits).max()?;
        let terms = held.iter().map(|(held, factor)| {
            let ratio = whole(held.unit * factor / unit).filter(|ratio| ratio.abs() <= RATIO_MAX)?;
            let lift = fraction - self.value(*held).fraction_bits;
            Some((held.id, (ratio as i64) << lift))
        });
        Some(Aligned {
            terms: terms.collect::<Option<_>>()?,
            unit,
            fraction,
        })
    }

    /// A sum of products, opened. Operands that are finer than activations have to be, because of their slopes, are made coarser if
    /// they leave no room for it.
    fn linear(&mut self, id: NodeId, terms: &[FloatTerm]) -> Result<Held, ImportError> {
        match self.linear_as_is(id, terms) {
            Err(ImportError::DoesNotFit { .. }) if self.coarsen(terms)? => self.linear_as_is(id, terms),
            result => result,
        }
    }

    /// Brings operands to the scale they are to be rounded to; says whether there were any to bring.
    fn coarsen(&mut self, terms: &[FloatTerm]) -> Result<bool, ImportError> {
        let mut any = false;
        for of in terms.iter().flat_map(FloatTerm::operands) {
            let held = self.masked(of)?;
            let fraction = self.rounded_bits(of, held.unit);
            let shift = self.value(held).fraction_bits.saturating_sub(fraction);
            if shift > 0 {
                let truncate = Op::Truncate { of: held.id, shift };
                let coarser = self.step(of, held.unit, truncate, fraction, Form::Masked)?;
                self.masked[of.0] = Some(coarser);
                any = true;
            }
        }
        Ok(any)
    }

    fn linear_as_is(&mut self, id: NodeId, terms: &[FloatTerm]) -> Result<Held, ImportError> {
        self.bring_products_to_one_unit(terms)?;
        let mut unit = None;
        let mut product_fraction: Option<u8> = None;
        let mut highest = 0;
        let mut weights_limit = i32::MAX;
        for term in terms {
            let mut fractions = 0;
            let mut product_unit = 1.0;
            for of in term.operands() {
                let held = self.masked(of)?;
                fractions += self.value(held).fraction_bits;
                product_unit *= held.unit;
            }
            match term {
                FloatTerm::Product { .. } | FloatTerm::MatMul { .. } => {
                    unit = Some(product_unit);
                    product_fraction = Some(product_fraction.map_or(fractions, |other| other.max(fractions)));
                }
                _ => highest = highest.max(fractions),
            }
        }
        let sole_add = terms.iter().find_map(|term| match term {
            FloatTerm::Add { of, factor } => Some((*of, factor.abs())),
            _ => None,
        });
        let unit = match (unit, sole_add) {
            (Some(unit), _) => unit,
            (None, Some((of, factor))) => self.masked(of)?.unit * factor,
            (None, None) => 1.0,
        };
        for term in terms {
            if let Some((weight, of)) = weight_of(term) {
                let held = of.map(|of| self.masked(of)).transpose()?;
                let (factor, fraction) = held.map_or((1.0, 0), |held| (held.unit, self.value(held).fraction_bits));
                let largest = weight.iter().fold(f64::MIN_POSITIVE, |most, x| most.max(x.abs())) * factor / unit;
                let room = i32::from(self.scales.ring_bits) - 2 - largest.log2().ceil() as i32;
                // Biases may take the whole ring; they are no less exact than the sum.
                weights_limit = weights_limit.min(room + i32::from(fraction));
            }
        }
        let fraction = match product_fraction {
            Some(fraction) => i32::from(fraction),
            None => self
                .highest_fraction(id, unit)
                .min(i32::from(highest) + WEIGHT_BITS_MAX)
                .min(weights_limit),
        };
        let weighted = terms.iter().any(|term| {
            matches!(
                term,
                FloatTerm::Dense { .. } | FloatTerm::Conv { .. } | FloatTerm::Scale { .. }
            )
        });
        let least = i32::from(highest) + if weighted { WEIGHT_BITS_MIN } else { 0 };
        if fraction < least || fraction >= i32::from(self.scales.ring_bits) {
            let excess = least - fraction;
            let available = i32::from(self.scales.ring_bits) - 2;
            return Err(self.does_not_fit(id, available + excess.max(1), available));
        }
        let fraction = fraction as u8;
        let (needed, available) = (self.bits(id, unit, fraction), i32::from(self.scales.ring_bits) - 2);
        if needed > available {
            return Err(self.does_not_fit(id, needed, available));
        }
        let mut lowered = Vec::with_capacity(terms.len());
        let mut bias = None;
        for term in terms {
            match term {
                FloatTerm::Bias(constant) if bias.is_none() => bias = Some(constant.clone()),
                term => lowered.push((term, self.term(id, term, unit, fraction)?)),
            }
        }
        let bias = self.corrected_bias(&lowered, bias, self.graph.shape(id).len());
        let mut lowered: Vec<Term> = lowered.into_iter().map(|(_, term)| term).collect();
        if let Some(bias) = bias {
            lowered.push(Term::Bias(self.parameter(id, &bias, 1.0 / unit, fraction)?));
        }
        self.step(id, unit, Op::Linear(lowered), fraction, Form::Opened)
    }

    /// The most fractional bits the node's sum can have so that it and what follows fit the ring.
    fn highest_fraction(&self, id: NodeId, unit: f64) -> i32 {
        let available = f64::from(self.scales.ring_bits) - 2.0 - self.headroom[id.0];
        let mut fraction = i32::from(self.scales.ring_bits) - 3;
        while fraction > 0 && f64::from(self.bits(id, unit, fraction as u8)) > available {
            fraction -= 1;
        }
        fraction
    }

    fn term(&mut self, id: NodeId, term: &FloatTerm, unit: f64, fraction: u8) -> Result<Term, ImportError> {
        Ok(match term {
            FloatTerm::Dense { of, weight } => {
                let (of, weight) = self.weight(id, *of, weight, unit, fraction)?;
                Term::Dense { of, weight }
            }
            FloatTerm::Conv { of, weight, geometry } => {
                let (of, weight) = self.weight(id, *of, weight, unit, fraction)?;
                Term::Conv {
                    of,
                    weight,
                    geometry: *geometry,
                }
            }
            FloatTerm::Scale { of, weight } => {
                let (of, weight) = self.weight(id, *of, weight, unit, fraction)?;
                Term::Scale { of, weight }
            }
            FloatTerm::Add { of, factor } => {
                let held = self.masked(*of)?;
                let lift = f64::from(fraction - self.value(held).fraction_bits).exp2();
                match whole(held.unit * factor / unit * lift) {
                    Some(factor) => Term::Add {
                        of: held.id,
                        factor: factor as i64,
                    },
                    None => {
                        let rank = self.graph.shape(*of).len();
                        let factor: Constant = Arc::new(ArrayD::from_elem(vec![1; rank], *factor));
                        let (of, weight) = self.weight(id, *of, &factor, unit, fraction)?;
                        Term::Scale { of, weight }
                    }
                }
            }
            FloatTerm::Product { left, right } => {
                let (left, right) = self.factors(*left, *right, fraction)?;
                Term::Product { left, right }
            }
            FloatTerm::MatMul { left, right } => {
                let (left, right) = self.factors(*left, *right, fraction)?;
                Term::MatMul { left, right }
            }
            FloatTerm::Bias(bias) => Term::Bias(self.parameter(id, bias, 1.0 / unit, fraction)?),
        })
    }

    fn weight(
        &mut self,
        id: NodeId,
        of: NodeId,
        weight: &Constant,
        unit: f64,
        fraction: u8,
    ) -> Result<(ValueId, tercet_plan::ParameterId), ImportError> {
        let held = self.masked(of)?;
        let weight_bits = fraction - self.value(held).fraction_bits;
        let parameter = self.parameter(id, weight, held.unit / unit, weight_bits)?;
        Ok((held.id, parameter))
    }

    /// Two factors whose scales add up to that of the sum.
    fn factors(&mut self, left: NodeId, right: NodeId, fraction: u8) -> Result<(ValueId, ValueId), ImportError> {
        let (first, second) = (self.masked(left)?, self.masked(right)?);
        let lift = fraction - self.value(first).fraction_bits - self.value(second).fraction_bits;
        if lift == 0 {
            return Ok((first.id, second.id));
        }
        let raised = Op::Combine {
            terms: vec![(first.id, 1 << lift)],
            constant: 0,
        };
        let fraction = self.value(first).fraction_bits + lift;
        let raised = self.step(left, first.unit, raised, fraction, Form::Masked)?;
        Ok((raised.id, second.id))
    }

    /// Products have no weights that could take up a unit: where those of a sum differ, the factors are first brought to unit one.
    fn bring_products_to_one_unit(&mut self, terms: &[FloatTerm]) -> Result<(), ImportError> {
        let mut units = Vec::new();
        for term in terms {
            if let FloatTerm::Product { left, right } | FloatTerm::MatMul { left, right } = term {
                units.push(self.masked(*left)?.unit * self.masked(*right)?.unit);
            }
        }
        let equal = units.windows(2).all(|pair| (pair[0] / pair[1] - 1.0).abs() < 1e-12);
        if !equal {
            for term in terms {
                if let FloatTerm::Product { left, right } | FloatTerm::MatMul { left, right } = term {
                    for of in [*left, *right] {
                        let held = self.in_unit_one(of)?;
                        self.natural[of.0] = Some(held);
                        self.masked[of.0] = None;
                    }
                }
            }
        }
        Ok(())
    }

    /// The node's value in unit one. A power of two is a matter of the scale; other units take an opening.
    pub(super) fn in_unit_one(&mut self, id: NodeId) -> Result<Held, ImportError> {
        let held = self.natural(id);
        if held.unit == 1.0 {
            return Ok(held);
        }
        let (fraction, form) = (self.value(held).fraction_bits, self.value(held).form);
        let exponent = held.unit.log2();
        let finer = exponent.round();
        if exponent == finer && finer < 0.0 && f64::from(fraction) - finer < f64::from(self.scales.ring_bits) {
            let op = Op::Combine {
                terms: vec![(held.id, 1)],
                constant: 0,
            };
            return self.step(id, 1.0, op, fraction + (-finer) as u8, form);
        }
        let held = self.masked(id)?;
        let rank = self.graph.shape(id).len();
        let one: Constant = Arc::new(ArrayD::from_elem(vec![1; rank], 1.0));
        let room = self
            .highest_fraction(id, 1.0)
            .min(i32::from(self.value(held).fraction_bits) + WEIGHT_BITS_MAX);
        let weight_room = i32::from(self.scales.ring_bits) - 2 - held.unit.log2().ceil() as i32;
        let own = i32::from(self.value(held).fraction_bits);
        let fraction = room.min(weight_room + own).max(own) as u8;
        let (of, weight) = self.weight(id, id, &one, 1.0, fraction)?;
        self.step(
            id,
            1.0,
            Op::Linear(vec![Term::Scale { of, weight }]),
            fraction,
            Form::Opened,
        )
    }
}

/// The constant of a term, and the value it weighs.
fn weight_of(term: &FloatTerm) -> Option<(&Constant, Option<NodeId>)> {
    match term {
        FloatTerm::Dense { of, weight } | FloatTerm::Conv { of, weight, .. } | FloatTerm::Scale { of, weight } => {
            Some((weight, Some(*of)))
        }
        FloatTerm::Bias(bias) => Some((bias, None)),
        _ => None,
    }
}

/// The number, if it is whole but for rounding.
fn whole(number: f64) -> Option<f64> {
    let nearest = number.round();
    let near = (number - nearest).abs() <= 1e-9 * nearest.abs();
    (near && nearest != 0.0 && nearest.abs() < 2_f64.powi(52)).then_some(nearest)
}
