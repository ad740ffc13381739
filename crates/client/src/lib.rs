//! The client: encodes, shares and seals a query, and opens, checks and decodes its answer; deploys models.
//!
//! Plaintext exists here alone. The coordinator is given sealed envelopes, and is believed in nothing that the client can
//! check itself: the plan must have the digest it is announced with (and the pinned one, if there is one), and the two
//! evaluators must say the same.

mod client;
mod deployment;
mod description;
mod error;
mod limits;
mod link;
mod query;
mod settings;

pub use client::{Answer, Client};
pub use description::Description;
pub use error::{Cause, ClientError};
pub use query::SEEN_BYTES;
pub use settings::{ClientSettings, SettingsError};
