//! The compiled, public form of a model: which steps, over which shapes, with which scales, ranges and cost.
//!
//! A plan holds no weights. It knows nothing of ONNX, of secrecy or of networks.
//!
//! * [`Plan::from_bytes`] reads a plan from anywhere and checks it ([`Plan::validate`]); the rest takes only such plans.
//! * [`Plan::encode`] and [`Plan::decode`] are the client's ends: from its numbers to integers, and back.
//! * [`Plan::cost`] and [`Plan::memory`] say what a session takes before it runs.
//! * [`oracle`] runs a plan in the clear; [`Op::error_bound`] says how far the protocols may be from it.

mod array;
mod comparison;
pub mod cost;
mod decode;
mod encode;
mod error_bound;
mod format;
mod geometry;
mod integers;
pub mod limits;
mod op;
pub mod oracle;
mod plan;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod tournament;
mod unopened;
mod validate;

pub use array::{Array, ShapeMismatch};
pub use comparison::{ComparisonFault, Layout};
pub use decode::DecodeError;
pub use encode::{EncodeError, Encoded};
pub use format::PlanError;
pub use integers::{Integers, Parameters, ParametersFault};
pub use op::{Comparison, ConvGeometry, Op, ParameterId, Term, ValueId, Variant, Window};
pub use plan::{Bound, Decode, FORMAT, Form, Input, Origin, Output, Parameter, Plan, Step, Value};
pub use tournament::{Group, Tournament};
pub use unopened::UnopenedLayout;
pub use validate::{Place, PlanFault, Rule};
