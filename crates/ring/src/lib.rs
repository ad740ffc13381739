//! The rings Z_2^32 and Z_2^64, secret vectors over them, packed bits, and the kernels that make them fast.
//!
//! This crate knows arithmetic and nothing else: no parties, no keys' meaning, no network, no models.

mod bit_planes;
mod element;
mod encoding;
pub mod kernel;
mod secret;
pub mod vector;

pub use bit_planes::{BitPlanes, slice_bits, slice_difference, unslice};
pub use element::{Ring, RingKind};
pub use encoding::{
    WrongLength, add_bytes, from_bytes, narrow_len, pack_narrow, read_bytes, read_narrow, to_bytes, unpack_narrow,
    write_bytes, write_narrow,
};
pub use secret::Secret;
