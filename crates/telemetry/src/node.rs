use prometheus::IntCounter;
use tercet_ids::PartyId;

use crate::labels::{Label, Traffic};
use crate::models::Models;
use crate::names::{RECEIVED_BYTES, SENT_BYTES};
use crate::peers::PeerMetrics;
use crate::pool::NodePoolMetrics;
use crate::queue::QueueMetrics;
use crate::registry::Registry;

/// All a node reports. Every series exists from the start, at 0.
#[derive(Clone)]
pub struct NodeMetrics {
    /// What waits and what runs.
    pub queue: QueueMetrics,
    /// Sessions that wait for a query.
    pub pool: NodePoolMetrics,
    /// Connections to the other parties.
    pub peers: PeerMetrics,
    /// Sessions by model.
    pub models: Models,
    sent: Vec<Vec<IntCounter>>,
    received: Vec<Vec<IntCounter>>,
}

impl NodeMetrics {
    /// Registers the metrics of `party`'s node, whose queue holds `capacity` sessions. Once a registry.
    pub fn new(registry: &Registry, party: PartyId, capacity: usize) -> NodeMetrics {
        let by_peer_and_kind = |metric| {
            let family = registry.counters(metric);
            let kinds = |peer: PartyId| -> Vec<IntCounter> {
                Traffic::ALL
                    .iter()
                    .map(|kind| family.with_label_values(&[peer.name(), kind.value()]))
                    .collect()
            };
            // A party sends nothing to itself, so it has no such series.
            PartyId::ALL
                .into_iter()
                .map(|peer| if peer == party { Vec::new() } else { kinds(peer) })
                .collect()
        };
        NodeMetrics {
            queue: QueueMetrics::new(registry, capacity),
            pool: NodePoolMetrics::new(registry),
            peers: PeerMetrics::new(registry, &party.peers()),
            models: Models::new(registry),
            sent: by_peer_and_kind(SENT_BYTES),
            received: by_peer_and_kind(RECEIVED_BYTES),
        }
    }

    /// So many payload bytes went to a peer.
    pub fn sent(&self, peer: PartyId, kind: Traffic, bytes: u64) {
        if let Some(counter) = self.sent[peer.index()].get(kind.index()) {
            counter.inc_by(bytes);
        }
    }

    /// So many payload bytes came from a peer.
    pub fn received(&self, peer: PartyId, kind: Traffic, bytes: u64) {
        if let Some(counter) = self.received[peer.index()].get(kind.index()) {
            counter.inc_by(bytes);
        }
    }
}
