//! Whether a query is taken. Pure.

use tercet_config::CoordinatorLimits;
use tercet_ids::PartyId;
use tercet_wire::{Failure, Fault, Infer, ModelName, Offer, Phase};

use crate::catalogue::{Holdings, Unserved, find};
use crate::table::QueueFull;

/// Why a query is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The coordinator is being stopped.
    #[error("the coordinator is being stopped: ask again when it is back")]
    Stopping,
    /// The model can't be queried.
    #[error(transparent)]
    Unserved(#[from] Unserved),
    /// The client encoded its input for another plan.
    #[error("the model {0} was deployed anew since its description was read: read it again")]
    OldPlan(ModelName),
    /// Nothing to compute, or no time to compute it.
    #[error("a query needs at least one sample and one millisecond: set batch and deadline")]
    Empty,
    /// More samples than a session takes.
    #[error("a batch of {batch} is over the {most} samples that the parties take for this model: split it")]
    Batch {
        /// Samples asked for.
        batch: u32,
        /// Samples allowed.
        most: u32,
    },
    /// An envelope is too large.
    #[error(
        "the envelope for {party} has {bytes} bytes where {most} are allowed: split the batch, or have limits.envelope_bytes raised"
    )]
    EnvelopeBytes {
        /// Whose envelope.
        party: PartyId,
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The client has too many queries.
    #[error("this client has {most} queries waiting or running, as many as it may: wait for one of them")]
    ClientQueries {
        /// As many as it may have.
        most: usize,
    },
    /// Too many queries.
    #[error(transparent)]
    QueueFull(#[from] QueueFull),
}

impl Refusal {
    /// What the client is told.
    pub fn failure(&self) -> Failure {
        let fault = match self {
            Refusal::Unserved(unserved) => return unserved.failure(),
            Refusal::Stopping | Refusal::ClientQueries { .. } | Refusal::QueueFull(_) => Fault::Overload,
            Refusal::OldPlan(_) | Refusal::Empty | Refusal::Batch { .. } | Refusal::EnvelopeBytes { .. } => {
                Fault::Client
            }
        };
        Failure::new(fault, None, Phase::Admission, self)
    }
}

/// The model that a query is for, if it can be run, with the batch that all three parties take.
///
/// # Errors
/// The first reason why not.
pub fn admit(holdings: &Holdings<'_>, infer: &Infer, limits: &CoordinatorLimits) -> Result<Offer, Refusal> {
    let offer = find(holdings, &infer.model)?;
    if offer.model.digest != infer.digest {
        return Err(Refusal::OldPlan(offer.model.name));
    }
    if infer.batch == 0 || infer.deadline_ms == 0 {
        return Err(Refusal::Empty);
    }
    if infer.batch > offer.batch_max {
        return Err(Refusal::Batch {
            batch: infer.batch,
            most: offer.batch_max,
        });
    }
    let most = limits.envelope_bytes;
    for (party, envelope) in PartyId::ALL.into_iter().zip(&infer.envelopes) {
        let bytes = envelope.as_slice().len();
        if bytes > most {
            return Err(Refusal::EnvelopeBytes { party, bytes, most });
        }
    }
    Ok(offer)
}

#[cfg(test)]
mod tests {
    use tercet_ids::{PlanDigest, QueryId};
    use tercet_wire::{Model, Opaque};

    use super::*;

    const LIMITS: CoordinatorLimits = CoordinatorLimits {
        sessions: 1,
        connections: 1,
        client_queries: 1,
        model_bytes: 1,
        envelope_bytes: 10,
    };

    fn offer() -> Offer {
        let name = "a".parse().expect("a plain name");
        let model = Model {
            name,
            digest: PlanDigest([1; 32]),
            deployment: QueryId([2; 16]),
        };
        Offer { model, batch_max: 4 }
    }

    fn infer() -> Infer {
        Infer {
            query: QueryId([3; 16]),
            model: offer().model.name,
            digest: offer().model.digest,
            batch: 1,
            deadline_ms: 1,
            envelopes: [vec![0; 10], vec![0; 10], vec![0; 10]].map(Opaque::from),
        }
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let held = [offer()];
        let holdings: Holdings<'_> = [Some(&held), Some(&held), Some(&held)];
        let check = |change: fn(&mut Infer), expected: Result<Offer, Refusal>| {
            let mut infer = infer();
            change(&mut infer);
            assert_eq!(admit(&holdings, &infer, &LIMITS), expected);
        };
        let name = |text: &str| text.parse::<ModelName>().expect("plain");
        check(|_| {}, Ok(offer()));
        check(|infer| infer.batch = 4, Ok(offer()));
        check(|infer| infer.batch = 5, Err(Refusal::Batch { batch: 5, most: 4 }));
        check(|infer| infer.digest.0[0] = 9, Err(Refusal::OldPlan(name("a"))));
        check(|infer| infer.batch = 0, Err(Refusal::Empty));
        check(|infer| infer.deadline_ms = 0, Err(Refusal::Empty));
        check(
            |infer| infer.envelopes[1] = Opaque::from(vec![0; 11]),
            Err(Refusal::EnvelopeBytes {
                party: PartyId::Cloud,
                bytes: 11,
                most: 10,
            }),
        );
        check(
            |infer| infer.model = "b".parse().expect("plain"),
            Err(Refusal::Unserved(Unserved::Unknown(name("b")))),
        );
        let away: Holdings<'_> = [Some(&held), None, Some(&held)];
        let unreachable = admit(&away, &infer(), &LIMITS).expect_err("cloud is away");
        assert_eq!(unreachable.failure().party, Some(PartyId::Cloud));
        assert_eq!(unreachable.failure().fault, Fault::Peer);
    }
}
