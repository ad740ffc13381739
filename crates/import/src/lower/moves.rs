//! Operations that only copy, repeat or add elements: each party's own.

use tercet_plan::{Form, Op};

use super::linear::Aligned;
use super::{Held, Lowering, sizes};
use crate::error::ImportError;
use crate::graph::{NodeId, Op as FloatOp};

impl Lowering<'_> {
    pub(super) fn moves(&mut self, id: NodeId, op: &FloatOp) -> Result<Held, ImportError> {
        if let FloatOp::Concat { of, axis } = op {
            return self.concat(id, of, *axis);
        }
        let operand = op.operands()[0];
        let held = self.natural(operand);
        let value = self.value(held);
        let (fraction, form) = (value.fraction_bits, value.form);
        let of = held.id;
        let lowered = match op {
            FloatOp::Reshape(_) => Op::Reshape(of),
            FloatOp::Transpose { permutation, .. } => Op::Transpose {
                of,
                permutation: sizes(permutation),
            },
            FloatOp::Slice { start, step, .. } => Op::Slice {
                of,
                start: sizes(start),
                step: step.iter().map(|&step| step as i32).collect(),
            },
            FloatOp::Pad {
                before, after, fill, ..
            } => {
                let most = (1_i64 << value.bound.bits) - 1;
                // What never wins a maximum is the smallest number within the bound.
                let scaled = (fill / held.unit * f64::from(fraction).exp2()).round();
                let fill = if fill.is_finite() { scaled as i64 } else { -most };
                Op::Pad {
                    of,
                    before: sizes(before),
                    after: sizes(after),
                    fill,
                }
            }
            FloatOp::Broadcast(_) => Op::Broadcast(of),
            FloatOp::SumPool { window, .. } => Op::SumPool { of, window: *window },
            FloatOp::SumAxes { axes, .. } => Op::SumAxes { of, axes: sizes(axes) },
            _ => unreachable!("the caller handles every other operation"),
        };
        // Moves keep the operand's bound, which may be tighter than that of the node.
        let grows = match op {
            FloatOp::SumPool { .. } | FloatOp::SumAxes { .. } => true,
            FloatOp::Pad { fill, .. } => *fill != 0.0 && fill.is_finite(),
            _ => false,
        };
        let bound = value.bound;
        let held = self.step(id, held.unit, lowered, fraction, form)?;
        if !grows {
            self.plan.steps[held.id.0 as usize].value.bound = bound;
        }
        Ok(held)
    }

    fn concat(&mut self, id: NodeId, of: &[NodeId], axis: usize) -> Result<Held, ImportError> {
        let natural: Vec<Held> = of.iter().map(|of| self.natural(*of)).collect();
        let (first, form) = (self.value(natural[0]).clone(), self.value(natural[0]).form);
        let alike = natural.iter().all(|held| {
            let value = self.value(*held);
            value.form == form && value.fraction_bits == first.fraction_bits && held.unit == natural[0].unit
        });
        let (held, form) = if alike {
            (natural, form)
        } else {
            (self.alike(of)?, Form::Masked)
        };
        let fraction = self.value(held[0]).fraction_bits;
        let op = Op::Concat {
            of: held.iter().map(|held| held.id).collect(),
            axis: axis as u32,
        };
        let bound = held
            .iter()
            .map(|held| self.value(*held).bound)
            .max_by_key(|bound| bound.bits);
        let joined = self.step(id, held[0].unit, op, fraction, form)?;
        if let Some(bound) = bound {
            self.plan.steps[joined.id.0 as usize].value.bound = bound;
        }
        Ok(joined)
    }

    /// Masked values of one unit and scale.
    fn alike(&mut self, of: &[NodeId]) -> Result<Vec<Held>, ImportError> {
        let mut held = Vec::with_capacity(of.len());
        for id in of {
            held.push((self.masked(*id)?, 1.0));
        }
        if self.aligned(&held).is_none() {
            for (id, held) in of.iter().zip(&mut held) {
                let one = self.in_unit_one(*id)?;
                self.natural[id.0] = Some(one);
                self.masked[id.0] = None;
                held.0 = self.masked(*id)?;
            }
        }
        let Some(Aligned { terms, unit, fraction }) = self.aligned(&held) else {
            let available = i32::from(self.scales.ring_bits) - 2;
            return Err(self.does_not_fit(of[0], available + 1, available));
        };
        let mut result = Vec::with_capacity(of.len());
        for ((id, (held, _)), (value, factor)) in of.iter().zip(held).zip(terms) {
            if factor == 1 && held.unit == unit {
                result.push(held);
                continue;
            }
            let op = Op::Combine {
                terms: vec![(value, factor)],
                constant: 0,
            };
            result.push(self.step(*id, unit, op, fraction, Form::Masked)?);
        }
        Ok(result)
    }
}
