//! QUIC links between pinned identities.
//!
//! An [`Endpoint`] dials and accepts [`Connection`]s under mutual TLS 1.3. A peer is who its pinned certificate says; a
//! certificate that is not pinned is refused in the handshake, on either side. A connection carries [`Stream`]s of
//! length-prefixed messages, and a stream can become a [`SessionStream`], the blocking frame link that a compute thread
//! uses. What the messages and frames mean is left to others.

mod connection;
mod dialer;
mod driver;
mod endpoint;
mod error;
mod fingerprint;
mod frame;
mod handshake;
mod identity;
mod limits;
mod peer;
mod session;
mod stall;
mod stream;
mod transport;
mod underway;
mod wait;

pub use connection::{CloseReason, Connection};
pub use dialer::Dialer;
pub use endpoint::{Endpoint, Listener};
pub use error::{LossReason, NetError};
pub use fingerprint::{Fingerprint, MalformedFingerprint};
pub use frame::{FrameHeader, HEADER_BYTES};
pub use identity::{Identity, IdentityError};
pub use limits::*;
pub use peer::{Peer, PeerName, RepeatedFingerprint, TrustedPeers};
pub use session::SessionStream;
pub use stall::{STALL_TIME, Stalls};
pub use stream::{Stream, StreamReader, StreamWriter};
pub use transport::{InvalidTransport, TransportSettings};
pub use underway::{Underway, UnderwayGuard};
pub use wait::Cancellation;
