//! What a plan costs, declared before it runs and measured to be equal when it does.

mod nonlinear;
mod step;

pub use nonlinear::nonlinear;
pub use step::StepCost;
