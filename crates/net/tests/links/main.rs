//! Real connections on loopback: who gets in, what passes, and how each break is told.

mod common;
mod identities;
mod stalls;
mod streams;
