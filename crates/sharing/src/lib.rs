//! Replicated sharing and the envelopes that carry shares.

pub mod replicated;
