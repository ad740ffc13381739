//! Tests of the whole: real processes of the program, and the engine over QUIC.

mod bad_inputs;
mod bench;
mod company;
mod differing_model;
mod failures;
mod golden;
mod harness;
mod identities;
mod inference_clients;
mod metrics;
mod misbehaviour;
mod pool;
mod prometheus;
mod quic;
