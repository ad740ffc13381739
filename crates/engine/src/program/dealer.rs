use std::time::Instant;

use tercet_plan::Op;
use tercet_ring::{Ring, Secret};

use super::{InputMasks, Program, Values, is_local};
use crate::dealer::Dealer;
use crate::error::EngineError;
use crate::linear::LinearStep;
use crate::local::Part;
use crate::meter::Meter;
use crate::model::View;
use crate::nonlinear;
use crate::prf::RESULT_MASK;

/// Deals for a whole session, from the masks of its inputs; gives r of every output.
pub(crate) fn deal<R: Ring>(
    program: &Program<'_, R>,
    dealer: &mut Dealer,
    mut inputs: InputMasks<R>,
) -> Result<(Vec<Secret<R>>, Meter), EngineError> {
    let since = Instant::now();
    let mut masks = Values::new(program.plan);
    let mut meter = Meter::default();
    let view = View::of_masks(program.me, program.roles);
    for (index, step) in program.plan.steps.iter().enumerate() {
        program.check_deadline(index)?;
        dealer.begin_step(index as u32);
        let mask = match &step.op {
            Op::Input(position) => match &mut inputs {
                InputMasks::Shared(masks) => std::mem::take(&mut masks[*position as usize]),
                InputMasks::Drawn => dealer.mask(RESULT_MASK, program.elements(index)),
            },
            op if is_local(op) => program.local(index, Part::Mask, &masks),
            Op::Linear(_) => {
                let own = dealer.mask(RESULT_MASK, program.elements(index));
                let linear = LinearStep::new(program.plan, program.model, index, program.batch);
                linear.deal(own, view, |id| masks.of(id))
            }
            op => {
                nonlinear::deal(dealer, op, program.shapes(index), masks.of(op.operands()[0]))?;
                dealer.mask(RESULT_MASK, program.elements(index))
            }
        };
        masks.define(index, mask);
        masks.release(index, &step.op);
        meter.steps.push(dealer.finish_step()?);
    }
    let outputs = program
        .plan
        .outputs
        .iter()
        .map(|output| masks.of(output.value).clone())
        .collect();
    meter.deal_time = dealer.blocked();
    meter.prepare_time = since.elapsed() - meter.deal_time;
    Ok((outputs, meter))
}
