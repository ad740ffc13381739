use std::time::Duration;

use serde::{Deserialize, Serialize};
use tercet_ids::PartyId;

/// What one session cost one party.
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
    /// The dealer's arithmetic and sending; zero for evaluators.
    pub deal: Duration,
    /// The evaluator's arithmetic; zero for the dealer.
    pub online_compute: Duration,
    /// The evaluator's waiting for others; zero for the dealer.
    pub online_wait: Duration,
    /// The whole run of the plan, from the session keys to the output share.
    pub run: Duration,
}

/// What one query cost, as the coordinator and the three parties measured it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What each party reports, by party index.
    pub parties: [PartyReport; 3],
    /// Waiting for a turn at the coordinator.
    pub queue: Duration,
    /// From the arrival of the request at the coordinator to the last party's result.
    pub total: Duration,
}

impl Report {
    /// What `party` reports.
    pub fn party(&self, party: PartyId) -> &PartyReport {
        &self.parties[party.index()]
    }
}
