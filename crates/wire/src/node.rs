use serde::{Deserialize, Serialize};
use tercet_ids::{PartyId, PlanDigest, QueryId, Roles, SessionId};

use crate::codec::Message;
use crate::failure::Failure;
use crate::model::{Model, ModelName};
use crate::opaque::Opaque;
use crate::report::PartyReport;

/// What the coordinator asks of a node: one request a stream, answered by one [`NodeReply`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum NodeRequest {
    /// How are you? Sent each second.
    Ping,
    /// The plan of a model that the node serves.
    Describe {
        /// Which.
        model: ModelName,
    },
    /// First half of a deployment: check and store, don't serve yet.
    Load(Load),
    /// Second half, once all three have loaded: serve it.
    Activate {
        /// The deployment that was loaded.
        deployment: QueryId,
    },
    /// Instead of `Activate`: forget what was loaded.
    Discard {
        /// The deployment that was loaded.
        deployment: QueryId,
    },
    /// Compute one session. On the stream of a [`NodeRequest::Prepare`] that was answered: that session, on the one query it is for.
    Run(Run),
    /// Stop a session; its `Run` is answered with a failure. No error if there is no such session.
    Cancel {
        /// Which.
        session: SessionId,
    },
    /// Begin one session without a query. The stream stays open after the reply: the session's `Run` comes on it, once; a stream that is
    /// given up discards the session.
    Prepare(Prepare),
}

impl Message for NodeRequest {
    const NAME: &'static str = "control request";
}

/// A party's part of a model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Load {
    /// Drawn by the model's owner; the envelope is bound to it.
    pub deployment: QueryId,
    /// The name to serve it under.
    pub name: ModelName,
    /// The serialised plan.
    pub plan: Opaque,
    /// This party's components of the parameters.
    pub envelope: Opaque,
}

/// Also the form in which a node stores a model.
impl Message for Load {
    const NAME: &'static str = "model";
}

/// A session: queries of one model that are computed together and share its rounds.
///
/// A query whose envelope one party can't use is left out by all three, and the others are computed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Drawn by the coordinator; a node refuses one it has seen.
    pub session: SessionId,
    /// The model; its digest and deployment must be the ones the node serves.
    pub model: Model,
    /// Who deals and who evaluates.
    pub roles: Roles,
    /// Milliseconds left.
    pub deadline_ms: u64,
    /// At least one and at most [`crate::QUERIES_MAX`], in an order that is the same at all parties.
    pub queries: Vec<QueryPart>,
}

impl Run {
    /// Samples of all queries.
    pub fn samples(&self) -> u32 {
        self.queries.iter().fold(0, |sum, part| sum.saturating_add(part.batch))
    }
}

/// A session to begin before there is a query for it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Prepare {
    /// Drawn by the coordinator; a node refuses one it has seen.
    pub session: SessionId,
    /// The model; its digest and deployment must be the ones the node serves.
    pub model: Model,
    /// Samples of the query to come.
    pub batch: u32,
    /// Who deals and who evaluates.
    pub roles: Roles,
    /// Milliseconds left to prepare it.
    pub deadline_ms: u64,
    /// Milliseconds it is kept; then the node discards it.
    pub keep_ms: u64,
}

/// A party's part of a query.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct QueryPart {
    /// Drawn by the client; the envelope is bound to it.
    pub query: QueryId,
    /// Samples; must be what the envelope says.
    pub batch: u32,
    /// This party's components of the input, and the client's reply key.
    pub envelope: Opaque,
}

/// What a node answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum NodeReply {
    /// To `Ping`.
    Pong(Pong),
    /// To `Describe`.
    Described {
        /// The model.
        model: Model,
        /// The serialised plan.
        plan: Opaque,
        /// Most samples of one session that the node's limits allow for this plan.
        batch_max: u32,
    },
    /// To `Load`.
    Loaded {
        /// The plan, as the node computed its digest.
        digest: PlanDigest,
    },
    /// To `Activate`.
    Activated(Model),
    /// To `Discard`.
    Discarded,
    /// To `Run`.
    Done(Done),
    /// To `Cancel`.
    Cancelled,
    /// To any request.
    Failed(Failure),
    /// To `Prepare`: everything is done that needs no query.
    Prepared {
        /// Memory the session takes while it waits, as the plan estimates it.
        bytes: u64,
    },
}

impl Message for NodeReply {
    const NAME: &'static str = "control reply";
}

/// What a node says of itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pong {
    /// Which party answers.
    pub party: PartyId,
    /// Whether it takes sessions.
    pub state: NodeState,
    /// What it serves, in the order of the models' names.
    pub offers: Vec<Offer>,
    /// Its two peers, in index order.
    pub links: [LinkStatus; 2],
    /// Sessions it works on.
    pub sessions: u32,
    /// Most sessions it works on at once.
    pub sessions_max: u32,
}

/// A model that a node serves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// Which.
    pub model: Model,
    /// Most samples of one session that the node's limits allow for its plan.
    pub batch_max: u32,
}

/// Whether a node takes sessions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum NodeState {
    /// Still loading its models.
    Starting,
    /// Takes sessions.
    Ready,
    /// Finishes what it has and takes nothing new.
    Stopping,
}

/// A node's connection to one peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkStatus {
    /// The peer.
    pub peer: PartyId,
    /// Round-trip time in microseconds, or `None` while not connected.
    pub round_trip_us: Option<u32>,
}

/// What a party computed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Done {
    /// For each query of the run, in its order: the output share, sealed to the client's reply key, or why the query was left out.
    pub results: Vec<Result<Opaque, Failure>>,
    /// What the session cost.
    pub report: PartyReport,
}
