//! Replicated sharing and the envelopes that carry shares.
