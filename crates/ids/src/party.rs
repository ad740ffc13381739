use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the three organisations that compute together.
///
/// A replicated value is the sum of three components; component `i` is the one that party `i` lacks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyId {
    /// Runs in the client's own network.
    ClientProxy,
    /// Runs at the model host.
    Cloud,
    /// Runs at an independent third organisation.
    Auditor,
}

impl PartyId {
    /// All parties, in index order.
    pub const ALL: [PartyId; 3] = [PartyId::ClientProxy, PartyId::Cloud, PartyId::Auditor];

    /// Position in [`PartyId::ALL`]; also the index of the replicated component this party lacks.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The other two parties, in index order.
    pub fn peers(self) -> [PartyId; 2] {
        match self {
            PartyId::ClientProxy => [PartyId::Cloud, PartyId::Auditor],
            PartyId::Cloud => [PartyId::ClientProxy, PartyId::Auditor],
            PartyId::Auditor => [PartyId::ClientProxy, PartyId::Cloud],
        }
    }

    /// The name used in configuration, metrics and messages to people.
    pub fn name(self) -> &'static str {
        match self {
            PartyId::ClientProxy => "client-proxy",
            PartyId::Cloud => "cloud",
            PartyId::Auditor => "auditor",
        }
    }
}

impl fmt::Display for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A party name that is none of the three.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a party; use client-proxy, cloud or auditor")]
pub struct UnknownParty(pub String);

impl FromStr for PartyId {
    type Err = UnknownParty;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        PartyId::ALL
            .into_iter()
            .find(|party| party.name() == name)
            .ok_or_else(|| UnknownParty(name.to_owned()))
    }
}

/// What a party does in one session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Knows every mask and no masked value; sends correction material to `Evaluator1` and takes no part online.
    Dealer,
    /// The evaluator whose dealt shares come from the PRF it has in common with the dealer.
    Evaluator0,
    /// The evaluator that receives the dealer's corrections.
    Evaluator1,
}

impl Role {
    /// The name used in metrics and messages to people.
    pub fn name(self) -> &'static str {
        match self {
            Role::Dealer => "dealer",
            Role::Evaluator0 => "evaluator-0",
            Role::Evaluator1 => "evaluator-1",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who deals and who evaluates in one session: a permutation of the three parties.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "[PartyId; 3]", into = "[PartyId; 3]")]
pub struct Roles {
    parties: [PartyId; 3],
}

impl Roles {
    /// All six assignments.
    pub fn all() -> impl Iterator<Item = Roles> {
        PartyId::ALL.into_iter().flat_map(|dealer| {
            let [a, b] = dealer.peers();
            [
                Roles {
                    parties: [dealer, a, b],
                },
                Roles {
                    parties: [dealer, b, a],
                },
            ]
        })
    }

    /// The assignment in which `dealer` deals and its corrections go to `evaluator1`; `None` if they are the same party.
    pub fn new(dealer: PartyId, evaluator1: PartyId) -> Option<Roles> {
        let evaluator0 = dealer.peers().into_iter().find(|&party| party != evaluator1)?;
        (dealer != evaluator1).then_some(Roles {
            parties: [dealer, evaluator0, evaluator1],
        })
    }

    /// The party that plays `role`.
    pub fn party(self, role: Role) -> PartyId {
        self.parties[role as usize]
    }

    /// The role that `party` plays.
    pub fn role(self, party: PartyId) -> Role {
        if party == self.parties[0] {
            Role::Dealer
        } else if party == self.parties[1] {
            Role::Evaluator0
        } else {
            Role::Evaluator1
        }
    }
}

/// Three parties that are not a permutation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("roles name a party twice")]
pub struct RepeatedParty;

impl TryFrom<[PartyId; 3]> for Roles {
    type Error = RepeatedParty;

    fn try_from(parties: [PartyId; 3]) -> Result<Self, Self::Error> {
        match Roles::new(parties[0], parties[2]) {
            Some(roles) if roles.parties == parties => Ok(roles),
            _ => Err(RepeatedParty),
        }
    }
}

impl From<Roles> for [PartyId; 3] {
    fn from(roles: Roles) -> Self {
        roles.parties
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_six_role_assignments_are_distinct_permutations() {
        let all: Vec<Roles> = Roles::all().collect();
        assert_eq!(all.len(), 6);
        for roles in &all {
            for role in [Role::Dealer, Role::Evaluator0, Role::Evaluator1] {
                assert_eq!(roles.role(roles.party(role)), role);
            }
            assert_eq!(Roles::try_from(<[PartyId; 3]>::from(*roles)), Ok(*roles));
        }
    }

    #[test]
    fn a_party_named_twice_is_refused() {
        let twice = [PartyId::Cloud, PartyId::Cloud, PartyId::Auditor];
        assert_eq!(Roles::try_from(twice), Err(RepeatedParty));
        assert_eq!(Roles::new(PartyId::Cloud, PartyId::Cloud), None);
    }

    #[test]
    fn party_names_parse_back() {
        for party in PartyId::ALL {
            assert_eq!(party.name().parse(), Ok(party));
        }
        assert!("dealer".parse::<PartyId>().is_err());
    }
}
