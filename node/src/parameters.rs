//! A model as a node serves it, and how it comes out of its envelope.

use std::sync::Arc;

use tercet_engine::{Model as Parameters, ModelFault, ModelShare};
use tercet_ids::{PartyId, PlanDigest};
use tercet_plan::{Plan, PlanError};
use tercet_ring::Ring;
use tercet_sharing::replicated::{PartyShare, WrongShareLength};
use tercet_sharing::{EnvelopeContext, EnvelopeError, ModelEnvelope, Purpose, SealingKeyPair, Shares, open};
use tercet_telemetry::PlanFacts;
use tercet_wire::{Failure, Fault, Load, Model, Opaque, Phase};

use crate::limits::SESSION_MEMORY_BYTES_MAX;
use crate::storage::StorageError;

/// A model that can be run.
pub struct ServedModel {
    /// Its name, plan and deployment.
    pub model: Model,
    /// The plan, validated.
    pub plan: Arc<Plan>,
    /// The plan as it was deployed.
    pub plan_bytes: Opaque,
    /// Most samples of one session.
    pub batch_max: u32,
    /// This party's components of the parameters.
    pub parameters: Parameters,
}

impl ServedModel {
    /// What the plan declares, for the metrics.
    pub fn facts(&self) -> PlanFacts {
        let cost = self.plan.cost(1).total();
        PlanFacts {
            digest: self.model.digest,
            ring_bits: self.plan.ring_bits,
            rounds: u64::from(cost.rounds),
            online_bytes: cost.e0_to_e1 + cost.e1_to_e0,
            dealt_bytes: cost.dealt,
        }
    }
}

/// A model that can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The plan is broken.
    #[error("{party} can't use the plan: {error}")]
    Plan {
        /// This party.
        party: PartyId,
        /// What is wrong with it.
        error: PlanError,
    },
    /// The envelope is too large.
    #[error(
        "a sealed model of {bytes} bytes is over the limit of {most} at {party}: have limits.model_bytes raised, or deploy a smaller one"
    )]
    TooLarge {
        /// This party.
        party: PartyId,
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// Not even one sample fits.
    #[error(
        "one sample needs {bytes} bytes of memory where {party} allows a session {SESSION_MEMORY_BYTES_MAX}: deploy a smaller model"
    )]
    Memory {
        /// This party.
        party: PartyId,
        /// What it needs.
        bytes: u64,
    },
    /// Too many models.
    #[error("{party} serves {most} models, as many as it can: deploy under the name of one that is no longer needed")]
    TooMany {
        /// This party.
        party: PartyId,
        /// As many as it can.
        most: usize,
    },
    /// The envelope does not open.
    #[error(
        "{party} can't open its envelope ({error}): seal the model again, to the sealing keys that the parties have now"
    )]
    Envelope {
        /// This party.
        party: PartyId,
        /// Why.
        error: EnvelopeError,
    },
    /// The envelope holds other shares than the plan calls for.
    #[error("the shares for {party} are not those of the plan's parameters ({error}): share the model again")]
    Shares {
        /// This party.
        party: PartyId,
        /// What differs.
        error: ModelFault,
    },
    /// A share has another length than its parameter.
    #[error("the shares for {party} are not those of the plan's parameters ({error}): share the model again")]
    Length {
        /// This party.
        party: PartyId,
        /// What differs.
        error: WrongShareLength,
    },
    /// It can't be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The deployment is unknown.
    #[error("{0} has not loaded that deployment, or has made room for later ones: deploy the model again")]
    NotLoaded(PartyId),
    /// A defect of this program.
    #[error("{0} met a defect of the program while it loaded a model, please report it")]
    Defect(PartyId),
}

impl ModelError {
    /// What the coordinator is told. `me` is this party.
    pub fn failure(&self, me: PartyId) -> Failure {
        let fault = match self {
            ModelError::Plan { .. }
            | ModelError::TooLarge { .. }
            | ModelError::Memory { .. }
            | ModelError::Envelope { .. }
            | ModelError::Shares { .. }
            | ModelError::Length { .. } => Fault::Client,
            ModelError::TooMany { .. } | ModelError::NotLoaded(_) => Fault::Overload,
            ModelError::Storage(_) => Fault::Config,
            ModelError::Defect(_) => Fault::Own,
        };
        Failure::new(fault, Some(me), Phase::Deploy, self)
    }
}

/// What it takes to open a model.
pub struct ModelOpener {
    /// This party.
    pub me: PartyId,
    /// The key its envelopes are sealed to.
    pub sealing_key: Arc<SealingKeyPair>,
    /// Most samples of one session, by configuration.
    pub batch_max: u32,
    /// Largest sealed model.
    pub model_bytes_max: usize,
}

impl ModelOpener {
    /// Opens a model's envelope and checks it against the plan. Takes as long as the model is large.
    ///
    /// # Errors
    /// What is wrong with plan, envelope or shares.
    pub fn open(&self, load: &Load) -> Result<ServedModel, ModelError> {
        let party = self.me;
        let (bytes, most) = (load.envelope.as_slice().len(), self.model_bytes_max);
        if bytes > most {
            return Err(ModelError::TooLarge { party, bytes, most });
        }
        let plan = Plan::from_bytes(load.plan.as_slice()).map_err(|error| ModelError::Plan { party, error })?;
        let batch_max = batch_that_fits(&plan, self.batch_max).map_err(|bytes| ModelError::Memory { party, bytes })?;
        let digest = PlanDigest::of(load.plan.as_slice());
        let context = EnvelopeContext {
            purpose: Purpose::Model,
            query: load.deployment,
            digest,
            party,
        };
        let unusable = |error| ModelError::Envelope { party, error };
        let opened = open(&self.sealing_key, &context, load.envelope.as_slice()).map_err(unusable)?;
        let contents = ModelEnvelope::from_bytes(party, &opened).map_err(unusable)?;
        let parameters = match contents.parameters {
            Shares::Z32(shares) => self.expand(&plan, shares).map(Parameters::Z32)?,
            Shares::Z64(shares) => self.expand(&plan, shares).map(Parameters::Z64)?,
        };
        Ok(ServedModel {
            model: Model {
                name: load.name.clone(),
                digest,
                deployment: load.deployment,
            },
            plan: Arc::new(plan),
            plan_bytes: load.plan.clone(),
            batch_max,
            parameters,
        })
    }

    /// All components in full. The plan says how long each is, so a seed can't ask for more.
    fn expand<R: Ring>(&self, plan: &Plan, shares: Vec<PartyShare<R>>) -> Result<ModelShare<R>, ModelError> {
        let party = self.me;
        let lengths = plan.parameters.iter().map(|parameter| parameter.elements());
        let wrong = |error| ModelError::Length { party, error };
        let expanded: Result<Vec<_>, _> = shares
            .into_iter()
            // A share without a parameter is the engine's to refuse.
            .zip(lengths.chain(std::iter::repeat(0)))
            .map(|(share, length)| share.expand(length).map_err(wrong))
            .collect();
        ModelShare::new(plan, party, expanded?).map_err(|error| ModelError::Shares { party, error })
    }
}

/// The largest batch whose session fits the memory allowed, or what one sample needs if not even that does.
fn batch_that_fits(plan: &Plan, most: u32) -> Result<u32, u64> {
    let fits = |batch: u32| plan.memory(batch).session <= SESSION_MEMORY_BYTES_MAX;
    if !fits(1) {
        return Err(plan.memory(1).session);
    }
    // The estimate grows with the batch, so halving the interval finds the border.
    let (mut fitting, mut above) = (1, most.saturating_add(1));
    while above - fitting > 1 {
        let middle = fitting + (above - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            above = middle;
        }
    }
    Ok(fitting)
}
