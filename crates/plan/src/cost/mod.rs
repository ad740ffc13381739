//! What a plan costs, declared before it runs and measured to be equal when it does.

mod linear;
mod memory;
mod network;
mod nonlinear;
mod step;
#[cfg(test)]
mod tests;

pub use memory::{Memory, PREPARED_BYTES_MAX};
pub use network::{Network, Prediction};
pub use nonlinear::nonlinear;
pub use step::StepCost;

use crate::{Op, Plan, Step};

/// What a plan costs for one batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanCost {
    /// Each step, in the plan's order.
    pub steps: Vec<StepCost>,
    /// Bytes of opened values that each of the three parties sends towards the client at the end: an evaluator m, the dealer r.
    /// They take no exchange between the evaluators.
    pub revealed: u64,
}

impl PlanCost {
    /// The sum over all steps.
    pub fn total(&self) -> StepCost {
        self.steps.iter().copied().sum()
    }
}

impl Plan {
    /// The cost of a validated plan for a batch, exactly as a session meters it.
    pub fn cost(&self, batch: u32) -> PlanCost {
        let steps = self.steps.iter().map(|step| self.step_cost(step, u64::from(batch)));
        let revealed = self
            .outputs
            .iter()
            .map(|output| self.value(output.value).elements() as u64);
        PlanCost {
            steps: steps.collect(),
            revealed: revealed.sum::<u64>() * u64::from(batch) * self.ring().bytes() as u64,
        }
    }

    /// The cost of a validated plan in a session that is prepared before it has its inputs: they come under masks of the session's own in
    /// one round more, which counts to the first step.
    pub fn prepared_cost(&self, batch: u32) -> PlanCost {
        let mut cost = self.cost(batch);
        let inputs = self.steps.iter().filter(|step| matches!(step.op, Op::Input(_)));
        let elements: u64 = inputs.map(|step| step.value.elements() as u64).sum();
        let bytes = elements * u64::from(batch) * self.ring().bytes() as u64;
        if let Some(first) = cost.steps.first_mut() {
            *first += StepCost::symmetric(1, bytes, 0);
        }
        cost
    }

    fn step_cost(&self, step: &Step, batch: u64) -> StepCost {
        if let Op::Linear(terms) = &step.op {
            return linear::linear(self, terms, &step.value, batch);
        }
        let lanes = batch * step.value.elements() as u64;
        let operand = step.op.operands().first().map(|&of| self.value(of).shape.as_slice());
        nonlinear(&step.op, operand.unwrap_or_default(), lanes, self.ring())
            .expect("the comparisons of a validated plan fit its ring")
    }
}
