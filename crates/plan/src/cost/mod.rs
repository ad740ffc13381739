//! What a plan costs, declared before it runs and measured to be equal when it does.

mod step;

pub use step::StepCost;
