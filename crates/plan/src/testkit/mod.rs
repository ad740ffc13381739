//! Small plans with random shapes, one for each op, and values for them: what every way to run a plan is tested with.

mod builder;
mod draw;
mod lenet;
mod samples;

pub use builder::PlanBuilder;
pub use draw::{random_inputs, random_parameters};
pub use lenet::lenet;
pub use samples::{Sample, samples};
