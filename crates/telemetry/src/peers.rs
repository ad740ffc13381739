use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge};
use tercet_ids::PartyId;

use crate::labels::{Label, StallCause};
use crate::names::{PEER_CONNECTS, PEER_ROUND_TRIP, PEER_STALLS, PEER_UP, ROUND_TRIP_BUCKETS};
use crate::registry::Registry;

/// State and quality of the connections to parties.
#[derive(Clone)]
pub struct PeerMetrics {
    peers: Vec<(PartyId, Peer)>,
}

#[derive(Clone)]
struct Peer {
    up: IntGauge,
    connects: IntCounter,
    round_trip: Histogram,
    /// By [`StallCause`].
    stalls: Vec<IntCounter>,
}

impl PeerMetrics {
    pub(crate) fn new(registry: &Registry, peers: &[PartyId]) -> PeerMetrics {
        let up = registry.gauges(PEER_UP);
        let connects = registry.counters(PEER_CONNECTS);
        let round_trip = registry.histograms(PEER_ROUND_TRIP, ROUND_TRIP_BUCKETS);
        let stalls = registry.counters(PEER_STALLS);
        let handles = |party: PartyId| Peer {
            up: up.with_label_values(&[party.name()]),
            connects: connects.with_label_values(&[party.name()]),
            round_trip: round_trip.with_label_values(&[party.name()]),
            stalls: StallCause::ALL
                .iter()
                .map(|cause| stalls.with_label_values(&[party.name(), cause.value()]))
                .collect(),
        };
        PeerMetrics {
            peers: peers.iter().map(|&party| (party, handles(party))).collect(),
        }
    }

    /// A connection with the party now stands.
    pub fn connected(&self, party: PartyId) {
        if let Some(peer) = self.peer(party) {
            peer.up.set(1);
            peer.connects.inc();
        }
    }

    /// The connection with the party is lost.
    pub fn disconnected(&self, party: PartyId) {
        if let Some(peer) = self.peer(party) {
            peer.up.set(0);
        }
    }

    /// A sample of the smoothed round-trip time.
    pub fn round_trip(&self, party: PartyId, time: Duration) {
        if let Some(peer) = self.peer(party) {
            peer.round_trip.observe(time.as_secs_f64());
        }
    }

    /// So many frames of the party came late, or paused.
    pub fn stalled(&self, party: PartyId, cause: StallCause, frames: u64) {
        if let Some(peer) = self.peer(party) {
            peer.stalls[cause.index()].inc_by(frames);
        }
    }

    /// A process is not its own peer; such a sample has no series.
    fn peer(&self, party: PartyId) -> Option<&Peer> {
        self.peers.iter().find(|(of, _)| *of == party).map(|(_, peer)| peer)
    }
}
