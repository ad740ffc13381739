use std::net::SocketAddr;
use std::time::Duration;

use crate::{CloseReason, Fingerprint, HANDSHAKE_TIME_MAX, InvalidTransport, PeerName};

/// What can go wrong on a link. Every variant that a peer can cause names the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The local address could not be bound. Fault: configuration.
    #[error("cannot listen on {address}: {reason}; choose a free local UDP address")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        reason: String,
    },
    /// The transport settings contradict each other. Fault: configuration.
    #[error(transparent)]
    Transport(#[from] InvalidTransport),
    /// The peer's address could not be found. Fault: configuration, or name service.
    #[error("the address of {peer} is unknown ({reason}); correct it in the configuration, or see to the name service")]
    Unresolved {
        /// Who was dialled.
        peer: PeerName,
        /// What the resolver said.
        reason: String,
    },
    /// Nobody answered. Fault: peer, or the configured address.
    #[error(
        "no answer from {peer} at {address} in {} s; check that it runs, that the address is right and that UDP passes",
        HANDSHAKE_TIME_MAX.as_secs()
    )]
    Unreachable {
        /// Who was dialled.
        peer: PeerName,
        /// Where.
        address: SocketAddr,
    },
    /// The dialled peer presented a certificate other than the pinned one. Fault: configuration, or an impostor.
    #[error(
        "whoever answers for {peer} at {address} has certificate {presented}, not the pinned {expected}; \
         correct the address or the fingerprint, and trust neither until you know who answers there"
    )]
    WrongIdentity {
        /// Who was dialled.
        peer: PeerName,
        /// Where.
        address: SocketAddr,
        /// The certificate it presented.
        presented: Fingerprint,
        /// The certificate that is pinned.
        expected: Fingerprint,
    },
    /// The dialled peer does not accept this end. Fault: configuration of one of the two.
    #[error("{peer} at {address} refused this end ({reason}); have this end's certificate fingerprint pinned there")]
    Refused {
        /// Who was dialled.
        peer: PeerName,
        /// Where.
        address: SocketAddr,
        /// What it said.
        reason: String,
    },
    /// The connection broke. Fault: peer or network.
    #[error("the connection to {peer} was lost: {reason}; check that it still runs, then try again")]
    PeerLost {
        /// Who was at the other end.
        peer: PeerName,
        /// How it broke.
        reason: LossReason,
    },
    /// The peer closed the connection on purpose.
    #[error("{peer} closed the connection: {reason}")]
    ClosedByPeer {
        /// Who was at the other end.
        peer: PeerName,
        /// Why it closed.
        reason: CloseReason,
    },
    /// This end closed the connection or the endpoint.
    #[error("the connection to {peer} was closed by this end")]
    Closed {
        /// Who was at the other end.
        peer: PeerName,
    },
    /// The peer gave this stream up, or ended it before all was said; the connection lives.
    #[error("{peer} gave up the stream before it was complete")]
    Abandoned {
        /// Who was at the other end.
        peer: PeerName,
    },
    /// This end cancelled the session.
    #[error("the session with {peer} was cancelled")]
    Cancelled {
        /// Who was at the other end.
        peer: PeerName,
    },
    /// The deadline passed while waiting for the peer.
    #[error("{peer} did not answer before the deadline; raise the deadline or see what keeps it busy")]
    Timeout {
        /// Who was at the other end.
        peer: PeerName,
    },
    /// The peer announced more than this end takes; nothing of it was read. Fault: peer.
    #[error("{peer} announced {bytes} bytes where at most {limit} are taken; align the limits of both ends")]
    TooLarge {
        /// Who announced it.
        peer: PeerName,
        /// The announced length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A message of this end is larger than its own limit; nothing was sent. Fault: caller.
    #[error("a message of {bytes} bytes to {peer} exceeds the limit of {limit}; send less at once")]
    OwnTooLarge {
        /// Who should have got it.
        peer: PeerName,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

/// How a connection broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LossReason {
    /// Nothing came for the idle time, keep-alives included.
    #[error("nothing came from it for {} ms", .0.as_millis())]
    Silent(Duration),
    /// It answers but knows nothing of this connection.
    #[error("its process was restarted")]
    Restarted,
    /// It broke the transport protocol, or found this end to.
    #[error("transport failure ({0})")]
    Transport(String),
}
