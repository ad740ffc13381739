//! The client: encode, share, seal, submit, open.
