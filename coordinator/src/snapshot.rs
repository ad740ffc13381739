//! What the coordinator knows of the three nodes at one moment.

use std::time::Duration;

use tercet_ids::PartyId;
use tercet_net::Connection;
use tercet_wire::{Model, NodeState, NodeStatus, Pong};

use crate::catalogue::Holdings;
use crate::roles::RoundTrips;

/// The three nodes, by party index.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Each node.
    pub nodes: [NodeView; 3],
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Which.
    pub party: PartyId,
    /// The connection, while there is one.
    pub connection: Option<Connection>,
    /// What it last said of itself; `None` if it did not answer.
    pub pong: Option<Box<Pong>>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Snapshot {
            nodes: PartyId::ALL.map(|party| NodeView {
                party,
                connection: None,
                pong: None,
            }),
        }
    }
}

impl NodeView {
    /// What it said, if it can be reached now.
    fn heard(&self) -> Option<&Pong> {
        self.pong.as_deref().filter(|_| self.connection.is_some())
    }
}

impl Snapshot {
    /// The connection to a node.
    pub fn connection(&self, party: PartyId) -> Option<Connection> {
        self.nodes[party.index()].connection.clone()
    }

    /// What each node serves.
    pub fn holdings(&self) -> Holdings<'_> {
        self.nodes
            .each_ref()
            .map(|node| node.heard().map(|pong| pong.offers.as_slice()))
    }

    /// The round-trip time of each pair, by the index of the party outside it: the lower of what its two ends measured.
    pub fn round_trips(&self) -> RoundTrips {
        PartyId::ALL.map(|outside| {
            let [a, b] = outside.peers();
            let measured = |at: PartyId, of: PartyId| {
                let links = &self.nodes[at.index()].heard()?.links;
                links.iter().find(|link| link.peer == of)?.round_trip_us
            };
            // Both ends must have the connection: one of them may still believe in one that is gone.
            Some(measured(a, b)?.min(measured(b, a)?))
        })
    }

    /// How many sessions may run at once: what every node takes, and the coordinator is configured for.
    pub fn concurrency(&self, configured: usize) -> usize {
        let taken = self
            .nodes
            .iter()
            .filter_map(|node| node.heard())
            .map(|pong| pong.sessions_max as usize);
        taken.fold(configured, usize::min).max(1)
    }

    /// Whether nothing is about to change by itself: all nodes are ready and connected to each other, or one can't be reached.
    pub fn is_settled(&self) -> bool {
        let heard = || self.nodes.iter().map(|node| node.heard());
        let starting = heard().flatten().any(|pong| pong.state == NodeState::Starting);
        let connected = self.round_trips().iter().all(Option::is_some);
        heard().any(|pong| pong.is_none()) || (connected && !starting)
    }

    /// The first node that takes no sessions, and why.
    pub fn unready(&self) -> Option<String> {
        self.nodes
            .iter()
            .find_map(|node| match node.heard().map(|pong| pong.state) {
                Some(NodeState::Ready) => None,
                Some(NodeState::Starting) => Some(format!("{} is starting", node.party)),
                Some(NodeState::Stopping) => Some(format!("{} is stopping", node.party)),
                None => Some(format!("{} can't be reached", node.party)),
            })
    }

    /// What a client that asks is told.
    pub fn status(&self) -> [NodeStatus; 3] {
        self.nodes.each_ref().map(|node| {
            let microseconds = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
            let heard = node.heard();
            let offers = heard.into_iter().flat_map(|pong| &pong.offers);
            let models: Vec<Model> = offers.map(|offer| offer.model.clone()).collect();
            NodeStatus {
                party: node.party,
                state: heard.map(|pong| pong.state),
                round_trip_us: node
                    .connection
                    .as_ref()
                    .map(|connection| microseconds(connection.round_trip())),
                links: heard.map(|pong| pong.links.to_vec()).unwrap_or_default(),
                models,
            }
        })
    }
}
