//! From an ONNX file to a plan and its parameters.
//!
//! The front end (tract) parses the file, resolves shapes and folds constants; what it gives is translated into a float graph of the few
//! operations that a plan has, simplified, bounded and lowered to integers. Nodes never link this crate: they load the serialised plan.

mod compile;
mod error;
mod graph;
mod lower;
mod options;
mod planner;
mod read;
mod reference;
mod reveal;
mod samples;
mod simplify;
mod support;
mod translate;

pub use compile::{Agreement, Compiled, compile};
pub use error::{ImportError, UnsupportedNode};
pub use options::{DEFAULT_MARGIN_BITS, Options, Reveal, RingChoice};
pub use planner::variants::{Preference, choose_variants};
pub use read::{Model, Port};
pub use reference::FloatReference;
