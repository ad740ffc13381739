use super::StepCost;
use crate::{Plan, Term, Value};

/// `Op::Linear`: one exchange of the result's elements, whatever the terms. The mask of the result takes in the products of the
/// operands' masks, which the dealer alone knows, so nothing is dealt.
pub(super) fn linear(plan: &Plan, terms: &[Term], result: &Value, batch: u64) -> StepCost {
    let elements = batch * result.elements() as u64;
    let per_element = terms.iter().map(|term| multiply_adds(plan, term));
    StepCost {
        multiply_adds: elements.saturating_mul(per_element.sum()),
        ..StepCost::symmetric(1, elements * plan.ring().bytes() as u64, 0)
    }
}

/// Multiply-adds that depend on the input, for each element of the result.
fn multiply_adds(plan: &Plan, term: &Term) -> u64 {
    let product = |shape: &[u32]| shape.iter().map(|&size| u64::from(size)).product();
    match term {
        Term::Dense { weight, .. } => u64::from(plan.parameter(*weight).shape[0]),
        Term::Conv { weight, .. } => product(&plan.parameter(*weight).shape[1..]),
        // Each operand's masked value meets what the evaluator holds of the other.
        Term::MatMul { left, .. } => 2 * u64::from(plan.value(*left).shape.last().copied().unwrap_or(1)),
        Term::Product { .. } => 2,
        Term::Scale { .. } | Term::Add { .. } => 1,
        Term::Bias(_) => 0,
    }
}
