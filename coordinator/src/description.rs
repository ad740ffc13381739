//! What a client has to know of a model before it can encode its input.

use tercet_ids::{PartyId, PlanDigest};
use tercet_wire::{Described, Failure, Fault, ModelName, NodeReply, NodeRequest, Phase};

use crate::call::{CallError, call};
use crate::catalogue::find;
use crate::limits::{DESCRIBE_TIME_MAX, PLAN_AND_FRAME_BYTES_MAX};
use crate::snapshot::Snapshot;

/// The model's plan, and the largest batch that all three parties take.
///
/// # Errors
/// The model can't be queried, or a party does not describe it.
pub async fn describe(name: ModelName, snapshot: &Snapshot) -> Result<Described, Failure> {
    let offer = find(&snapshot.holdings(), &name).map_err(|unserved| unserved.failure())?;
    let model = offer.model;
    let ask = |party| {
        let request = NodeRequest::Describe { model: name.clone() };
        call(
            party,
            snapshot.connection(party),
            request,
            PLAN_AND_FRAME_BYTES_MAX,
            DESCRIBE_TIME_MAX,
        )
    };
    let [a, b, c] = PartyId::ALL.map(ask);
    let (a, b, c) = tokio::join!(a, b, c);
    let mut described: Option<Described> = None;
    for (party, reply) in PartyId::ALL.into_iter().zip([a, b, c]) {
        match reply.map_err(|error| error.failure(Phase::Admission))? {
            NodeReply::Described {
                model: theirs,
                plan,
                batch_max,
            } => {
                if theirs != model || PlanDigest::of(plan.as_slice()) != model.digest {
                    let sentence = format_args!("{party} describes another model as {name}: deploy it again");
                    return Err(Failure::new(Fault::Config, Some(party), Phase::Admission, sentence));
                }
                let least = described
                    .as_ref()
                    .map_or(batch_max, |described| described.batch_max.min(batch_max));
                described = Some(Described {
                    model: theirs,
                    plan,
                    batch_max: least,
                });
            }
            _ => return Err(CallError::Unexpected(party).failure(Phase::Admission)),
        }
    }
    described.ok_or_else(|| CallError::NotConnected(PartyId::ClientProxy).failure(Phase::Admission))
}
