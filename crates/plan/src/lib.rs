//! The compiled, public form of a model: which steps, over which shapes, with which scales, ranges and cost.
//!
//! A plan holds no weights. It knows nothing of ONNX, of secrecy or of networks.

mod op;
mod plan;

pub use op::{Comparison, ConvGeometry, Op, ParameterId, Term, ValueId, Window};
pub use plan::{Bound, Decode, Form, Input, Origin, Output, Parameter, Plan, Step, Value};
