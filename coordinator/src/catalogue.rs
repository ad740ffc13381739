//! Which models can be queried: those that all three parties hold alike. Pure.

use tercet_ids::PartyId;
use tercet_wire::{Failure, Fault, Model, ModelName, Offer, Phase};

/// What each party serves, by party index; `None` for a party that can't be reached.
pub type Holdings<'a> = [Option<&'a [Offer]>; 3];

/// Why a model can't be queried.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unserved {
    /// A party can't be reached.
    #[error("{0} can't be reached: wait until its node is back, or have its operator start it")]
    Unreachable(PartyId),
    /// No party has it.
    #[error("there is no model {0}: ask for the list of models, or deploy it")]
    Unknown(ModelName),
    /// Some parties have it and one does not.
    #[error("{party} lacks the model {name} that others serve: deploy it again")]
    Missing {
        /// The model.
        name: ModelName,
        /// The party that lacks it.
        party: PartyId,
    },
    /// The parties hold different plans.
    #[error("{party} serves another plan as model {name} than the others do: deploy it again")]
    OtherPlan {
        /// The model.
        name: ModelName,
        /// The odd one out.
        party: PartyId,
    },
    /// The parties hold components of different deployments of one plan.
    #[error("{party} serves the model {name} from another deployment than the others do: deploy it again")]
    OtherDeployment {
        /// The model.
        name: ModelName,
        /// The odd one out.
        party: PartyId,
    },
}

impl Unserved {
    /// The failure of a request for the model.
    pub fn failure(&self) -> Failure {
        let (fault, party) = match self {
            Unserved::Unreachable(party) => (Fault::Peer, Some(*party)),
            Unserved::Unknown(_) => (Fault::Client, None),
            Unserved::Missing { party, .. }
            | Unserved::OtherPlan { party, .. }
            | Unserved::OtherDeployment { party, .. } => (Fault::Config, Some(*party)),
        };
        Failure::new(fault, party, Phase::Admission, self)
    }
}

/// The model called `name`, if all three parties hold it alike, with the batch that all three take.
///
/// # Errors
/// Names the party that is the reason why not.
pub fn find(holdings: &Holdings<'_>, name: &ModelName) -> Result<Offer, Unserved> {
    let mut held = [None; 3];
    for party in PartyId::ALL {
        let offers = holdings[party.index()].ok_or(Unserved::Unreachable(party))?;
        held[party.index()] = offers.iter().find(|offer| offer.model.name == *name);
    }
    let [Some(a), Some(b), Some(c)] = held else {
        if held == [None; 3] {
            return Err(Unserved::Unknown(name.clone()));
        }
        let party = PartyId::ALL.into_iter().find(|party| held[party.index()].is_none());
        return Err(Unserved::Missing {
            name: name.clone(),
            party: party.expect("one of them lacks it"),
        });
    };
    if let Some(party) = odd_one_out([a, b, c].map(|offer| offer.model.digest)) {
        return Err(Unserved::OtherPlan {
            name: name.clone(),
            party,
        });
    }
    if let Some(party) = odd_one_out([a, b, c].map(|offer| offer.model.deployment)) {
        return Err(Unserved::OtherDeployment {
            name: name.clone(),
            party,
        });
    }
    Ok(Offer {
        model: a.model.clone(),
        batch_max: a.batch_max.min(b.batch_max).min(c.batch_max),
    })
}

/// All models that [`find`] finds, in the order of their names.
pub fn served(holdings: &Holdings<'_>) -> Vec<Model> {
    let first = holdings[PartyId::ClientProxy.index()].unwrap_or_default();
    first
        .iter()
        .filter_map(|offer| find(holdings, &offer.model.name).ok())
        .map(|offer| offer.model)
        .collect()
}

/// The party whose value differs from the other two's; if all three differ, the first.
fn odd_one_out<T: PartialEq>([a, b, c]: [T; 3]) -> Option<PartyId> {
    match (a == b, b == c, a == c) {
        (true, true, _) => None,
        (true, false, _) => Some(PartyId::Auditor),
        (false, _, true) => Some(PartyId::Cloud),
        (false, _, false) => Some(PartyId::ClientProxy),
    }
}

#[cfg(test)]
mod tests {
    use tercet_ids::{PlanDigest, QueryId};

    use super::*;

    fn name(text: &str) -> ModelName {
        text.parse().expect("a plain name")
    }

    fn model(text: &str, digest: u8, deployment: u8) -> Offer {
        let model = Model {
            name: name(text),
            digest: PlanDigest([digest; 32]),
            deployment: QueryId([deployment; 16]),
        };
        Offer { model, batch_max: 8 }
    }

    fn find_in(parties: [Option<Vec<Offer>>; 3], wanted: &str) -> Result<Offer, Unserved> {
        find(&parties.each_ref().map(Option::as_deref), &name(wanted))
    }

    #[test]
    fn a_model_that_all_hold_alike_is_served() {
        let all = [
            Some(vec![model("a", 1, 1), model("b", 2, 2)]),
            Some(vec![model("b", 2, 2), model("a", 1, 1)]),
            Some(vec![model("a", 1, 1), model("b", 2, 3)]),
        ];
        assert_eq!(served(&all.each_ref().map(Option::as_deref)), [model("a", 1, 1).model]);
        assert_eq!(find_in(all, "a"), Ok(model("a", 1, 1)));
    }

    #[test]
    fn the_batch_is_what_all_take() {
        let of = |batch_max| Offer {
            batch_max,
            ..model("a", 1, 1)
        };
        let held = [Some(vec![of(8)]), Some(vec![of(4)]), Some(vec![of(16)])];
        assert_eq!(find_in(held, "a"), Ok(of(4)));
    }

    #[test]
    fn the_party_that_is_the_reason_is_named() {
        let held = || Some(vec![model("a", 1, 1)]);
        let other_plan = || Some(vec![model("a", 2, 1)]);
        let other_deployment = || Some(vec![model("a", 1, 2)]);
        let wanted = name("a");
        for party in PartyId::ALL {
            let odd = |odd: Option<Vec<Offer>>| {
                let mut parties = [held(), held(), held()];
                parties[party.index()] = odd;
                find_in(parties, "a")
            };
            assert_eq!(odd(None), Err(Unserved::Unreachable(party)));
            assert_eq!(
                odd(Some(vec![])),
                Err(Unserved::Missing {
                    name: wanted.clone(),
                    party
                })
            );
            assert_eq!(
                odd(other_plan()),
                Err(Unserved::OtherPlan {
                    name: wanted.clone(),
                    party
                })
            );
            assert_eq!(
                odd(other_deployment()),
                Err(Unserved::OtherDeployment {
                    name: wanted.clone(),
                    party
                })
            );
        }
        assert_eq!(
            find_in([held(), held(), held()], "b"),
            Err(Unserved::Unknown(name("b")))
        );
        let apart = [
            Some(vec![model("a", 1, 1)]),
            Some(vec![model("a", 2, 1)]),
            Some(vec![model("a", 3, 1)]),
        ];
        assert!(matches!(find_in(apart, "a"), Err(Unserved::OtherPlan { .. })));
    }
}
