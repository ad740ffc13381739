//! Every message between the actors of a node: who sends it, and what it is answered with.

use std::sync::Arc;
use std::time::Instant;

use actix::Message;
use tercet_ids::{PartyId, PlanDigest, QueryId, SessionId};
use tercet_net::{Connection, Stream};
use tercet_wire::{Done, Failure, Hello, LinkStatus, Load, Model, ModelName, Offer, Run};
use tokio::sync::oneshot;

use crate::failure::SessionError;
use crate::parameters::ServedModel;
use crate::prepared::Prepared;

/// Listener and dialers to `Peers`: a connection to a peer stands.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PeerConnected {
    /// Which peer.
    pub party: PartyId,
    /// The connection.
    pub connection: Connection,
}

/// `Peers`' watchers to `Peers`: a connection is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PeerLost {
    /// Which peer.
    pub party: PartyId,
    /// Which connection; a newer one may stand already.
    pub connection: usize,
}

/// A stream that a peer opened for a session.
pub struct Incoming {
    /// The stream, past the peer's greeting.
    pub stream: Stream,
    /// The peer's greeting.
    pub hello: Hello,
    /// The connection it came on: session keys must be of the same one.
    pub connection: Connection,
}

/// `Peers`' stream readers to `Peers`: a peer greeted for a session.
#[derive(Message)]
#[rtype(result = "()")]
pub struct StreamArrived {
    /// Which peer.
    pub party: PartyId,
    /// What arrived.
    pub incoming: Incoming,
}

/// `Session` to `Peers`: the connection to a peer.
#[derive(Message)]
#[rtype(result = "Result<Connection, SessionError>")]
pub struct Reach(pub PartyId);

/// `Session` to `Peers`: the stream that a peer opens for a session, now or as soon as it arrives. The receiver fails if the
/// peer is lost or too late.
#[derive(Message)]
#[rtype(result = "Result<oneshot::Receiver<Incoming>, SessionError>")]
pub struct AwaitStream {
    /// Which peer.
    pub party: PartyId,
    /// Which session.
    pub session: SessionId,
}

/// `Sessions` to `Peers`: a session is over, nothing of it is waited for.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ForgetSession(pub SessionId);

/// `Control` to `Peers`: the state of both connections.
#[derive(Message)]
#[rtype(result = "[LinkStatus; 2]")]
pub struct LinkStates;

/// `Peers`' listener to `Control`: the coordinator connected.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CoordinatorConnected(pub Connection);

/// `Control` and `Session` to `Models`: a model that is served.
#[derive(Message)]
#[rtype(result = "Option<Arc<ServedModel>>")]
pub struct FindModel(pub ModelName);

/// `Control` to `Models`: all models that are served, and whether all stored ones are loaded.
#[derive(Message)]
#[rtype(result = "(Vec<Offer>, bool)")]
pub struct ListModels;

/// `Control` to `Models`: check, store and hold back.
#[derive(Message)]
#[rtype(result = "Result<PlanDigest, Failure>")]
pub struct LoadModel(pub Load);

/// `Control` to `Models`: serve what was loaded.
#[derive(Message)]
#[rtype(result = "Result<Model, Failure>")]
pub struct ActivateModel(pub QueryId);

/// `Control` to `Models`: forget what was loaded.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DiscardModel(pub QueryId);

/// How a session ends.
pub type SessionResult = Result<Done, Failure>;

/// `Control` to `Sessions`: run a session. The receiver gets how it ends.
#[derive(Message)]
#[rtype(result = "Result<oneshot::Receiver<SessionResult>, Failure>")]
pub struct BeginSession {
    /// What to run.
    pub run: Run,
    /// When the request arrived: its deadline counts from there.
    pub received: Instant,
    /// The half of it that was done before.
    pub prepared: Option<Box<Prepared>>,
}

/// `Control` to `Sessions`: may a session be prepared? It is remembered: none begins twice.
#[derive(Message)]
#[rtype(result = "Result<(), Failure>")]
pub struct AdmitPreparation(pub SessionId);

/// `Control` to `Sessions`: stop a session, if it runs.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CancelSession(pub SessionId);

/// `Control` to `Sessions`: how many sessions there are, and whether the node is being stopped.
#[derive(Message)]
#[rtype(result = "(usize, bool)")]
pub struct CountSessions;

/// `Session` to `Sessions`: it is over.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SessionEnded(pub SessionId);

/// `Sessions` to `Session`: give up.
#[derive(Message)]
#[rtype(result = "()")]
pub struct GiveUp;

/// `Node` to `Sessions`: take no more sessions. The receiver hears when none is left.
#[derive(Message)]
#[rtype(result = "oneshot::Receiver<()>")]
pub struct Drain;

/// `Node` to `Sessions`: cancel all sessions.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CancelAll;
