//! Dealer and evaluator programs over a session.
//!
//! One session runs one plan on one batch of shared inputs, at three parties. This crate draws the masks, runs the protocols
//! and counts what they cost. It knows links that carry frames; it does not know sockets, files, models' formats or clients.

mod channel;
mod dealer;
mod dealt;
mod error;
mod evaluator;
mod frame;
mod keys;
mod link;
mod meter;
mod prf;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use dealer::Dealer;
pub use error::{EngineError, Misbehaviour};
pub use evaluator::Evaluator;
pub use frame::{FRAME_BYTES_MAX, FrameTag};
pub use keys::{KeyBinding, PairSecret, SessionKey};
pub use link::{FRAMES_AHEAD, Link, LinkError, Links};
pub use meter::{Meter, StepTraffic};
