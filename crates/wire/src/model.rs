use std::fmt;

use serde::{Deserialize, Serialize};
use tercet_ids::{PlanDigest, QueryId};

use crate::limits::MODEL_NAME_BYTES_MAX;

/// The name a model is served under: 1 to 64 of `a-z A-Z 0-9 _ . -`, not starting with a dot.
///
/// So it is a file name on every system, and safe to print.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

impl ModelName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Text that can't name a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} can't name a model: use 1 to 64 letters, digits, `_`, `.` or `-`, and no dot at the start")]
pub struct MalformedName(pub String);

impl TryFrom<String> for ModelName {
    type Error = MalformedName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let fits = (1..=MODEL_NAME_BYTES_MAX).contains(&name.len());
        if fits && !name.starts_with('.') && name.bytes().all(allowed) {
            Ok(ModelName(name))
        } else {
            Err(MalformedName(name.chars().take(MODEL_NAME_BYTES_MAX).collect()))
        }
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> String {
        name.0
    }
}

impl std::str::FromStr for ModelName {
    type Err = MalformedName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        ModelName::try_from(name.to_owned())
    }
}

/// One deployed model: its name, its plan, and which sharing of its parameters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Model {
    /// The name it is served under.
    pub name: ModelName,
    /// The plan it runs.
    pub digest: PlanDigest,
    /// The identifier its owner drew for this deployment. Two deployments of one model are shared with different randomness,
    /// so parties must hold components of the same one.
    pub deployment: QueryId,
}
