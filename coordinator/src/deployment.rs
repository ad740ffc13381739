//! Giving the three parties a model: all of them serve it, or none does.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use tercet_ids::{PartyId, PlanDigest};
use tercet_plan::Plan;
use tercet_wire::{
    CONTROL_MESSAGE_BYTES_MAX, Deploy, Failure, Fault, Load, Model, NodeReply, NodeRequest, Opaque, Phase,
};
use tokio::sync::watch;

use crate::call::{CallError, call};
use crate::limits::{ACTIVATE_TIME_MAX, LOAD_TIME_MAX};
use crate::messages::AskNodes;
use crate::nodes::Nodes;
use crate::snapshot::Snapshot;

/// Deploys a model in two phases: every party loads and stores it; once all have, every party serves it.
///
/// A party that is lost between the two leaves the parties with different models; queries then name it until the model is
/// deployed again.
///
/// # Errors
/// What is wrong with the plan, or which party could not load it. Then all serve what they served before.
pub async fn deploy(
    deploy: Deploy,
    nodes: &Addr<Nodes>,
    watched: &watch::Receiver<Arc<Snapshot>>,
) -> Result<Model, Failure> {
    let plan = deploy.plan.as_slice();
    Plan::from_bytes(plan).map_err(|error| Failure::new(Fault::Client, None, Phase::Deploy, error))?;
    let digest = PlanDigest::of(plan);
    let snapshot = watched.borrow().clone();
    if let Some(reason) = snapshot.unready() {
        let sentence =
            format!("{reason}: a model is deployed to all three parties or to none, so try again when it is ready");
        return Err(Failure::new(Fault::Peer, None, Phase::Deploy, sentence));
    }
    let Deploy {
        deployment,
        name,
        plan,
        envelopes,
    } = deploy;

    let mut envelopes = envelopes.map(Some);
    let load = |party: PartyId| {
        let envelope = envelopes[party.index()]
            .take()
            .unwrap_or_else(|| Opaque::from(Vec::new()));
        NodeRequest::Load(Load {
            deployment,
            name: name.clone(),
            plan: plan.clone(),
            envelope,
        })
    };
    let loaded = |party: PartyId, reply: NodeReply| match reply {
        NodeReply::Loaded { digest: theirs } if theirs == digest => Ok(()),
        _ => Err(CallError::Unexpected(party)),
    };
    if let Err(failure) = ask_all(&snapshot, LOAD_TIME_MAX, load, loaded).await {
        let discarded = |party: PartyId, reply: NodeReply| match reply {
            NodeReply::Discarded => Ok(()),
            _ => Err(CallError::Unexpected(party)),
        };
        // A party that can't be told forgets it with its next start.
        let _ = ask_all(
            &snapshot,
            ACTIVATE_TIME_MAX,
            |_| NodeRequest::Discard { deployment },
            discarded,
        )
        .await;
        return Err(failure);
    }

    let model = Model {
        name,
        digest,
        deployment,
    };
    let activated = |party: PartyId, reply: NodeReply| match reply {
        NodeReply::Activated(theirs) if theirs == model => Ok(()),
        _ => Err(CallError::Unexpected(party)),
    };
    let served = ask_all(
        &snapshot,
        ACTIVATE_TIME_MAX,
        |_| NodeRequest::Activate { deployment },
        activated,
    )
    .await;
    // Whoever is told that the model is served finds it from now on.
    let _ = nodes.send(AskNodes).await;
    served?;
    tracing::info!(model = %model.name, digest = model.digest.short(), "deployed");
    Ok(model)
}

/// Asks all three parties at once. The failure is that of the first party that has one.
async fn ask_all(
    snapshot: &Snapshot,
    time: Duration,
    mut request: impl FnMut(PartyId) -> NodeRequest,
    check: impl Fn(PartyId, NodeReply) -> Result<(), CallError>,
) -> Result<(), Failure> {
    let mut ask = |party| {
        call(
            party,
            snapshot.connection(party),
            request(party),
            CONTROL_MESSAGE_BYTES_MAX,
            time,
        )
    };
    let [a, b, c] = PartyId::ALL.map(&mut ask);
    let (a, b, c) = tokio::join!(a, b, c);
    for (party, reply) in PartyId::ALL.into_iter().zip([a, b, c]) {
        let checked = reply.and_then(|reply| check(party, reply));
        checked.map_err(|error| error.failure(Phase::Deploy))?;
    }
    Ok(())
}
