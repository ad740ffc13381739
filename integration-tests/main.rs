//! Tests with real processes.

mod bad_inputs;
mod differing_model;
mod failures;
mod golden;
mod harness;
mod identities;
mod metrics;
mod misbehaviour;
