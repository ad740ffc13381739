use tercet_ring::{Ring, Secret, vector};

use super::Program;
use crate::error::EngineError;
use crate::evaluator::Evaluator;
use crate::meter::StepTraffic;

/// An evaluator's components of one input.
pub(crate) struct EvaluatorInput<R: Ring> {
    /// m.
    pub masked: Secret<R>,
    /// l0 or l1.
    pub mask: Secret<R>,
}

/// Where the masks of a session's inputs come from.
pub(crate) enum InputMasks<R: Ring> {
    /// From the client's sharing: this party's part of each, in the plan's order.
    Shared(Vec<Secret<R>>),
    /// Drawn like any other mask, before there is a client.
    Drawn,
}

/// Brings shared inputs under the masks that were drawn for them: one round for all inputs together, which belongs to the plan's first step.
///
/// With s0, s1 the drawn halves, E0 sends m - l0 + s0 and E1 sends s1 - l1; the sum is m of x under the mask s0 + s1.
pub(crate) fn remask<R: Ring>(
    program: &Program<'_, R>,
    evaluator: &mut Evaluator,
    drawn: Vec<Secret<R>>,
    inputs: Vec<EvaluatorInput<R>>,
) -> Result<(Vec<Secret<R>>, StepTraffic), EngineError> {
    program.check_deadline(0)?;
    evaluator.begin_step(0);
    let lengths: Vec<usize> = drawn.iter().map(|half| half.len()).collect();
    let mut message = Secret::zeros(lengths.iter().sum());
    let mut rest = &mut message[..];
    // An input that no step uses has no mask, and stays where it is.
    for (half, input) in drawn.iter().zip(&inputs).filter(|(half, _)| !half.is_empty()) {
        let (part, tail) = rest.split_at_mut(half.len());
        part.copy_from_slice(half);
        if evaluator.is_first() {
            vector::add_assign(part, &input.masked);
        }
        vector::subtract_assign(part, &input.mask);
        rest = tail;
    }
    let opened = evaluator.open(&message)?;
    let mut rest = &opened[..];
    let masked = lengths.into_iter().map(|len| {
        let (part, tail) = rest.split_at(len);
        rest = tail;
        Secret::new(part.to_vec())
    });
    Ok((masked.collect(), evaluator.finish_step()?))
}
