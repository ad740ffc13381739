use tercet_plan::Op;
use tercet_ring::{Ring, Secret};

use super::preparation::Preparation;
use super::{Program, Values, is_local};
use crate::error::EngineError;
use crate::evaluator::Evaluator;
use crate::linear::LinearStep;
use crate::local::Part;
use crate::meter::StepTraffic;
use crate::model::View;
use crate::nonlinear;

/// Evaluates a whole session from m of its inputs; gives m of every output, and what each step cost.
pub(crate) fn evaluate<R: Ring>(
    program: &Program<'_, R>,
    evaluator: &mut Evaluator,
    mut preparation: Preparation<R>,
    mut masked_inputs: Vec<Secret<R>>,
) -> Result<(Vec<Secret<R>>, Vec<StepTraffic>), EngineError> {
    let mut values = Values::new(program.plan);
    let mut steps = Vec::with_capacity(program.plan.steps.len());
    let view = View::of_masked(program.me, program.roles);
    let mut index = 0;
    while let Some(step) = program.plan.steps.get(index) {
        program.check_deadline(index)?;
        let mut prepared = preparation.take(index, program, evaluator);
        if let Some(next) = program.fused_with(index, &values) {
            let mask = preparation.take(index + 1, program, evaluator).own;
            evaluator.begin_fused(index as u32, index as u32 + 1);
            let linear = LinearStep::new(program.plan, program.model, index, program.batch);
            let bracket = std::mem::take(&mut prepared.own);
            let is_first = evaluator.is_first();
            let share = linear.evaluate(bracket, is_first, view, |id| values.of(id), |id| prepared.factor(id));
            values.release(index, &step.op);
            let value = nonlinear::open_and_evaluate(evaluator, next, program.shapes(index + 1), &share, &mask)?;
            values.define(index + 1, value);
            values.release(index + 1, next);
            steps.extend(evaluator.finish_fused()?);
            index += 2;
            continue;
        }
        evaluator.begin_step(index as u32);
        let value = match &step.op {
            Op::Input(position) => std::mem::take(&mut masked_inputs[*position as usize]),
            op if is_local(op) => program.local(index, Part::Masked, &values),
            Op::Linear(_) => {
                let linear = LinearStep::new(program.plan, program.model, index, program.batch);
                let bracket = std::mem::take(&mut prepared.own);
                let is_first = evaluator.is_first();
                let message = linear.evaluate(bracket, is_first, view, |id| values.of(id), |id| prepared.factor(id));
                evaluator.open(&message)?
            }
            op => {
                let m = values.of(op.operands()[0]);
                nonlinear::evaluate(evaluator, op, program.shapes(index), m, &prepared.own)?
            }
        };
        values.define(index, value);
        values.release(index, &step.op);
        steps.push(evaluator.finish_step()?);
        index += 1;
    }
    let outputs = program
        .plan
        .outputs
        .iter()
        .map(|output| values.of(output.value).clone())
        .collect();
    Ok((outputs, steps))
}
