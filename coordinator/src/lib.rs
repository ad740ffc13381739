//! Routes queries to the three parties.
//!
//! The coordinator is trusted with liveness and scheduling, never with privacy: it sees sealed envelopes and can't open them.

mod catalogue;
mod query;
mod roles;
mod table;
