use std::sync::Arc;
use std::time::Instant;

use tercet_ids::{Nonce, PartyId, PlanDigest, Role, Roles, SessionId};
use tercet_plan::{Plan, limits};
use tercet_ring::{Ring, Secret, vector};
use tercet_sharing::replicated::{MaskedView, ReplicatedShare};
use zeroize::Zeroizing;

use crate::error::EngineError;
use crate::keys::PairSecret;
use crate::link::Links;
use crate::meter::Meter;
use crate::model::ModelShare;
use crate::program::{EvaluatorInput, InputMasks};
use crate::ready::{Inputs, Ready};

/// What the three parties have agreed to run.
#[derive(Clone)]
pub struct SessionSpec {
    /// The session's name, used once.
    pub id: SessionId,
    /// The plan. The caller has validated it.
    pub plan: Arc<Plan>,
    /// The plan's digest.
    pub digest: PlanDigest,
    /// Samples in the query.
    pub batch: u32,
    /// Who deals and who evaluates.
    pub roles: Roles,
    /// This party.
    pub me: PartyId,
    /// One fresh nonce of each party, in the parties' order.
    pub nonces: [Nonce; 3],
    /// When the links give up; computation between messages stops then, too.
    pub deadline: Instant,
}

/// A party's shares of a model, in the ring of its plan.
pub enum Model {
    /// Over Z_2^32.
    Z32(ModelShare<u32>),
    /// Over Z_2^64.
    Z64(ModelShare<u64>),
}

/// A party's shares of a query's inputs, in the plan's order and ring.
pub enum InputShare {
    /// Over Z_2^32.
    Z32(Vec<ReplicatedShare<u32>>),
    /// Over Z_2^64.
    Z64(Vec<ReplicatedShare<u64>>),
}

/// A party's part x = m - r of one revealed output: m from an evaluator, r from the dealer. Wiped when dropped.
pub struct OutputShare {
    /// Little-endian ring elements.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// What a session gives one party.
pub struct Report {
    /// This party's part of each output, in the plan's order.
    pub outputs: Vec<OutputShare>,
    /// What the session cost this party.
    pub meter: Meter,
}

/// Runs one party's side of a session, on the calling thread, to its end.
///
/// `secrets` and `links` lead to the two peers. The keys are derived from everything in `spec`, so parties that disagree on any
/// of it compute noise; they are expected to have compared notes before.
///
/// # Errors
/// [`EngineError`] says whether the client, a peer, the deadline or this program is at fault. The session cannot be resumed.
pub fn run(
    spec: &SessionSpec,
    secrets: [(PartyId, PairSecret); 2],
    links: Links,
    model: &Model,
    input: InputShare,
) -> Result<Report, EngineError> {
    match (model, input) {
        (Model::Z32(model), InputShare::Z32(inputs)) => run_over(spec, secrets, links, model, inputs),
        (Model::Z64(model), InputShare::Z64(inputs)) => run_over(spec, secrets, links, model, inputs),
        _ => Err(OTHER_RING),
    }
}

/// Shares that were made for a plan of another ring.
pub(crate) const OTHER_RING: EngineError = EngineError::InputKind {
    detail: "they are over another ring",
};

fn run_over<R: Ring>(
    spec: &SessionSpec,
    secrets: [(PartyId, PairSecret); 2],
    links: Links,
    model: &ModelShare<R>,
    inputs: Vec<ReplicatedShare<R>>,
) -> Result<Report, EngineError> {
    check_model(spec, model)?;
    check_inputs(spec, &inputs)?;
    let (masks, masked) = match spec.roles.role(spec.me) {
        Role::Dealer => {
            let masks = inputs.into_iter().map(|input| dealer_view(input, spec.roles));
            (masks.collect(), Vec::new())
        }
        Role::Evaluator0 | Role::Evaluator1 => evaluator_views(inputs, spec.roles)
            .into_iter()
            .map(|input| (input.mask, input.masked))
            .unzip(),
    };
    let ready = Ready::begin(spec, secrets, links, model, InputMasks::Shared(masks))?;
    ready.finish(spec, model, Inputs::Masked(masked))
}

/// Checks what the caller gave against the plan.
pub(crate) fn check_model<R: Ring>(spec: &SessionSpec, model: &ModelShare<R>) -> Result<(), EngineError> {
    if spec.plan.ring() != R::KIND || model.party() != spec.me || !model.belongs_to(&spec.plan) {
        return Err(EngineError::Misuse(
            "the model is not that of the session's plan and party",
        ));
    }
    if spec.batch == 0 || spec.batch > limits::BATCH_MAX {
        return Err(EngineError::Misuse(
            "the batch was not checked before the session began",
        ));
    }
    Ok(())
}

/// Checks what the client gave against the plan.
pub(crate) fn check_inputs<R: Ring>(spec: &SessionSpec, inputs: &[ReplicatedShare<R>]) -> Result<(), EngineError> {
    if inputs.len() != spec.plan.inputs.len() {
        return Err(EngineError::InputKind {
            detail: "their number is another one",
        });
    }
    for (declared, share) in spec.plan.inputs.iter().zip(inputs) {
        if share.party != spec.me {
            return Err(EngineError::InputKind {
                detail: "they were made for another party",
            });
        }
        let per_sample: usize = declared.shape.iter().map(|&size| size as usize).product();
        let expected = spec.batch as usize * per_sample;
        if let Some(component) = share.components.iter().find(|component| component.len() != expected) {
            let found = component.len();
            return Err(EngineError::InputLength {
                input: declared.name.clone(),
                expected,
                found,
            });
        }
    }
    Ok(())
}

/// The whole mask of an input, at the dealer.
pub(crate) fn dealer_view<R: Ring>(input: ReplicatedShare<R>, roles: Roles) -> Secret<R> {
    let MaskedView::Dealer {
        masks: [mut mask, second],
    } = input.view(roles)
    else {
        unreachable!("the dealer's view is one of masks")
    };
    vector::add_assign(&mut mask, &second);
    mask
}

/// The masked inputs, at an evaluator.
pub(crate) fn evaluator_views<R: Ring>(inputs: Vec<ReplicatedShare<R>>, roles: Roles) -> Vec<EvaluatorInput<R>> {
    let view = |input: ReplicatedShare<R>| match input.view(roles) {
        MaskedView::Evaluator { masked, mask } => EvaluatorInput { masked, mask },
        MaskedView::Dealer { .. } => unreachable!("an evaluator's view is one of a masked value"),
    };
    inputs.into_iter().map(view).collect()
}
