//! The plan in the clear: exact integers in the plan's ring, floor truncation, exact comparisons.
//!
//! It is what every other way to run a plan is held against, so it is written to be read: plain loops, one function an op. Products alone
//! are left to the ring's kernels, which are held against plain loops themselves: a compiler tries a large network many times.
//! [`Op::error_bound`] says how far the protocol of a step may be from it.

mod linear;
mod local;
mod nonlinear;
mod strided;
#[cfg(test)]
mod tests;

use tercet_ring::{Ring, RingKind, Secret};

use crate::{Encoded, Integers, Op, Parameters, Plan, Step, ValueId};

/// Every value of a run in the clear.
#[derive(Debug)]
pub struct Trace {
    values: Vec<Integers>,
}

/// A value that was larger than its declared bound, which the protocols would have got wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excess {
    /// The value.
    pub value: ValueId,
    /// Its declared bound: |v| < 2^bits.
    pub bits: u8,
    /// The largest magnitude that occurred.
    pub largest: u64,
}

impl Trace {
    /// The value of a step, samples outermost.
    pub fn value(&self, id: ValueId) -> &Integers {
        &self.values[id.0 as usize]
    }

    /// The values that are revealed, in the order of the plan's outputs.
    pub fn revealed(&self, plan: &Plan) -> Vec<Integers> {
        plan.outputs
            .iter()
            .map(|output| self.value(output.value).clone())
            .collect()
    }

    /// The values beyond their declared bounds, in the order of the steps.
    pub fn excesses(&self, plan: &Plan) -> Vec<Excess> {
        let values = self.values.iter().enumerate();
        values
            .filter_map(|(index, value)| excess(plan, ValueId(index as u32), value))
            .collect()
    }
}

/// The excess of one value of a run, if it is beyond its declared bound.
pub fn excess(plan: &Plan, id: ValueId, value: &[i64]) -> Option<Excess> {
    let bits = plan.value(id).bound.bits;
    let largest = value.iter().map(|integer| integer.unsigned_abs()).max().unwrap_or(0);
    (largest >= 1 << bits).then_some(Excess {
        value: id,
        bits,
        largest,
    })
}

/// Runs a validated plan and keeps every value.
///
/// # Panics
/// When the inputs are not those of the plan, as [`Plan::encode`] makes them.
pub fn run(plan: &Plan, parameters: &Parameters, inputs: &Encoded) -> Trace {
    let mut values = Vec::with_capacity(plan.steps.len());
    walk(plan, parameters, inputs, |_, value| {
        values.push(value.iter().copied().collect())
    });
    Trace { values }
}

/// Runs a validated plan and shows every value as soon as it is there; a value is dropped after its last use.
///
/// # Panics
/// When the inputs are not those of the plan, as [`Plan::encode`] makes them.
pub fn walk(plan: &Plan, parameters: &Parameters, inputs: &Encoded, visit: impl FnMut(ValueId, &[i64])) {
    match plan.ring() {
        RingKind::Z32 => walk_in::<u32>(plan, parameters, inputs, visit),
        RingKind::Z64 => walk_in::<u64>(plan, parameters, inputs, visit),
    }
}

fn walk_in<R: Ring>(plan: &Plan, parameters: &Parameters, inputs: &Encoded, mut visit: impl FnMut(ValueId, &[i64])) {
    let ring = |integers: &Integers| Secret::new(integers.iter().map(|&integer| R::from_i64(integer)).collect());
    let machine = Machine::<R> {
        plan,
        parameters: parameters.iter().map(ring).collect(),
        inputs: inputs.inputs.iter().map(ring).collect(),
        batch: inputs.batch as usize,
    };
    let last_uses = plan.last_uses();
    let mut values: Vec<Secret<R>> = Vec::with_capacity(plan.steps.len());
    for (index, step) in plan.steps.iter().enumerate() {
        let value = machine.step(step, &values);
        assert_eq!(
            value.len(),
            machine.batch * step.value.elements(),
            "step {index} gives its declared shape"
        );
        visit(
            ValueId(index as u32),
            &value.iter().map(|element| element.to_i64()).collect::<Integers>(),
        );
        values.push(value);
        let in_use = step.op.operands().into_iter().chain([ValueId(index as u32)]);
        for id in in_use.filter(|id| last_uses[id.0 as usize] == index) {
            values[id.0 as usize] = Secret::default();
        }
    }
}

/// What a run has at hand, in ring elements.
struct Machine<'a, R: Ring> {
    plan: &'a Plan,
    parameters: Vec<Secret<R>>,
    inputs: Vec<Secret<R>>,
    batch: usize,
}

impl<R: Ring> Machine<'_, R> {
    fn step(&self, step: &Step, values: &[Secret<R>]) -> Secret<R> {
        let of = |id: &ValueId| &values[id.0 as usize];
        let shape = |id: &ValueId| self.plan.value(*id).shape.as_slice();
        let result = step.value.shape.as_slice();
        match &step.op {
            Op::Input(input) => self.inputs[*input as usize].clone(),
            Op::Reshape(id) => of(id).clone(),
            Op::Transpose { of: id, permutation } => local::transpose(of(id), shape(id), permutation, result),
            Op::Slice { of: id, start, step } => local::slice(of(id), shape(id), start, step, result),
            Op::Concat { of: ids, axis } => {
                let parts: Vec<(&[R], &[u32])> = ids.iter().map(|id| (&of(id)[..], shape(id))).collect();
                local::concat(&parts, *axis as usize)
            }
            Op::Pad {
                of: id, before, fill, ..
            } => local::pad(of(id), shape(id), before, R::from_i64(*fill), result),
            Op::Broadcast(id) => local::broadcast(of(id), shape(id), result),
            Op::SumPool { of: id, window } => local::sum_pool(of(id), shape(id), window, result),
            Op::SumAxes { of: id, axes } => local::sum_axes(of(id), shape(id), axes, result),
            Op::Combine { terms, constant } => {
                let terms: Vec<(&[R], R)> = terms
                    .iter()
                    .map(|(id, factor)| (&of(id)[..], R::from_i64(*factor)))
                    .collect();
                local::combine(&terms, R::from_i64(*constant))
            }
            Op::Linear(terms) => {
                let mut sum = Secret::zeros(self.batch * step.value.elements());
                terms
                    .iter()
                    .for_each(|term| self.add_term(term, values, result, &mut sum));
                sum
            }
            Op::Truncate { of: id, shift } => nonlinear::truncate(of(id), *shift),
            Op::Piecewise {
                of: id,
                shift,
                knots,
                slopes,
                offsets,
                ..
            } => nonlinear::piecewise(of(id), *shift, knots, slopes, offsets),
            Op::MaxPool {
                of: id,
                window,
                shift,
                relu,
                ..
            } => nonlinear::max_pool(of(id), shape(id), window, *shift, *relu, result),
            Op::ArgMax { of: id, .. } => nonlinear::arg_max(of(id), shape(id)),
        }
    }
}
