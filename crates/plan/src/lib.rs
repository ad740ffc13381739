//! The compiled, public form of a model: which steps, over which shapes, with which scales, ranges and cost.
//!
//! A plan holds no weights. It knows nothing of ONNX, of secrecy or of networks.

mod comparison;
mod op;
mod plan;
mod tournament;

pub use comparison::{ComparisonFault, Layout};
pub use op::{Comparison, ConvGeometry, Op, ParameterId, Term, ValueId, Window};
pub use plan::{Bound, Decode, Form, Input, Origin, Output, Parameter, Plan, Step, Value};
pub use tournament::{Group, Tournament};
