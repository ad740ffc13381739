use std::time::Instant;

use tercet_plan::Op;
use tercet_ring::{Ring, Secret};

use super::preparation::Preparation;
use super::{Program, Values, is_local};
use crate::error::EngineError;
use crate::evaluator::Evaluator;
use crate::linear::LinearStep;
use crate::local::Part;
use crate::meter::Meter;
use crate::model::View;
use crate::nonlinear;

/// An evaluator's components of one input.
pub(crate) struct EvaluatorInput<R: Ring> {
    /// m.
    pub masked: Secret<R>,
    /// l0 or l1.
    pub mask: Secret<R>,
}

/// Evaluates a whole session; gives m of every output.
pub(crate) fn evaluate<R: Ring>(
    program: &Program<'_, R>,
    evaluator: &mut Evaluator,
    inputs: Vec<EvaluatorInput<R>>,
) -> Result<(Vec<Secret<R>>, Meter), EngineError> {
    let begin = Instant::now();
    let (mut masked_inputs, mut input_masks): (Vec<_>, Vec<_>) =
        inputs.into_iter().map(|input| (input.masked, input.mask)).unzip();
    let mut preparation = Preparation::new(program);
    preparation.run_ahead(program, evaluator, &mut input_masks);
    let online = Instant::now();

    let mut values = Values::new(program.plan);
    let mut meter = Meter {
        prepare_time: online - begin,
        ..Meter::default()
    };
    let view = View::of_masked(program.me, program.roles);
    for (index, step) in program.plan.steps.iter().enumerate() {
        program.check_deadline(index)?;
        let mut prepared = preparation.take(index, program, evaluator, &mut input_masks);
        evaluator.begin_step(index as u32);
        let value = match &step.op {
            Op::Input(position) => std::mem::take(&mut masked_inputs[*position as usize]),
            op if is_local(op) => program.local(index, Part::Masked, &values),
            Op::Linear(_) => {
                let linear = LinearStep::new(program.plan, program.model, index, program.batch);
                let bracket = std::mem::take(&mut prepared.own);
                let is_first = evaluator.is_first();
                let message = linear.evaluate(bracket, is_first, view, |id| values.of(id), |id| prepared.factor(id));
                evaluator.open(message)?
            }
            op => {
                let m = values.of(op.operands()[0]);
                nonlinear::evaluate(evaluator, op, program.shapes(index), m, &prepared.own)?
            }
        };
        values.define(index, value);
        values.release(index, &step.op);
        meter.steps.push(evaluator.finish_step()?);
    }
    let outputs = program
        .plan
        .outputs
        .iter()
        .map(|output| values.of(output.value).clone())
        .collect();
    (meter.wait_time, meter.deal_time) = evaluator.blocked();
    meter.compute_time = online.elapsed() - meter.wait_time - meter.deal_time;
    Ok((outputs, meter))
}
