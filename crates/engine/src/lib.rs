//! Dealer and evaluator programs over a session.
//!
//! One session runs one plan on one batch of shared inputs, at three parties. This crate draws the masks, runs the protocols
//! and counts what they cost. It knows links that carry frames; it does not know sockets, files, models' formats or clients.
//!
//! A protocol that turns an opened value x = m - r into a masked one has two functions:
//! * `deal(dealer, .., r)` at the dealer, which draws masks of inner openings and deals; it neither draws nor needs the mask of the result;
//! * `evaluate(evaluator, .., m, mask)` at both evaluators, which gives m of the result. `mask` is the evaluator's own half of the mask of
//!   the result: it is drawn ahead of the input, at [`RESULT_MASK`], so that products with it can be preprocessed.
//!
//! Both work on one *tile*, a range of the step's elements. `evaluate` is an `async fn` that waits at each opening, so that several tiles
//! are under way at once on one thread: while one waits for the other evaluator, the next one is computed. There is no runtime below it; [`Evaluator`]
//! takes the tiles in turns.

mod absorbed;
mod channel;
mod dealer;
mod dealt;
mod error;
mod evaluator;
mod exchange;
mod frame;
mod keys;
mod linear;
mod link;
mod local;
mod meter;
mod model;
pub mod nonlinear;
mod prepared;
mod prf;
mod program;
mod ready;
mod session;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod tile;

pub use dealer::Dealer;
pub use error::{EngineError, Misbehaviour};
pub use evaluator::Evaluator;
pub use frame::{FRAME_BYTES_MAX, FrameTag};
pub use keys::PairSecret;
pub use link::{Link, LinkError, Links, WINDOW_BYTES};
pub use meter::{Meter, StepTraffic};
pub use model::{ModelFault, ModelShare};
pub use prepared::{PreparedSession, prepare};
pub use prf::RESULT_MASK;
pub use session::{InputShare, Model, OutputShare, Report, SessionSpec, run};
pub use tile::EvaluatorTile;
