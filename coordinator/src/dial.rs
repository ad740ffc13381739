//! Keeping a connection to each node.

use actix::Addr;
use tercet_config::Address;
use tercet_ids::PartyId;
use tercet_net::{Backoff, CloseReason, Connection, Endpoint, Peer};
use tokio::time::{sleep, timeout};

use crate::limits::{REDIAL_PAUSE, RESOLVE_TIME_MAX};
use crate::messages::{NodeConnected, NodeLost};
use crate::nodes::Nodes;

/// Dials a node again and again, for as long as the coordinator runs.
pub async fn keep_dialling(endpoint: Endpoint, party: PartyId, address: Address, peer: Peer, nodes: Addr<Nodes>) {
    let mut backoff = Backoff::default();
    let mut last_error = None;
    loop {
        match dial(&endpoint, &address, &peer).await {
            Ok(connection) => {
                backoff.after_success();
                last_error = None;
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
                sleep(REDIAL_PAUSE).await;
            }
            Err(error) => {
                // The same error every second would drown the log.
                if last_error.as_ref() != Some(&error) {
                    tracing::warn!(%party, error, "cannot connect, trying on");
                    last_error = Some(error);
                }
                sleep(backoff.after_failure()).await;
            }
        }
    }
}

/// One attempt. The name is resolved each time: it may move.
async fn dial(endpoint: &Endpoint, address: &Address, peer: &Peer) -> Result<Connection, String> {
    let name = address.clone();
    let resolving = tokio::task::spawn_blocking(move || name.resolve());
    let resolved = match timeout(RESOLVE_TIME_MAX, resolving).await {
        Ok(Ok(resolved)) => resolved.map_err(|error| format!("the address {address} is unknown: {error}"))?,
        Ok(Err(_)) | Err(_) => return Err(format!("the address {address} can't be resolved in time")),
    };
    endpoint
        .connect(resolved, peer)
        .await
        .map_err(|error| error.to_string())
}
