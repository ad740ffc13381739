//! How large values get, with which scales and ring a model is computed, and by which protocols.

pub mod magnitude;
pub mod observe;
pub mod precision;
pub mod search;
pub mod variants;
