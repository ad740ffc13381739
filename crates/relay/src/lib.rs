//! A wide-area network between the processes of one machine, in user space.
//!
//! A [`Relay`] stands between hosts: each dials its peers through a port of the relay, which passes the packets on as a
//! real path would. They leave their host one after another at its rate, wait in its queue, which drops what does not
//! fit, and arrive after the one-way delay, in order and without jitter. What happens to a packet is decided by
//! [`Network`], which takes packets and the time and does no I/O; the rest moves packets between sockets and it.
//!
//! What the packets carry plays no part: the relay sees QUIC's ciphertext.

mod error;
mod flows;
mod network;
mod outgoing;
mod path;
mod relay;
mod socket;
mod worker;

pub use error::RelayError;
pub use network::{HostId, Network, Refused};
pub use path::{HEADER_BYTES, PAYLOAD_BYTES_MAX, Path, QUEUE_BYTES, QUEUE_TIME};
pub use relay::{Relay, Route};
pub use worker::Traffic;
