use std::time::Instant;

use tercet_ids::{PartyId, Role};
use tercet_ring::Ring;
use tercet_sharing::replicated::ReplicatedShare;

use crate::absorbed::absorb;
use crate::error::EngineError;
use crate::keys::PairSecret;
use crate::link::Links;
use crate::model::ModelShare;
use crate::program::InputMasks;
use crate::ready::{Inputs, Ready};
use crate::session::{InputShare, Model, OTHER_RING, Report, SessionSpec, check_inputs, check_model, evaluator_views};

/// One party's side of a session that was begun before there was a query, and waits for one.
///
/// The dealer has dealt all there is; evaluator 1 holds it in memory; both evaluators have their masks and brackets. What is left is the online
/// phase, one round longer than that of a session begun with its query: the inputs have to come under masks that were drawn without them.
/// It serves one query: running it consumes it. Wiped when dropped.
pub struct PreparedSession {
    spec: SessionSpec,
    ready: ReadyOver,
}

/// By the ring of the plan.
enum ReadyOver {
    Z32(Ready<u32>),
    Z64(Ready<u64>),
}

/// Runs the part of a session that needs no input, on the calling thread.
///
/// All is as with [`crate::run`], which a session begins with its query; all three parties have to prepare, or none.
/// Evaluator 1 holds as many bytes as the plan declares to be dealt.
///
/// # Errors
/// Those of [`crate::run`], but for the client's.
pub fn prepare(
    spec: SessionSpec,
    secrets: [(PartyId, PairSecret); 2],
    links: Links,
    model: &Model,
) -> Result<PreparedSession, EngineError> {
    let ready = match model {
        Model::Z32(model) => ReadyOver::Z32(prepare_over(&spec, secrets, links, model)?),
        Model::Z64(model) => ReadyOver::Z64(prepare_over(&spec, secrets, links, model)?),
    };
    Ok(PreparedSession { spec, ready })
}

fn prepare_over<R: Ring>(
    spec: &SessionSpec,
    secrets: [(PartyId, PairSecret); 2],
    mut links: Links,
    model: &ModelShare<R>,
) -> Result<Ready<R>, EngineError> {
    check_model(spec, model)?;
    if spec.roles.role(spec.me) == Role::Evaluator1 {
        let dealt: Vec<u64> = spec.plan.cost(spec.batch).steps.iter().map(|step| step.dealt).collect();
        let dealer = spec.roles.party(Role::Dealer);
        links = links.try_replace(dealer, |link| absorb(link, dealer, &dealt))?;
    }
    Ready::begin(spec, secrets, links, model, InputMasks::Drawn)
}

impl PreparedSession {
    /// Runs the rest of the session on a query's input. `deadline` takes the place of the one it was prepared under; the caller extends
    /// that of the links.
    ///
    /// # Errors
    /// Those of [`crate::run`]. The session is gone in any case.
    pub fn run(self, model: &Model, input: InputShare, deadline: Instant) -> Result<Report, EngineError> {
        let spec = SessionSpec { deadline, ..self.spec };
        match (self.ready, model, input) {
            (ReadyOver::Z32(ready), Model::Z32(model), InputShare::Z32(inputs)) => finish(ready, &spec, model, inputs),
            (ReadyOver::Z64(ready), Model::Z64(model), InputShare::Z64(inputs)) => finish(ready, &spec, model, inputs),
            _ => Err(OTHER_RING),
        }
    }
}

fn finish<R: Ring>(
    ready: Ready<R>,
    spec: &SessionSpec,
    model: &ModelShare<R>,
    inputs: Vec<ReplicatedShare<R>>,
) -> Result<Report, EngineError> {
    check_model(spec, model)?;
    check_inputs(spec, &inputs)?;
    let inputs = match spec.roles.role(spec.me) {
        // It has dealt for masks of the session's own, and has no use for the client's.
        Role::Dealer => Inputs::Masked(Vec::new()),
        Role::Evaluator0 | Role::Evaluator1 => Inputs::Shared(evaluator_views(inputs, spec.roles)),
    };
    ready.finish(spec, model, inputs)
}

/// A session waits without a thread, and goes on on another one.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<PreparedSession>();
};
