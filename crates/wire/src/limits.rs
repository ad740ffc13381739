//! The bounds of everything that crosses the network. A receiver's configuration may lower them, never raise them.

/// Largest message that carries neither a plan nor an envelope.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Largest serialised plan. A plan holds no weights: a few hundred bytes a step.
pub const PLAN_BYTES_MAX: usize = 16 << 20;

/// Largest sealed envelope: one ring component of 128 million 64-bit parameters, and its framing.
pub const ENVELOPE_BYTES_MAX: usize = (1 << 30) + (64 << 10);

/// Largest batch of one session.
pub const BATCH_MAX: u32 = 1 << 16;

/// Longest deadline a client can ask for: one hour.
pub const DEADLINE_MS_MAX: u64 = 3_600_000;

/// Longest name of a model.
pub const MODEL_NAME_BYTES_MAX: usize = 64;

/// Most models a node serves.
pub const MODELS_MAX: usize = 256;

/// Longest sentence of a failure.
pub const SENTENCE_BYTES_MAX: usize = 512;
