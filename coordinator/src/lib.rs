//! Routes queries to the three parties.
//!
//! The coordinator is trusted with liveness and scheduling, never with privacy: it sees sealed envelopes and can't open them.
//! What it decides is pure (roles, session, table, batch, pace, pool, catalogue, admission); actors own the state and carry the
//! decisions out.

mod admission;
mod batch;
mod call;
mod catalogue;
mod clients;
mod deployment;
mod description;
mod dial;
mod dispatch;
mod error;
mod filling;
mod limits;
mod messages;
mod nodes;
mod pace;
mod pool;
mod prepared;
mod queries;
mod roles;
mod session;
mod snapshot;
mod supervisor;
mod table;

pub use error::CoordinatorError;
pub use supervisor::run;
