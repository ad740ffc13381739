use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The identity of a plan: the BLAKE3 hash of its serialised bytes.
///
/// Parties, envelopes and session keys are all bound to it, so no two parties can run different plans together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlanDigest(pub [u8; 32]);

impl PlanDigest {
    /// The digest of a serialised plan.
    pub fn of(plan_bytes: &[u8]) -> PlanDigest {
        PlanDigest(blake3::derive_key("tercet 2026 plan digest", plan_bytes))
    }

    /// The first eight hex digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanDigest({})", self.short())
    }
}

/// Text that is not 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a plan digest is 64 hex digits")]
pub struct MalformedDigest;

impl FromStr for PlanDigest {
    type Err = MalformedDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| MalformedDigest)?;
        Ok(PlanDigest(bytes))
    }
}
