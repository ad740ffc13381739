use std::time::Duration;

use serde::Deserialize;

use crate::bounds::named::{IDLE_SECONDS, KEEP_ALIVE_SECONDS, MTU, WINDOW_BYTES};
use crate::check::Check;
use crate::field::{Field, UnknownKeys};

/// `[transport]`: how QUIC behaves on this program's links.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TransportFile {
    /// Bytes of a UDP payload. Default 1452, which passes the internet. 6500 on loopback or with jumbo frames more than doubles
    /// the throughput; more than the path carries makes the connection stall.
    pub mtu: Field<u64>,
    /// Bytes in flight before the sender waits. Default 2097152. Raise it to bandwidth x round trip on a long line; more than that costs
    /// memory and cache.
    pub window_bytes: Field<u64>,
    /// Seconds of silence after which a peer counts as lost. Default 4. Every session with it fails then, so this is what a query loses when
    /// a machine dies; too short loses a peer over a few lost packets.
    pub idle_seconds: Field<u64>,
    /// Seconds of silence after which a sign of life is sent. Default 1. Must be at most half of `idle_seconds`, and below the time
    /// after which firewalls on the path forget a UDP flow.
    pub keep_alive_seconds: Field<u64>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// How QUIC behaves on a program's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportConfig {
    /// Bytes of a UDP payload.
    pub mtu: u16,
    /// Bytes in flight before the sender waits.
    pub window_bytes: u32,
    /// Silence after which a peer counts as lost.
    pub idle: Duration,
    /// Silence after which a sign of life is sent.
    pub keep_alive: Duration,
}

impl TransportConfig {
    pub(crate) fn read(check: &mut Check, file: TransportFile) -> Option<TransportConfig> {
        check.unknown(
            &file.unknown,
            &["mtu", "window_bytes", "idle_seconds", "keep_alive_seconds"],
        );
        let mtu = check.number("mtu", file.mtu, MTU);
        let window = check.number("window_bytes", file.window_bytes, WINDOW_BYTES);
        let idle = check.number("idle_seconds", file.idle_seconds, IDLE_SECONDS);
        let keep_alive = check.number("keep_alive_seconds", file.keep_alive_seconds, KEEP_ALIVE_SECONDS);
        let (idle, keep_alive) = (idle?, keep_alive?);
        if keep_alive * 2 > idle {
            check.fault(
                "keep_alive_seconds",
                format!("{keep_alive} is more than half of idle_seconds = {idle}; one lost packet would lose the peer"),
            );
        }
        Some(TransportConfig {
            mtu: u16::try_from(mtu?).ok()?,
            window_bytes: u32::try_from(window?).ok()?,
            idle: Duration::from_secs(idle),
            keep_alive: Duration::from_secs(keep_alive),
        })
    }
}
