//! The programs of the three roles: each walks the plan step by step on what its role holds.
//!
//! The dealer holds the mask l of every value (r of an opened one) and no m; it runs through the whole plan without hearing of
//! anybody. An evaluator first prepares: it runs through the plan on its half of each mask, as far ahead of the input as memory
//! allows; then it runs through the plan on m.

mod dealer;
mod evaluator;
mod inputs;
mod preparation;
#[cfg(test)]
mod tests;

use std::time::Instant;

use tercet_ids::{PartyId, Roles};
use tercet_plan::{Op, Plan, ValueId};
use tercet_ring::{Ring, Secret};

use crate::error::EngineError;
use crate::local::{self, Operand, Part};
use crate::model::ModelShare;
use crate::nonlinear::{self, Shapes};

pub(crate) use dealer::deal;
pub(crate) use evaluator::evaluate;
pub(crate) use inputs::{EvaluatorInput, InputMasks, remask};
pub(crate) use preparation::Preparation;

/// What the programs of all roles need: a validated plan, the parameters and the session's terms.
pub(crate) struct Program<'a, R: Ring> {
    pub plan: &'a Plan,
    pub model: &'a ModelShare<R>,
    pub batch: usize,
    pub me: PartyId,
    pub roles: Roles,
    pub deadline: Instant,
    /// Bytes that an evaluator prepares ahead.
    pub prepared_bytes_max: usize,
}

impl<R: Ring> Program<'_, R> {
    /// Elements of the value that a step defines, all samples together.
    fn elements(&self, step: usize) -> usize {
        self.batch * self.plan.steps[step].value.elements()
    }

    /// Runs a local step on one component of its operands.
    fn local(&self, step: usize, part: Part, values: &Values<R>) -> Secret<R> {
        let step = &self.plan.steps[step];
        let operands: Vec<Operand<'_, R>> = step
            .op
            .operands()
            .into_iter()
            .map(|id| Operand {
                shape: &self.plan.value(id).shape,
                elements: values.of(id),
            })
            .collect();
        local::apply(&step.op, part, self.batch, &operands, &step.value.shape)
    }

    /// Shapes of a non-linear step.
    fn shapes(&self, step: usize) -> Shapes<'_> {
        let step = &self.plan.steps[step];
        let [operand] = step.op.operands()[..] else {
            unreachable!("non-linear steps have one operand")
        };
        Shapes {
            operand: &self.plan.value(operand).shape,
            result: &step.value.shape,
            batch: self.batch,
        }
    }

    /// The element-wise step after a linear one, if it is the only one to take its value: both then run as one, tile by tile.
    fn fused_with(&self, step: usize, values: &Values<R>) -> Option<&Op> {
        let next = &self.plan.steps.get(step + 1)?.op;
        let is_linear = matches!(self.plan.steps[step].op, Op::Linear(_));
        let takes_it = next.operands() == [ValueId(step as u32)];
        let is_only_user = values.last_use[step] == step + 1;
        (is_linear && takes_it && is_only_user && nonlinear::is_element_wise(next)).then_some(next)
    }

    fn check_deadline(&self, step: usize) -> Result<(), EngineError> {
        if Instant::now() < self.deadline {
            Ok(())
        } else {
            Err(EngineError::Deadline {
                peer: self.me,
                step: step as u32,
            })
        }
    }
}

/// Whether a step runs on each component alone.
fn is_local(op: &Op) -> bool {
    match op {
        Op::Reshape(_)
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Broadcast(_)
        | Op::SumPool { .. }
        | Op::SumAxes { .. }
        | Op::Combine { .. } => true,
        Op::Input(_)
        | Op::Linear(_)
        | Op::Truncate { .. }
        | Op::Piecewise { .. }
        | Op::MaxPool { .. }
        | Op::ArgMax { .. } => false,
    }
}

/// One component of the values defined so far, each kept until the last step that uses it.
struct Values<R: Ring> {
    values: Vec<Option<Secret<R>>>,
    /// As [`Plan::last_uses`] gives them.
    last_use: Vec<usize>,
}

impl<R: Ring> Values<R> {
    fn new(plan: &Plan) -> Self {
        Values {
            values: plan.steps.iter().map(|_| None).collect(),
            last_use: plan.last_uses(),
        }
    }

    fn of(&self, id: ValueId) -> &Secret<R> {
        self.values[id.0 as usize]
            .as_ref()
            .expect("values are defined before they are used, and kept until their last use")
    }

    fn define(&mut self, step: usize, value: Secret<R>) {
        self.values[step] = Some(value);
    }

    /// Wipes what no step after `step` uses, of the operands of `op` and the value of the step itself.
    fn release(&mut self, step: usize, op: &Op) {
        for id in op.operands().into_iter().chain([ValueId(step as u32)]) {
            if self.last_use[id.0 as usize] <= step {
                self.values[id.0 as usize] = None;
            }
        }
    }
}
