//! The fast inner loops: matrix products, convolutions, the AES counter stream and bit transposes.
//!
//! Each has a portable form and forms for the vector instructions of x86-64, picked at run time by what the processor has; all give the
//! same bits. This module is the only place in the workspace with `unsafe` code: vector instructions and the pointers they load through.

#![allow(
    unsafe_code,
    reason = "vector instructions and strided stores have no safe interface"
)]

mod accelerated;
pub mod aes_ctr;
mod bits;
pub mod conv;
pub mod gemm;
pub(crate) mod narrow;
mod tier;
mod wipe;

pub(crate) use accelerated::Accelerated;
pub(crate) use bits::{Window, slice as slice_bits, unslice};
pub use tier::{TIER_VARIABLE, Tier, TierError, Vectors};
pub use wipe::wipe;

/// Multiply-accumulates from which on a product is spread over rayon's current pool: about 0.1 ms of one core, ten times what waking another takes.
const PARALLEL_PRODUCTS: usize = 1 << 22;
