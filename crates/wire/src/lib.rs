//! The messages between client, coordinator and nodes.
//!
//! Every message is the protocol version followed by a postcard body; [`encode`] and [`decode`] are the only way in and out.
//! Shares, plans and envelopes are opaque bytes here: this crate knows neither arithmetic nor how to open an envelope, and
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

pub use client::{Answer, ClientReply, ClientRequest, Deploy, Described, Infer, NodeStatus, Status};
pub use codec::{Message, PROTOCOL_VERSION, WireError, decode, encode};
pub use failure::{Failure, Fault, Phase};
pub use limits::{
    BATCH_MAX, CONTROL_MESSAGE_BYTES_MAX, DEADLINE_MS_MAX, ENVELOPE_BYTES_MAX, MODEL_NAME_BYTES_MAX, MODELS_MAX,
    PLAN_BYTES_MAX, SENTENCE_BYTES_MAX,
};
pub use model::{MalformedName, Model, ModelName};
pub use node::{Done, LinkStatus, Load, NodeReply, NodeRequest, NodeState, Pong, Run};
pub use opaque::Opaque;
pub use peer::{Binding, Hello};
pub use report::{PartyReport, Report};
