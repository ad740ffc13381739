//! The Open Inference Protocol V2 in the client's own network: an unmodified Triton or KServe client sends plaintext here and gets its
//! prediction, and nobody else sees either.
//!
//! The gateway is a client of the deployment like any other: it encodes, shares and seals, and opens the answer. Plaintext lives in its
//! memory for as long as a request does; it is never logged, and no error repeats a value of it.

mod access;
mod catalogue;
mod conversion;
mod error;
mod grpc;
mod limits;
mod rest;
mod server;
mod service;

pub use access::Access;
pub use error::{GatewayError, StartError};
pub use server::{Gateway, GatewaySettings, start};

/// Extensions of the protocol that are implemented.
const EXTENSIONS: &[&str] = &["binary_tensor_data", "parameters", "model_repository"];
