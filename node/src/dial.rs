//! Making connections: dialling the peers of higher index, and taking the calls of everybody else.

use actix::Addr;
use tercet_config::Address;
use tercet_ids::PartyId;
use tercet_net::{Backoff, CloseReason, Connection, Endpoint, Listener, Peer, PeerName};
use tokio::time::{sleep, timeout};

use crate::control::Control;
use crate::limits::{REDIAL_PAUSE, RESOLVE_TIME_MAX};
use crate::messages::{CoordinatorConnected, PeerConnected};
use crate::peers::Peers;

/// Keeps a connection to `peer` for as long as the node runs.
pub async fn keep_dialling(endpoint: Endpoint, party: PartyId, address: Address, peer: Peer, peers: Addr<Peers>) {
    let mut backoff = Backoff::default();
    let mut last_error = None;
    loop {
        match dial(&endpoint, &address, &peer).await {
            Ok(connection) => {
                backoff.after_success();
                last_error = None;
                let connected = PeerConnected {
                    party,
                    connection: connection.clone(),
                };
                if peers.send(connected).await.is_err() {
                    return connection.close(CloseReason::Shutdown);
                }
                connection.closed().await;
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

/// Hands every caller to the actor it is for, until the endpoint is closed.
pub async fn take_calls(mut listener: Listener, me: PartyId, peers: Addr<Peers>, control: Addr<Control>) {
    while let Some(connection) = listener.accept().await {
        let taken = match connection.peer().name {
            PeerName::Party(party) if party.index() < me.index() => {
                peers.send(PeerConnected { party, connection }).await.is_ok()
            }
            PeerName::Coordinator => control.send(CoordinatorConnected(connection)).await.is_ok(),
            PeerName::Party(_) | PeerName::Client(_) => {
                tracing::warn!(peer = %connection.peer().name, "dialled this node, which dials it");
                connection.close(CloseReason::Misbehaved);
                true
            }
        };
        if !taken {
            return;
        }
    }
}
