use serde::{Deserialize, Serialize};
use tercet_ids::{Nonce, PlanDigest, QueryId, Roles, SessionId};

use crate::codec::Message;

/// What ties the parties' envelopes of one client's query together: a hash of the query identifier and the reply key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding(pub [u8; 32]);

/// The first message each way on a session's stream between two nodes. All fields but the nonce and the bindings must be equal on both
/// sides; a query whose three bindings are not one and the same is left out of the session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The session.
    pub session: SessionId,
    /// The plan.
    pub digest: PlanDigest,
    /// The sharing of the parameters.
    pub deployment: QueryId,
    /// Who deals and who evaluates.
    pub roles: Roles,
    /// The queries, in the order of the run; none in a session that is prepared.
    pub queries: Vec<Standing>,
    /// Samples of a session that is prepared before it has a query. Its bindings are compared when the query comes.
    pub prepared: Option<u32>,
    /// The sender's contribution to the freshness of the session keys.
    pub nonce: Nonce,
}

/// How a query of a session stands with one party.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// Which.
    pub query: QueryId,
    /// Samples.
    pub batch: u32,
    /// The query and the reply key, or `None` if the party can't use its envelope.
    pub binding: Option<Binding>,
}

impl Message for Hello {
    const NAME: &'static str = "session greeting";
}
