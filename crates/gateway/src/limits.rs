//! Every bound of the gateway.

use std::time::Duration;

/// Bytes of a request besides its tensors: names, shapes and parameters.
pub const REQUEST_FRAME_BYTES_MAX: usize = 64 << 10;

/// Bytes that one element takes at most in JSON: a sign, seventeen digits, a point, an exponent, and what separates it from the next.
pub const JSON_ELEMENT_BYTES_MAX: usize = 32;

/// Bytes of a request without tensors.
pub const SMALL_REQUEST_BYTES_MAX: usize = 64 << 10;

/// How long a model's description is used before the gateway looks whether the model was replaced.
pub const DESCRIPTION_TIME_MAX: Duration = Duration::from_secs(5);

/// Descriptions kept at once; a model beyond them is described anew for every request.
pub const DESCRIPTIONS_MAX: usize = 256;

/// Connections of callers at once. Further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 1024;

/// Bytes of a request over gRPC, which has to be read whole before its model is known.
pub const GRPC_MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Calls under way on one connection over gRPC.
pub const CONNECTION_CALLS_MAX: usize = 256;

/// After how long a caller that was refused for load may come back.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest wait for requests under way when the gateway stops.
pub const SHUTDOWN_SECONDS_MAX: u64 = 10;
