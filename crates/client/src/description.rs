use std::sync::Arc;

use tercet_ids::PlanDigest;
use tercet_plan::Plan;
use tercet_wire::{Described, ModelName};

use crate::error::ClientError;

/// A model that can be asked, as far as the client has checked it.
#[derive(Clone, Debug)]
pub struct Description {
    name: ModelName,
    digest: PlanDigest,
    plan: Arc<Plan>,
    batch_max: u32,
}

impl Description {
    /// Checks what the coordinator says of a model.
    pub(crate) fn check(name: &ModelName, pinned: Option<PlanDigest>, said: &Described) -> Result<Self, ClientError> {
        let bytes = said.plan.as_slice();
        let digest = PlanDigest::of(bytes);
        if digest != said.model.digest || said.model.name != *name {
            return Err(ClientError::FalseDigest(name.clone()));
        }
        if let Some(pinned) = pinned.filter(|pinned| *pinned != digest) {
            let (name, served) = (name.clone(), digest);
            return Err(ClientError::Unpinned { name, served, pinned });
        }
        let plan = Plan::from_bytes(bytes).map_err(|error| ClientError::Plan {
            name: name.clone(),
            error,
        })?;
        Ok(Description {
            name: name.clone(),
            digest,
            plan: Arc::new(plan),
            batch_max: said.batch_max,
        })
    }

    /// The name it is served under.
    pub fn name(&self) -> &ModelName {
        &self.name
    }

    /// The identity of the plan.
    pub fn digest(&self) -> PlanDigest {
        self.digest
    }

    /// The plan, validated.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Most samples of one session.
    pub fn batch_max(&self) -> u32 {
        self.batch_max
    }
}

#[cfg(test)]
mod tests {
    use tercet_ids::QueryId;
    use tercet_plan::testkit::PlanBuilder;
    use tercet_ring::RingKind;
    use tercet_wire::Model;

    use super::*;

    fn said() -> Described {
        let mut plan = PlanBuilder::new(RingKind::Z32);
        let input = plan.input(&[2], 5, 10);
        plan.output(input);
        let plan = plan.build().to_bytes();
        Described {
            model: Model {
                name: "a".parse().expect("plain"),
                digest: PlanDigest::of(&plan),
                deployment: QueryId([1; 16]),
            },
            plan: plan.into(),
            batch_max: 3,
        }
    }

    #[test]
    fn a_plan_is_believed_only_with_its_digest_and_the_pinned_one() {
        let (name, digest) = (said().model.name, said().model.digest);
        let check = |pinned, change: fn(&mut Described)| {
            let mut said = said();
            change(&mut said);
            Description::check(&name, pinned, &said).err()
        };
        assert_eq!(check(None, |_| {}), None);
        assert_eq!(check(Some(digest), |_| {}), None);
        let pinned = PlanDigest([7; 32]);
        let (unpinned, served) = (name.clone(), digest);
        let expected = ClientError::Unpinned {
            name: unpinned,
            served,
            pinned,
        };
        assert_eq!(check(Some(pinned), |_| {}), Some(expected));
        let false_digest = Some(ClientError::FalseDigest(name.clone()));
        assert_eq!(check(None, |said| said.model.digest.0[0] ^= 1), false_digest);
        assert_eq!(
            check(None, |said| said.model.name = "b".parse().expect("plain")),
            false_digest
        );
        let broken = check(None, |said| {
            said.plan = vec![1, 2, 3].into();
            said.model.digest = PlanDigest::of(&[1, 2, 3]);
        });
        assert!(matches!(broken, Some(ClientError::Plan { .. })), "{broken:?}");
    }
}
