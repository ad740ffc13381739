use serde::{Deserialize, Serialize};
use tercet_ids::{PartyId, PlanDigest, QueryId, Roles, SessionId};

use crate::codec::Message;
use crate::failure::Failure;
use crate::model::{Model, ModelName};
use crate::node::{LinkStatus, NodeState};
use crate::opaque::Opaque;
use crate::report::Report;

/// What a client asks of the coordinator: one request a stream, answered by one [`ClientReply`].
///
/// A client that resets the stream has left: its query is cancelled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ClientRequest {
    /// The plan of a model.
    Describe {
        /// Which.
        model: ModelName,
    },
    /// The models all three parties serve.
    ListModels,
    /// One query.
    Infer(Infer),
    /// Gives the three parties a model.
    Deploy(Deploy),
    /// How the deployment is.
    Status,
}

impl Message for ClientRequest {
    const NAME: &'static str = "request";
}

/// One query: three envelopes that only the parties can open.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Infer {
    /// Drawn by the client at random; the envelopes are bound to it.
    pub query: QueryId,
    /// The model.
    pub model: ModelName,
    /// The plan the client encoded its input for.
    pub digest: PlanDigest,
    /// Samples.
    pub batch: u32,
    /// Milliseconds the client still waits.
    pub deadline_ms: u64,
    /// One per party, by party index.
    pub envelopes: [Opaque; 3],
}

/// One model: its plan in the clear, its parameters in envelopes that only the parties can open.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Deploy {
    /// Drawn by the owner at random; the envelopes are bound to it.
    pub deployment: QueryId,
    /// The name to serve it under. An older model of that name is replaced.
    pub name: ModelName,
    /// The serialised plan.
    pub plan: Opaque,
    /// One per party, by party index.
    pub envelopes: [Opaque; 3],
}

/// What the coordinator answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ClientReply {
    /// To `Describe`.
    Described(Described),
    /// To `ListModels`.
    Models(Vec<Model>),
    /// To `Infer`.
    Answer(Box<Answer>),
    /// To `Deploy`: all three parties serve it.
    Deployed(Model),
    /// To `Status`.
    Status(Status),
    /// To any request.
    Failure(Failure),
}

impl Message for ClientReply {
    const NAME: &'static str = "reply";
}

/// A model and its plan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Described {
    /// The model.
    pub model: Model,
    /// The serialised plan; the client checks its digest.
    pub plan: Opaque,
    /// Most samples of one session: the least that any party allows for this model.
    pub batch_max: u32,
}

/// The sealed results of one query.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The session that computed it.
    pub session: SessionId,
    /// Who dealt and who evaluated.
    pub roles: Roles,
    /// What each party computed, sealed to the client's reply key, by party index.
    pub results: [Opaque; 3],
    /// What it cost.
    pub report: Report,
}

/// How the deployment is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The three nodes, by party index.
    pub nodes: [NodeStatus; 3],
    /// Queries that wait for a turn.
    pub queued: u32,
    /// Queries the parties work on.
    pub running: u32,
    /// The pool, by model in the order of names; empty where it is off.
    pub prepared: Vec<PreparedSessions>,
}

/// Sessions of a model that wait for a query.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PreparedSessions {
    /// The model.
    pub model: ModelName,
    /// How many are prepared.
    pub ready: u32,
    /// How many there should be.
    pub target: u32,
}

/// How one node is, as the coordinator sees it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Which.
    pub party: PartyId,
    /// Its state, or `None` while the coordinator can't reach it.
    pub state: Option<NodeState>,
    /// Round-trip time between the coordinator and the node in microseconds, if reachable.
    pub round_trip_us: Option<u32>,
    /// What it last said of its connections to its peers.
    pub links: Vec<LinkStatus>,
    /// The models it serves.
    pub models: Vec<Model>,
}
