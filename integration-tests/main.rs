//! Tests with real processes.

mod differing_model;
mod failures;
mod golden;
mod harness;
mod identities;
