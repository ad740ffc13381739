use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ConnectionError, VarInt};
use zeroize::Zeroizing;

use crate::driver::NetworkRuntime;
use crate::stall::{Arrival, StallCounters};
use crate::{LossReason, NetError, Peer, PeerName, Stalls, Stream};

/// What the acceptor sends when it has accepted the dialler.
pub(crate) const GREETING: &[u8] = &[1];

/// The name in the handshake's server-name field. Identity is the certificate, so it carries nothing.
pub(crate) const NAMELESS_SERVER: &str = "tercet";

/// Label of the secret that a pair of parties derives from its connection.
const SECRET_LABEL: &[u8] = b"EXPORTER-tercet-pair-secret";

/// An authenticated connection. A clone is another handle to the same one.
#[derive(Clone, Debug)]
pub struct Connection {
    inner: quinn::Connection,
    peer: Peer,
    idle: Duration,
    runtime: Arc<NetworkRuntime>,
    stalls: Arc<StallCounters>,
}

/// Why an end closed a connection, sent to the other one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The process ends.
    Shutdown,
    /// A newer connection of the same peer takes its place.
    Replaced,
    /// The other end broke the protocol.
    Misbehaved,
    /// No room for another connection.
    Overloaded,
    /// A code of another release.
    Other(u64),
}

impl CloseReason {
    pub(crate) fn code(self) -> VarInt {
        match self {
            CloseReason::Shutdown => VarInt::from_u32(1),
            CloseReason::Replaced => VarInt::from_u32(2),
            CloseReason::Misbehaved => VarInt::from_u32(3),
            CloseReason::Overloaded => VarInt::from_u32(4),
            CloseReason::Other(code) => VarInt::from_u64(code).unwrap_or(VarInt::MAX),
        }
    }

    fn of(code: VarInt) -> CloseReason {
        [
            CloseReason::Shutdown,
            CloseReason::Replaced,
            CloseReason::Misbehaved,
            CloseReason::Overloaded,
        ]
        .into_iter()
        .find(|reason| reason.code() == code)
        .unwrap_or(CloseReason::Other(code.into_inner()))
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Shutdown => f.write_str("it is shutting down"),
            CloseReason::Replaced => f.write_str("a newer connection took its place"),
            CloseReason::Misbehaved => f.write_str("it found that this end broke the protocol"),
            CloseReason::Overloaded => f.write_str("it has no room for another connection"),
            CloseReason::Other(code) => write!(f, "code {code}, unknown to this release"),
        }
    }
}

impl Connection {
    pub(crate) fn new(
        inner: quinn::Connection,
        peer: Peer,
        idle: Duration,
        runtime: Arc<NetworkRuntime>,
    ) -> Connection {
        Connection {
            inner,
            peer,
            idle,
            runtime,
            stalls: Arc::default(),
        }
    }

    /// Who is at the other end, proved by its certificate.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Where its packets come from.
    pub fn remote_address(&self) -> SocketAddr {
        self.inner.remote_address()
    }

    /// A number that no other open connection of this endpoint has.
    pub fn id(&self) -> usize {
        self.inner.stable_id()
    }

    /// The smoothed round-trip time of the transport.
    pub fn round_trip(&self) -> Duration {
        self.inner.rtt()
    }

    /// The stalls of its sessions since this was last asked.
    pub fn take_stalls(&self) -> Stalls {
        self.stalls.take()
    }

    /// Counts how a frame of a session came.
    pub(crate) fn frame_arrived(&self, arrival: Arrival) {
        self.stalls.arrived(arrival, || self.round_trip());
    }

    /// Where its work is done.
    pub(crate) fn network(&self) -> &NetworkRuntime {
        &self.runtime
    }

    /// Opens a stream. The peer sees it when something is written.
    ///
    /// Waits while the peer's limit of open streams is reached; the caller bounds the wait.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn open_stream(&self) -> Result<Stream, NetError> {
        let (send, receive) = self.inner.open_bi().await.map_err(|error| self.error(error))?;
        Ok(Stream::new(send, receive, self.clone()))
    }

    /// The next stream that the peer opens.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn accept_stream(&self) -> Result<Stream, NetError> {
        let (send, receive) = self.inner.accept_bi().await.map_err(|error| self.error(error))?;
        Ok(Stream::new(send, receive, self.clone()))
    }

    /// Thirty-two bytes that the two ends of this connection know and nobody else (RFC 8446, section 7.5). `context`
    /// separates uses.
    ///
    /// # Errors
    /// [`NetError::PeerLost`] if the connection never got up.
    pub fn export_secret(&self, context: &[u8]) -> Result<Zeroizing<[u8; 32]>, NetError> {
        let mut secret = Zeroizing::new([0; 32]);
        self.inner
            .export_keying_material(secret.as_mut_slice(), SECRET_LABEL, context)
            .map_err(|_| NetError::PeerLost {
                peer: self.peer.name.clone(),
                reason: LossReason::Transport("no key material".to_owned()),
            })?;
        Ok(secret)
    }

    /// Closes the connection at once; its streams fail on both ends.
    pub fn close(&self, reason: CloseReason) {
        self.inner.close(reason.code(), reason.to_string().as_bytes());
    }

    /// Waits until the connection is gone and says why.
    pub async fn closed(&self) -> NetError {
        let error = self.inner.closed().await;
        self.error(error)
    }

    /// Why the connection is gone; `None` while it lives.
    pub fn close_reason(&self) -> Option<NetError> {
        self.inner.close_reason().map(|error| self.error(error))
    }

    fn error(&self, error: ConnectionError) -> NetError {
        self.origin().connection_error(error)
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin {
            peer: self.peer.name.clone(),
            idle: self.idle,
        }
    }
}

/// What a stream has to know of its connection to report errors.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) peer: PeerName,
    idle: Duration,
}

impl Origin {
    pub(crate) fn connection_error(&self, error: ConnectionError) -> NetError {
        let peer = self.peer.clone();
        let reason = match error {
            ConnectionError::ApplicationClosed(close) => {
                return NetError::ClosedByPeer {
                    peer,
                    reason: CloseReason::of(close.error_code),
                };
            }
            ConnectionError::LocallyClosed => return NetError::Closed { peer },
            ConnectionError::TimedOut => LossReason::Silent(self.idle),
            ConnectionError::Reset => LossReason::Restarted,
            error => LossReason::Transport(error.to_string()),
        };
        NetError::PeerLost { peer, reason }
    }
}
