//! A model on its way to the three parties. Pure: randomness is an argument.

use rand::CryptoRng;
use tercet_ids::{PartyId, QueryId};
use tercet_plan::{Parameters, Plan};
use tercet_sharing::{EnvelopeContext, ModelEnvelope, Purpose, SealingPublicKey, seal};
use tercet_wire::{Deploy, ModelName, Opaque};

use crate::error::ClientError;
use crate::query::share_tensors;

/// Shares the parameters with fresh randomness and seals each party's part to it.
pub(crate) fn seal_model(
    name: &ModelName,
    plan: &Plan,
    parameters: &Parameters,
    sealing_keys: &[SealingPublicKey; 3],
    rng: &mut impl CryptoRng,
) -> Result<Deploy, ClientError> {
    let mut deployment = QueryId([0; 16]);
    rng.fill_bytes(&mut deployment.0);
    let digest = plan.digest();
    let mut envelopes = [(); 3].map(|()| Opaque::from(Vec::new()));
    for (party, parameters) in PartyId::ALL
        .into_iter()
        .zip(share_tensors(plan.ring(), parameters, rng))
    {
        let context = EnvelopeContext {
            purpose: Purpose::Model,
            query: deployment,
            digest,
            party,
        };
        let contents = ModelEnvelope { parameters }.to_bytes();
        let sealed = seal(&sealing_keys[party.index()], &context, &contents, rng);
        envelopes[party.index()] = sealed.map_err(|error| ClientError::Seal { party, error })?.into();
    }
    Ok(Deploy {
        deployment,
        name: name.clone(),
        plan: plan.to_bytes().into(),
        envelopes,
    })
}
