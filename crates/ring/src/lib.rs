//! The rings Z_2^32 and Z_2^64, secret vectors over them, packed bits, and the kernels that make them fast.
//!
//! This crate knows arithmetic and nothing else: no parties, no keys' meaning, no network, no models.

mod element;
mod secret;

pub use element::{Ring, RingKind};
pub use secret::Secret;
