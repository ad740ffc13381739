//! The messages between client, coordinator and nodes.
//!
//! Every message is the protocol version followed by a postcard body; [`encode`] and [`decode`] are the only way in and out.
//! What [`encode`] gives travels as one length-prefixed frame of bytes, so that a message of another version can be told from
//! a broken one. Shares, plans and envelopes are opaque bytes here: this crate knows neither arithmetic nor how to open an envelope, and
//! no sockets.

mod client;
mod codec;
mod failure;
mod limits;
mod model;
mod node;
mod opaque;
mod peer;
mod report;

pub use client::{Answer, ClientReply, ClientRequest, Deploy, Described, Infer, NodeStatus, PreparedSessions, Status};
pub use codec::{Message, PROTOCOL_VERSION, WireError, decode, encode};
pub use failure::{Failure, Fault, Phase};
pub use limits::{
    CONTROL_MESSAGE_BYTES_MAX, MODEL_NAME_BYTES_MAX, MODELS_MAX, QUERIES_MAX, QUERY_BYTES_MAX, SENTENCE_BYTES_MAX,
};
pub use model::{MalformedName, Model, ModelName};
pub use node::{Done, LinkStatus, Load, NodeReply, NodeRequest, NodeState, Offer, Pong, Prepare, QueryPart, Run};
pub use opaque::Opaque;
pub use peer::{Binding, Hello, Standing};
pub use report::{PartyReport, Report};
