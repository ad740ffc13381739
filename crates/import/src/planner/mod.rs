//! How large values get, and with which scales and ring a model is computed.

pub mod magnitude;
pub mod observe;
pub mod precision;
pub mod search;
