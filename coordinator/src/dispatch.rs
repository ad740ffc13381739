//! Sessions on their way to the three nodes, and what the nodes say of them.

use std::time::{Duration, Instant};

use actix::Addr;
use tercet_ids::{PartyId, Roles, SessionId};
use tercet_wire::{
    CONTROL_MESSAGE_BYTES_MAX, Infer, Model, NodeReply, NodeRequest, Opaque, Phase, QUERY_BYTES_MAX, QueryPart, Run,
};

use crate::call::{CallError, call};
use crate::limits::{CANCEL_TIME_MAX, LAST_WORD_TIME_MAX};
use crate::messages::{PartyEnded, PreparedFailed};
use crate::pool::Ready;
use crate::prepared::{Kept, run};
use crate::queries::Queries;
use crate::snapshot::Snapshot;
use crate::table::Turn;

/// What is to be run, beside the queries.
pub struct Order {
    /// Which session, for the table.
    pub turn: Turn,
    /// Which session, for the nodes.
    pub session: SessionId,
    /// The model of all its queries.
    pub model: Model,
    /// Who deals and who evaluates.
    pub roles: Roles,
    /// Until the last of its queries gives up.
    pub left: Duration,
    /// Bytes of one party's results.
    pub reply_bytes_max: usize,
}

/// Tells each party to run a session with its own envelopes, and `queries` how each has ended it.
pub fn dispatch(order: &Order, infers: Vec<Infer>, snapshot: &Snapshot, queries: &Addr<Queries>) {
    let count = infers.len();
    for (party, parts) in PartyId::ALL.into_iter().zip(parts(infers)) {
        let run = Run {
            session: order.session,
            model: order.model.clone(),
            roles: order.roles,
            deadline_ms: order.left.as_millis() as u64,
            queries: parts,
        };
        let (connection, queries, turn) = (snapshot.connection(party), queries.clone(), order.turn);
        let reply_bytes_max = order.reply_bytes_max + CONTROL_MESSAGE_BYTES_MAX + count * QUERY_BYTES_MAX;
        let time = order.left + LAST_WORD_TIME_MAX;
        actix::spawn(async move {
            let result = match call(party, connection, NodeRequest::Run(run), reply_bytes_max, time).await {
                Ok(NodeReply::Done(done)) if done.results.len() == count => Ok(done),
                Ok(_) => Err(CallError::Unexpected(party).failure(Phase::Compute)),
                Err(error) => Err(error.failure(Phase::Compute)),
            };
            // Fails only if the coordinator is being stopped.
            let _ = queries.send(PartyEnded { turn, party, result }).await;
        });
    }
}

/// Runs a prepared session on its query, and tells `queries` how each party has ended it, or that it did not serve.
pub fn dispatch_prepared(order: &Order, ready: Ready<Kept>, infer: Infer, expires: Instant, queries: &Addr<Queries>) {
    let (queries, turn, left) = (queries.clone(), order.turn, order.left);
    let reply_bytes_max = order.reply_bytes_max + CONTROL_MESSAGE_BYTES_MAX + QUERY_BYTES_MAX;
    actix::spawn(async move {
        // Fails only if the coordinator is being stopped, here and below.
        match run(ready, infer.clone(), left, reply_bytes_max).await {
            Ok(done) => {
                for (party, done) in PartyId::ALL.into_iter().zip(done) {
                    let result = Ok(done);
                    let _ = queries.send(PartyEnded { turn, party, result }).await;
                }
            }
            Err(failure) => {
                let failed = PreparedFailed {
                    turn,
                    failure,
                    infer,
                    expires,
                };
                let _ = queries.send(failed).await;
            }
        }
    });
}

/// What each party gets of the queries, by party index.
pub fn parts(infers: Vec<Infer>) -> [Vec<QueryPart>; 3] {
    let mut parts = [const { Vec::new() }; 3];
    for infer in infers {
        let (query, batch) = (infer.query, infer.batch);
        let part = |envelope: Opaque| QueryPart { query, batch, envelope };
        for (parts, envelope) in parts.iter_mut().zip(infer.envelopes) {
            parts.push(part(envelope));
        }
    }
    parts
}

/// Tells all three parties to stop a session.
pub fn stop(session: SessionId, snapshot: &Snapshot) {
    for party in PartyId::ALL {
        let cancel = NodeRequest::Cancel { session };
        let connection = snapshot.connection(party);
        actix::spawn(async move {
            // A party that can't be told ends the session at its deadline.
            let _ = call(party, connection, cancel, CONTROL_MESSAGE_BYTES_MAX, CANCEL_TIME_MAX).await;
        });
    }
}
