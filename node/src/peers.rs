//! `Peers`: the connections to the other two parties, and the streams they open.

use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, MessageResult, WrapFuture};
use tercet_ids::PartyId;
use tercet_net::{CloseReason, Connection, Stalls, Stream};
use tercet_telemetry::{NodeMetrics, StallCause};
use tercet_wire::{CONTROL_MESSAGE_BYTES_MAX, Hello, LinkStatus, decode};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::failure::SessionError;
use crate::limits::{GREETING_TIME_MAX, MAILBOX_MAX, ROUND_TRIP_SAMPLE_TIME};
use crate::messages::{
    AwaitStream, ForgetSession, Incoming, LinkStates, PeerConnected, PeerLost, Reach, StreamArrived,
};
use crate::parking::{Arrival, Parking};

/// Owns one connection to each peer, and brings streams and sessions together.
///
/// Of two parties the one of lower index dials and opens the streams, so that each pair has one connection and each session
/// one stream in it.
pub struct Peers {
    me: PartyId,
    connections: [(PartyId, Option<Connection>); 2],
    parking: Parking<Incoming, oneshot::Sender<Incoming>>,
    metrics: NodeMetrics,
}

impl Peers {
    /// The peers of `me`, none of them connected yet.
    pub fn new(me: PartyId, metrics: NodeMetrics) -> Peers {
        Peers {
            me,
            connections: me.peers().map(|peer| (peer, None)),
            parking: Parking::default(),
            metrics,
        }
    }

    fn connection(&mut self, party: PartyId) -> Option<&mut Option<Connection>> {
        self.connections
            .iter_mut()
            .find(|(peer, _)| *peer == party)
            .map(|(_, connection)| connection)
    }

    fn count_stalls(&self, party: PartyId, connection: &Connection) {
        let Stalls { transport, peer } = connection.take_stalls();
        self.metrics.peers.stalled(party, StallCause::Transport, transport);
        self.metrics.peers.stalled(party, StallCause::Peer, peer);
    }

    fn reach(&mut self, peer: PartyId) -> Result<Connection, SessionError> {
        let connection = self.connection(peer).and_then(|connection| connection.clone());
        connection.ok_or(SessionError::NotConnected { party: self.me, peer })
    }
}

impl Actor for Peers {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(MAILBOX_MAX);
        context.run_interval(ROUND_TRIP_SAMPLE_TIME, |peers, _| {
            peers.parking.expire(Instant::now());
            for (party, connection) in &peers.connections {
                if let Some(connection) = connection {
                    peers.metrics.peers.round_trip(*party, connection.round_trip());
                    peers.count_stalls(*party, connection);
                }
            }
        });
    }
}

impl Handler<PeerConnected> for Peers {
    type Result = ();

    fn handle(&mut self, PeerConnected { party, connection }: PeerConnected, context: &mut Context<Self>) {
        let we_open = self.me.index() < party.index();
        let Some(place) = self.connection(party) else {
            return connection.close(CloseReason::Misbehaved);
        };
        if let Some(old) = place.replace(connection.clone()) {
            old.close(CloseReason::Replaced);
            self.parking.forget_peer(party);
        }
        self.metrics.peers.connected(party);
        tracing::info!(%party, address = %connection.remote_address(), "connected");

        let peers = context.address();
        let watched = async move {
            let id = connection.id();
            accept_streams(party, connection, we_open, peers).await;
            id
        };
        let lost = move |connection, peers: &mut Peers, context: &mut Context<Peers>| {
            peers.handle(PeerLost { party, connection }, context);
        };
        context.spawn(watched.into_actor(self).map(lost));
    }
}

/// Takes the streams of a peer until its connection is gone.
async fn accept_streams(party: PartyId, connection: Connection, we_open: bool, peers: Addr<Peers>) {
    loop {
        let stream = match connection.accept_stream().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%party, %error, "connection lost");
                return;
            }
        };
        if we_open {
            tracing::warn!(%party, "opened a stream where only this party does");
            return connection.close(CloseReason::Misbehaved);
        }
        let (connection, peers) = (connection.clone(), peers.clone());
        // As many of these as the peer may have streams open.
        actix::spawn(async move {
            match timeout(GREETING_TIME_MAX, greeting(stream, connection)).await {
                Ok(Ok(incoming)) => {
                    // Fails only if the node is being stopped.
                    let _ = peers.send(StreamArrived { party, incoming }).await;
                }
                Ok(Err(reason)) => tracing::warn!(%party, reason, "a stream without a greeting"),
                Err(_) => tracing::warn!(%party, "a stream without a greeting in time"),
            }
        });
    }
}

async fn greeting(mut stream: Stream, connection: Connection) -> Result<Incoming, String> {
    let bytes = stream
        .reader
        .read_message(CONTROL_MESSAGE_BYTES_MAX)
        .await
        .map_err(|error| error.to_string())?;
    let hello: Hello = decode(&bytes).map_err(|error| error.to_string())?;
    Ok(Incoming {
        stream,
        hello,
        connection,
    })
}

impl Handler<PeerLost> for Peers {
    type Result = ();

    fn handle(&mut self, PeerLost { party, connection }: PeerLost, _: &mut Context<Self>) {
        let Some(place) = self.connection(party) else { return };
        if let Some(lost) = place.take_if(|current| current.id() == connection) {
            self.count_stalls(party, &lost);
            self.parking.forget_peer(party);
            self.metrics.peers.disconnected(party);
        }
    }
}

impl Handler<StreamArrived> for Peers {
    type Result = ();

    fn handle(&mut self, StreamArrived { party, incoming }: StreamArrived, _: &mut Context<Self>) {
        let session = incoming.hello.session;
        match self.parking.arrive(Instant::now(), party, session, incoming) {
            Arrival::Parked => {}
            // A session that no longer waits drops the stream, which tells the peer.
            Arrival::Meets(session, incoming) => drop(session.send(incoming)),
            Arrival::Refused(_) => tracing::warn!(%party, %session, "refused a stream: too many, or a second one"),
        }
    }
}

impl Handler<Reach> for Peers {
    type Result = Result<Connection, SessionError>;

    fn handle(&mut self, Reach(peer): Reach, _: &mut Context<Self>) -> Self::Result {
        self.reach(peer)
    }
}

impl Handler<AwaitStream> for Peers {
    type Result = Result<oneshot::Receiver<Incoming>, SessionError>;

    fn handle(&mut self, AwaitStream { party, session }: AwaitStream, _: &mut Context<Self>) -> Self::Result {
        self.reach(party)?;
        let (wake, arrives) = oneshot::channel();
        match self.parking.take(party, session) {
            // The receiver is in our hands, so it takes the stream.
            Some(incoming) => drop(wake.send(incoming)),
            None => self.parking.wait(Instant::now(), party, session, wake),
        }
        Ok(arrives)
    }
}

impl Handler<ForgetSession> for Peers {
    type Result = ();

    fn handle(&mut self, ForgetSession(session): ForgetSession, _: &mut Context<Self>) {
        self.parking.forget_session(session);
    }
}

impl Handler<LinkStates> for Peers {
    type Result = MessageResult<LinkStates>;

    fn handle(&mut self, _: LinkStates, _: &mut Context<Self>) -> Self::Result {
        let microseconds = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        MessageResult(self.connections.each_ref().map(|(peer, connection)| {
            LinkStatus {
                peer: *peer,
                round_trip_us: connection
                    .as_ref()
                    .map(|connection| microseconds(connection.round_trip())),
            }
        }))
    }
}
