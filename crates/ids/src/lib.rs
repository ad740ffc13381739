//! The names everything else is addressed by: parties, roles, sessions, queries and plans.
//!
//! This crate knows nothing but names. It holds no keys, no shapes and no input or output.

mod digest;
mod party;
mod session;

pub use digest::PlanDigest;
pub use party::{PartyId, Role, Roles};
pub use session::{Nonce, QueryId, SessionId};
