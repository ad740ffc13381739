//! The Open Inference Protocol V2, as ordinary inference clients speak it: requests and responses as bytes, without a server.
//!
//! Sources: the protocol's REST and gRPC documents (kserve/open-inference-protocol), and the binary tensor extension of Triton Inference
//! Server. What clients send in practice is wider than the documents; where this crate follows the clients, it says so.
//!
//! Tensors hold somebody's private data: they are not printed, and are wiped when dropped. No error repeats a value.

mod datatype;
mod elements;
mod error;
mod metadata;
mod parameters;
mod request;
mod response;
mod tensor;

pub use datatype::Datatype;
pub use error::RequestError;
pub use metadata::{ModelMetadata, ModelState, RepositoryEntry, ServerMetadata, TensorMetadata};
pub use parameters::{Options, Parameter};
pub use request::{InferRequest, RequestedOutput};
pub use response::{InferResponse, ResponseBody};
pub use tensor::Tensor;
