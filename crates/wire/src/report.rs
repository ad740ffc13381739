use std::time::Duration;

use serde::{Deserialize, Serialize};
use tercet_ids::{PartyId, Role, Roles};

/// What one session cost one party, or what of it falls to one query.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PartyReport {
    /// Rounds of exchange between the evaluators; 0 for the dealer.
    pub rounds: u32,
    /// Payload bytes sent to the other evaluator.
    pub online_bytes_sent: u64,
    /// Payload bytes of dealt material sent.
    pub dealt_bytes_sent: u64,
    /// Opening the envelope and agreeing with the peers.
    pub start: Duration,
    /// The dealer's arithmetic and sending; an evaluator's waiting for what is dealt.
    pub deal: Duration,
    /// An evaluator's arithmetic that does not depend on the input; zero for the dealer.
    pub prepare: Duration,
    /// An evaluator's arithmetic on the input; zero for the dealer.
    pub online_compute: Duration,
    /// An evaluator's waiting for the other one; zero for the dealer.
    pub online_wait: Duration,
    /// The whole run of the plan, from the session keys to the output share.
    pub run: Duration,
}

impl PartyReport {
    /// The part of a query of `batch` samples in a session of `samples`: bytes by its samples, rounded up; rounds and times whole,
    /// since all queries of a session go through them together.
    pub fn share(&self, batch: u32, samples: u32) -> PartyReport {
        let part = |bytes: u64| (u128::from(bytes) * u128::from(batch)).div_ceil(u128::from(samples.max(1))) as u64;
        PartyReport {
            online_bytes_sent: part(self.online_bytes_sent),
            dealt_bytes_sent: part(self.dealt_bytes_sent),
            ..*self
        }
    }
}

/// What one query cost, as the coordinator and the three parties measured it. Of a session that it shared with others it bears its part of
/// the bytes, and all rounds and times.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What each party reports, by party index.
    pub parties: [PartyReport; 3],
    /// Waiting for a turn at the coordinator.
    pub queue: Duration,
    /// From the arrival of the request at the coordinator to the last party's result.
    pub total: Duration,
    /// Whether the session was prepared before the query came: what it took to deal and to prepare was not waited for then.
    pub is_prepared: bool,
}

impl Report {
    /// The online phase: the longer one of the two evaluators' work and waits on the input. `roles` are those of the session.
    pub fn online(&self, roles: Roles) -> Duration {
        let of = |role| {
            let party = self.party(roles.party(role));
            party.online_compute + party.online_wait + party.deal
        };
        of(Role::Evaluator0).max(of(Role::Evaluator1))
    }

    /// What `party` reports.
    pub fn party(&self, party: PartyId) -> &PartyReport {
        &self.parties[party.index()]
    }
}
