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

#[cfg(test)]
mod tests {
    use tercet_ring::RingKind;

    use super::*;
    use crate::testkit::PlanBuilder;
    use crate::{Op, Rule, Term};

    fn plan() -> Plan {
        let mut builder = PlanBuilder::new(RingKind::Z32);
        let of = builder.input(&[4], 8, 10);
        let weight = builder.parameter(&[4, 2], 8);
        let value = builder.step(Op::Linear(vec![Term::Dense { of, weight }]), &[2], 16, 24);
        builder.output(value);
        builder.build()
    }

    #[test]
    fn the_bytes_of_format_2_stay_what_they_are() {
        // Plans are stored and pinned by digest: whoever changes these bytes changes the format's version too.
        assert_eq!(
            plan().digest().to_string(),
            "f4c4a11e0732064f0967d9d51f136990fdadc6df7f9d4582243ac1f8128b5130"
        );
    }

    #[test]
    fn another_format_is_named() {
        let mut plan = plan();
        plan.format = 300;
        let error = Plan::from_bytes(&plan.to_bytes());
        assert_eq!(error, Err(PlanError::OtherFormat { found: 300 }));
        // Whatever comes after the version.
        assert_eq!(
            Plan::from_bytes(&[1, 255, 255]),
            Err(PlanError::OtherFormat { found: 1 })
        );
    }

    #[test]
    fn only_the_one_serialised_form_is_read() {
        let bytes = plan().to_bytes();
        assert_eq!(Plan::from_bytes(&bytes), Ok(plan()));
        for length in 0..bytes.len() {
            assert_eq!(Plan::from_bytes(&bytes[..length]), Err(PlanError::Malformed));
        }
        let trailing = [&bytes[..], &[0]].concat();
        assert_eq!(Plan::from_bytes(&trailing), Err(PlanError::Malformed));
        // The version once more, in two bytes instead of one.
        let padded = [&[0x80 | FORMAT as u8, 0x00], &bytes[1..]].concat();
        assert_eq!(Plan::from_bytes(&padded), Err(PlanError::Malformed));
        assert_eq!(
            Plan::from_bytes(&vec![FORMAT as u8; PLAN_BYTES_MAX + 1]),
            Err(PlanError::TooLarge {
                bytes: PLAN_BYTES_MAX + 1
            })
        );
    }

    #[test]
    fn a_plan_that_breaks_a_rule_is_not_read() {
        let mut plan = plan();
        plan.ring_bits = 33;
        let Err(PlanError::Invalid(fault)) = Plan::from_bytes(&plan.to_bytes()) else {
            panic!("the ring does not exist");
        };
        assert_eq!(fault.rule, Rule::Ring(33));
    }
}
