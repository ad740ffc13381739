//! The bounds of everything that crosses the network. A receiver's configuration may lower them, never raise them.

/// Largest message that carries neither a plan nor an envelope. With them it is bounded by what the receiver's configuration
/// allows for each.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Longest name of a model.
pub const MODEL_NAME_BYTES_MAX: usize = 64;

/// Most models a node serves.
pub const MODELS_MAX: usize = 256;

/// Longest sentence of a failure.
pub const SENTENCE_BYTES_MAX: usize = 512;

/// Most queries of one session.
pub const QUERIES_MAX: usize = 128;

/// Bytes that one query of a session takes in a message, beside its envelope or result: its identity, or the failure it ended with.
pub const QUERY_BYTES_MAX: usize = SENTENCE_BYTES_MAX + 64;

// A greeting lists the queries, and must fit a control message.
const _: () = assert!(QUERIES_MAX * 64 + 1024 <= CONTROL_MESSAGE_BYTES_MAX);
