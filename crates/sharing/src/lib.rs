//! Replicated sharing and the envelopes that carry shares.

mod contents;
mod envelope;
pub mod replicated;
mod sealing_key;

pub use contents::{ModelEnvelope, QueryEnvelope, ResultEnvelope, Shares};
pub use envelope::{ENVELOPE_OVERHEAD_BYTES, EnvelopeContext, EnvelopeError, Purpose, open, seal};
pub use sealing_key::{MalformedSealingKey, SEALING_KEY_BYTES, SealingKeyError, SealingKeyPair, SealingPublicKey};
