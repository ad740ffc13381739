//! Every bound of this crate.

use std::time::Duration;

/// Application protocol of every connection; a peer that speaks another is refused in the handshake.
pub const ALPN: &[u8] = b"tercet/1";

/// Longest time a handshake may take, on either side, including the acceptor's greeting.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(3);

/// Handshakes an endpoint has in hand at once. Each costs one signature and about 20 KB; more are refused unread.
pub const HANDSHAKES_MAX: usize = 64;

/// Accepted connections that wait for [`crate::Listener::accept`].
pub const ACCEPTED_MAX: usize = 64;

/// Open connections of one endpoint, both directions; incoming ones above it are refused.
pub const CONNECTIONS_MAX: usize = 1024;

/// Longest time that a name may take to resolve.
pub const RESOLVE_TIME_MAX: Duration = Duration::from_secs(5);

/// First pause of a dialer after a failed attempt.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(50);

/// Longest pause of a dialer. Short, since a lost peer stops the whole service and an attempt costs one packet.
pub const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Largest MTU with segmentation offload: ten segments of it (the most quinn puts in one send) must stay below the
/// 64 KiB of a UDP send, or the kernel refuses every send and the connection hangs.
pub const MTU_MAX: u16 = 6500;

/// Smallest MTU that QUIC allows.
pub const MTU_MIN: u16 = 1200;

/// Largest payload of a session frame. A stream's receive window must hold one such frame whole, so that two parties
/// that send to each other at once both finish before either reads.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Memory taken for an announced message before its bytes have come; beyond it memory grows with what was received, so
/// that announcing a large message costs the receiver nothing.
pub const MESSAGE_RESERVE_BYTES: usize = 64 << 10;

/// Size asked for the socket's buffers; the kernel may grant less.
pub const SOCKET_BUFFER_BYTES: usize = 4 << 20;
