use std::sync::Arc;
use std::time::Instant;

use tercet_ids::{Nonce, PartyId, PlanDigest, Role, Roles, SessionId};
use tercet_plan::cost::PREPARED_BYTES_MAX;
use tercet_plan::{Plan, limits};
use tercet_ring::{Ring, Secret, to_bytes, vector};
use tercet_sharing::replicated::{MaskedView, ReplicatedShare};
use zeroize::Zeroizing;

use crate::channel::Channel;
use crate::dealer::Dealer;
use crate::error::EngineError;
use crate::evaluator::Evaluator;
use crate::keys::{KeyBinding, PairSecret, SessionKey};
use crate::link::Links;
use crate::meter::Meter;
use crate::model::ModelShare;
use crate::prf::Prf;
use crate::program::{self, EvaluatorInput, Program};

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
        _ => Err(EngineError::InputKind {
            detail: "they are over another ring",
        }),
    }
}

fn run_over<R: Ring>(
    spec: &SessionSpec,
    secrets: [(PartyId, PairSecret); 2],
    links: Links,
    model: &ModelShare<R>,
    inputs: Vec<ReplicatedShare<R>>,
) -> Result<Report, EngineError> {
    check(spec, model, &inputs)?;
    let program = Program {
        plan: &spec.plan,
        model,
        batch: spec.batch as usize,
        me: spec.me,
        roles: spec.roles,
        deadline: spec.deadline,
        prepared_bytes_max: PREPARED_BYTES_MAX,
    };
    let prf = |role: Role| prf(spec, &secrets, spec.roles.party(role));
    let peers = |first: Role, second: Role| {
        let parties = [first, second].map(|role| spec.roles.party(role));
        let [to_first, to_second] = links
            .to(parties[0], parties[1])
            .ok_or(EngineError::Misuse("links lead to other parties"))?;
        Ok([Channel::new(parties[0], to_first), Channel::new(parties[1], to_second)])
    };
    let (outputs, meter) = match spec.roles.role(spec.me) {
        Role::Dealer => {
            // Nothing is said to evaluator 0, but its link stays open: a closed one would look like a lost dealer.
            let [_silent, to_second] = peers(Role::Evaluator0, Role::Evaluator1)?;
            let mut dealer = Dealer::new(prf(Role::Evaluator0)?, prf(Role::Evaluator1)?, to_second);
            program::deal(
                &program,
                &mut dealer,
                inputs.into_iter().map(|input| dealer_view(input, spec.roles)).collect(),
            )?
        }
        Role::Evaluator0 => {
            let [other, _silent] = peers(Role::Evaluator1, Role::Dealer)?;
            let mut evaluator = Evaluator::first(prf(Role::Dealer)?, other);
            program::evaluate(&program, &mut evaluator, evaluator_views(inputs, spec.roles))?
        }
        Role::Evaluator1 => {
            let [other, dealer] = peers(Role::Evaluator0, Role::Dealer)?;
            let mut evaluator = Evaluator::second(prf(Role::Dealer)?, other, dealer);
            program::evaluate(&program, &mut evaluator, evaluator_views(inputs, spec.roles))?
        }
    };
    let outputs = outputs.iter().map(|output| OutputShare {
        bytes: Zeroizing::new(to_bytes(output)),
    });
    Ok(Report {
        outputs: outputs.collect(),
        meter,
    })
}

/// Checks what the client and the caller gave against the plan.
fn check<R: Ring>(spec: &SessionSpec, model: &ModelShare<R>, inputs: &[ReplicatedShare<R>]) -> Result<(), EngineError> {
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

fn prf(spec: &SessionSpec, secrets: &[(PartyId, PairSecret); 2], peer: PartyId) -> Result<Prf, EngineError> {
    let secret = secrets.iter().find(|(party, _)| *party == peer);
    let (_, secret) = secret.ok_or(EngineError::Misuse("pair secrets lead to other parties"))?;
    let binding = KeyBinding {
        session: spec.id,
        digest: spec.digest,
        batch: spec.batch,
        roles: spec.roles,
        nonces: spec.nonces,
    };
    Ok(Prf::new(&SessionKey::derive(secret, &binding)))
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
