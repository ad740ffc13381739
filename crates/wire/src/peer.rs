use serde::{Deserialize, Serialize};
use tercet_ids::{Nonce, PlanDigest, QueryId, Roles, SessionId};

use crate::codec::Message;

/// What ties a session to one client's query: a hash of the query identifier and the reply key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding(pub [u8; 32]);

/// The first message each way on a session's stream between two nodes. All fields but the nonce must be equal on both sides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The session.
    pub session: SessionId,
    /// The plan.
    pub digest: PlanDigest,
    /// The sharing of the parameters.
    pub deployment: QueryId,
    /// Samples.
    pub batch: u32,
    /// Who deals and who evaluates.
    pub roles: Roles,
    /// The query and the reply key.
    pub binding: Binding,
    /// The sender's contribution to the freshness of the session keys.
    pub nonce: Nonce,
}

impl Message for Hello {
    const NAME: &'static str = "session greeting";
}
