//! Keeping a connection to each node.

use actix::Addr;
use tercet_ids::PartyId;
use tercet_net::{CloseReason, Dialer};

use crate::messages::{NodeConnected, NodeLost};
use crate::nodes::Nodes;

/// Dials a node again and again, for as long as the coordinator runs.
pub async fn keep_dialling(mut dialer: Dialer, party: PartyId, nodes: Addr<Nodes>) {
    loop {
        let connection = dialer.connect().await;
        let connected = NodeConnected {
            party,
            connection: connection.clone(),
        };
        if nodes.send(connected).await.is_err() {
            return connection.close(CloseReason::Shutdown);
        }
        let error = connection.closed().await;
        tracing::warn!(%party, %error, "connection lost");
        if nodes.send(NodeLost(party)).await.is_err() {
            return;
        }
    }
}
