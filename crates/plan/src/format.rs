//! The serialised form of a plan: its format version, then postcard. The bytes are what the digest pins.

use tercet_ids::PlanDigest;

use crate::limits::PLAN_BYTES_MAX;
use crate::plan::FORMAT;
use crate::{Plan, PlanFault};

/// Bytes that are not a plan this crate can run: the fault of whoever wrote or sent them.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum PlanError {
    /// More bytes than any plan may have.
    #[error("a plan of {bytes} bytes is over the limit of {PLAN_BYTES_MAX}; split the model")]
    TooLarge {
        /// Bytes given.
        bytes: usize,
    },
    /// Another version of the format.
    #[error(
        "the plan has format {found} but this program reads format {FORMAT}; import the model again with this version"
    )]
    OtherFormat {
        /// The version the bytes name.
        found: u16,
    },
    /// Cut off, altered, or not a plan at all.
    #[error("these bytes are not a whole plan; fetch or import it again")]
    Malformed,
    /// A plan that breaks a rule.
    #[error(transparent)]
    Invalid(#[from] PlanFault),
}

impl Plan {
    /// The serialised plan. Equal plans give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a plan is made of integers, strings and vectors of known length")
    }

    /// Reads and validates a plan.
    ///
    /// # Errors
    /// When the bytes are too many, name another format, are not exactly the serialised form of a plan, or the plan breaks
    /// a rule of [`Plan::validate`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Plan, PlanError> {
        if bytes.len() > PLAN_BYTES_MAX {
            return Err(PlanError::TooLarge { bytes: bytes.len() });
        }
        // The version comes first in every format there will ever be, so it can be told before the rest is understood.
        let (found, _) = postcard::take_from_bytes::<u16>(bytes).map_err(|_| PlanError::Malformed)?;
        if found != FORMAT {
            return Err(PlanError::OtherFormat { found });
        }
        let (plan, trailing) = postcard::take_from_bytes::<Plan>(bytes).map_err(|_| PlanError::Malformed)?;
        // Comparing with the one form we write also refuses padded integers, which would give a plan two digests.
        if !trailing.is_empty() || plan.to_bytes() != bytes {
            return Err(PlanError::Malformed);
        }
        plan.validate()?;
        Ok(plan)
    }

    /// The identity of the plan.
    pub fn digest(&self) -> PlanDigest {
        PlanDigest::of(&self.to_bytes())
    }
}
