//! One party: serves its share of every session.
//!
//! Actors own the state: `Peers` the connections, `Models` what is served, `Sessions` what runs, `Control` the
//! coordinator's requests. They live on one network thread that never computes; arithmetic runs on a bounded pool of blocking
//! threads. What they decide is pure and tested by itself (agreement, batch, parking, seen).

mod agreement;
mod batch;
mod compute;
mod control;
mod dial;
mod envelope;
mod error;
mod failure;
mod greeting;
mod limits;
mod link;
mod messages;
mod models;
mod parameters;
mod parking;
mod peers;
mod pool;
mod prepared;
mod preparing;
mod seen;
mod session;
mod sessions;
mod storage;
mod supervisor;

pub use error::NodeError;
pub use supervisor::run;
