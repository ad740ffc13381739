//! Making connections: dialling the peers of higher index, and taking the calls of everybody else.

use actix::Addr;
use tercet_ids::PartyId;
use tercet_net::{CloseReason, Dialer, Listener, PeerName};

use crate::control::Control;
use crate::messages::{CoordinatorConnected, PeerConnected};
use crate::peers::Peers;

/// Keeps a connection to a peer for as long as the node runs.
pub async fn keep_dialling(mut dialer: Dialer, party: PartyId, peers: Addr<Peers>) {
    loop {
        let connection = dialer.connect().await;
        let connected = PeerConnected {
            party,
            connection: connection.clone(),
        };
        if peers.send(connected).await.is_err() {
            return connection.close(CloseReason::Shutdown);
        }
        connection.closed().await;
    }
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
