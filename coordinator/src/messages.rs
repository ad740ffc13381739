//! Every message between the actors of the coordinator: who sends it, and what it is answered with.

use std::sync::Arc;
use std::time::Instant;

use actix::{Message, MessageResponse};
use tercet_ids::{PartyId, SessionId};
use tercet_net::Connection;
use tercet_wire::{Answer, Done, Failure, Infer, PreparedSessions};
use tokio::sync::oneshot;

use crate::prepared::Kept;
use crate::table::{Ticket, Turn};

/// A dialer to `Nodes`: a connection to a node stands.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NodeConnected {
    /// Which.
    pub party: PartyId,
    /// The connection.
    pub connection: Connection,
}

/// A dialer to `Nodes`: the connection to a node is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NodeLost(pub PartyId);

/// Deployments to `Nodes`: ask all nodes how they are, since their models have changed. Answered when all have said so or
/// their time has passed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AskNodes;

/// The listener to `Clients`: a client connected.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ClientConnected(pub Connection);

/// `Clients`' request readers to `Queries`: a query.
#[derive(Message)]
#[rtype(result = "Result<Submitted, Failure>")]
pub struct Submit {
    /// Who asks.
    pub client: Arc<str>,
    /// What is asked.
    pub infer: Infer,
    /// When it arrived: its deadline counts from there.
    pub received: Instant,
}

/// A query that was taken.
pub struct Submitted {
    /// Which.
    pub ticket: Ticket,
    /// How it ends.
    pub result: oneshot::Receiver<Result<Box<Answer>, Failure>>,
}

/// `Clients`' request readers to `Queries`: the client no longer waits.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ClientLeft(pub Ticket);

/// `Queries`' runs to `Queries`: a party ended a session.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PartyEnded {
    /// Which session.
    pub turn: Turn,
    /// Which party.
    pub party: PartyId,
    /// With what.
    pub result: Result<Done, Failure>,
}

/// `Queries`' preparations to `Queries`: what came of one.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SessionPrepared {
    /// Which session.
    pub session: SessionId,
    /// What it is to be run on.
    pub result: Result<Kept, Failure>,
}

/// `Queries`' runs to `Queries`: a prepared session did not serve its query.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PreparedFailed {
    /// Which session.
    pub turn: Turn,
    /// Why.
    pub failure: Failure,
    /// What the client asked.
    pub infer: Infer,
    /// When the client gives up.
    pub expires: Instant,
}

/// `Nodes`' watcher to `Queries`: so many sessions may run at once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Concurrency(pub usize);

/// `Clients`' request readers to `Queries`: how much waits and runs.
#[derive(Message)]
#[rtype(result = "Load")]
pub struct CountQueries;

/// How much waits and runs.
#[derive(Debug, MessageResponse)]
pub struct Load {
    /// Queries that wait.
    pub waiting: usize,
    /// Queries that run.
    pub running: usize,
    /// Sessions that are prepared.
    pub prepared: Vec<PreparedSessions>,
}

/// The supervisor to `Queries`: take no more. The receiver hears when none is left.
#[derive(Message)]
#[rtype(result = "oneshot::Receiver<()>")]
pub struct Drain;
