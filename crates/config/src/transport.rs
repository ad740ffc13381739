use std::time::Duration;

use serde::Deserialize;

use crate::bounds::named::{IDLE_SECONDS, KEEP_ALIVE_MILLISECONDS, MTU, WINDOW_BYTES};
use crate::check::Check;
use crate::field::{Field, UnknownKeys};

/// `[transport]`: how QUIC behaves on this program's links.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TransportFile {
    /// Bytes of a UDP payload, at most. Default 6500. Connections begin with 1200 and probe for what the path carries up to this, so
    /// a large value does no harm; loopback and jumbo frames gain more than double the throughput of 1452.
    pub mtu: Field<u64>,
    /// Bytes of a session in flight before the sender waits, and of a connection before anything was acknowledged. Default
    /// 4194304: 800 Mbit/s at 40 ms. Raise it to bandwidth x round trip on a longer line; a line that drops what it cannot queue may
    /// need less.
    pub window_bytes: Field<u64>,
    /// Seconds of silence after which a peer counts as lost. Default 2. Every session with it fails then, so this is what a query loses when
    /// a machine dies; too short loses a peer over a few lost packets.
    pub idle_seconds: Field<u64>,
    /// Milliseconds of silence after which a sign of life is sent. Default 250, so that eight have to get lost for a false alarm. Must be
    /// at most half of `idle_seconds`, and below the time after which firewalls on the path forget a UDP flow.
    pub keep_alive_milliseconds: Field<u64>,
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
            &["mtu", "window_bytes", "idle_seconds", "keep_alive_milliseconds"],
        );
        let mtu = check.number("mtu", file.mtu, MTU);
        let window = check.number("window_bytes", file.window_bytes, WINDOW_BYTES);
        let idle = check.number("idle_seconds", file.idle_seconds, IDLE_SECONDS);
        let keep_alive = check.number(
            "keep_alive_milliseconds",
            file.keep_alive_milliseconds,
            KEEP_ALIVE_MILLISECONDS,
        );
        let (idle, keep_alive) = (idle?, keep_alive?);
        if keep_alive * 2 > idle * 1000 {
            check.fault(
                "keep_alive_milliseconds",
                format!("{keep_alive} is more than half of idle_seconds = {idle}; one lost packet would lose the peer"),
            );
        }
        Some(TransportConfig {
            mtu: u16::try_from(mtu?).ok()?,
            window_bytes: u32::try_from(window?).ok()?,
            idle: Duration::from_secs(idle),
            keep_alive: Duration::from_millis(keep_alive),
        })
    }
}
