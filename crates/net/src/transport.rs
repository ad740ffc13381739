use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::crypto::HmacKey;
use quinn::{
    ConnectionId, ConnectionIdGenerator, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt,
};

use crate::{FRAME_BYTES_MAX, HEADER_BYTES, MTU_MAX, MTU_MIN};

/// How connections treat the network. The same on both ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransportSettings {
    /// UDP payload bytes of a packet, at most. Connections begin with [`MTU_MIN`], which passes everywhere, and probe for
    /// the largest that the path carries up to this.
    pub mtu: u16,
    /// Bytes of one stream that may be under way or unread. At least one frame; beyond that, bandwidth times round trip.
    pub stream_window_bytes: u32,
    /// Streams a peer may have open at once on one connection.
    pub streams: u32,
    /// A peer silent for so long is lost. Every session with it then fails at once.
    pub idle: Duration,
    /// Pause after which an idle end pings, a fraction of `idle` so that a few lost packets do no harm.
    pub keep_alive: Duration,
}

impl Default for TransportSettings {
    fn default() -> Self {
        TransportSettings {
            mtu: MTU_MAX,
            stream_window_bytes: 4 << 20,
            streams: 64,
            idle: Duration::from_secs(2),
            keep_alive: Duration::from_millis(250),
        }
    }
}

/// Transport settings that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransport {
    /// The MTU is out of bounds.
    #[error("transport.mtu is {0}; use {MTU_MIN} to {MTU_MAX}, the largest packets that are tried")]
    Mtu(u16),
    /// The window does not hold a frame.
    #[error("transport.window_bytes is {0}; a stream must hold one whole frame, use {least} or more", least = TransportSettings::STREAM_WINDOW_BYTES_MIN)]
    Window(u32),
    /// No streams.
    #[error("transport.streams is 0; a connection needs at least one stream")]
    Streams,
    /// Keep-alives rarer than the idle time.
    #[error("transport.keep_alive ({keep_alive:?}) must be under half of transport.idle ({idle:?})")]
    KeepAlive {
        /// The pause between keep-alives.
        keep_alive: Duration,
        /// The idle time.
        idle: Duration,
    },
}

/// Round-trip time assumed before the first measurement. A lost or unanswered first packet is repeated after three times
/// this, so it decides how fast a dialler finds a peer that has only just started.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(50);

impl TransportSettings {
    /// Smallest window: a frame with its header must fit while the peer has not yet announced the last eighth of its
    /// window, which QUIC may hold back.
    pub const STREAM_WINDOW_BYTES_MIN: u32 = ((FRAME_BYTES_MAX + HEADER_BYTES) * 8 / 7 + 1) as u32;

    /// The settings for parties on one machine.
    pub fn loopback() -> Self {
        TransportSettings {
            mtu: MTU_MAX,
            ..TransportSettings::default()
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn validate(&self) -> Result<(), InvalidTransport> {
        if !(MTU_MIN..=MTU_MAX).contains(&self.mtu) {
            return Err(InvalidTransport::Mtu(self.mtu));
        }
        if self.stream_window_bytes < Self::STREAM_WINDOW_BYTES_MIN {
            return Err(InvalidTransport::Window(self.stream_window_bytes));
        }
        if self.streams == 0 {
            return Err(InvalidTransport::Streams);
        }
        if self.keep_alive * 2 > self.idle || self.keep_alive.is_zero() {
            return Err(InvalidTransport::KeepAlive {
                keep_alive: self.keep_alive,
                idle: self.idle,
            });
        }
        Ok(())
    }

    pub(crate) fn transport_config(&self) -> Arc<TransportConfig> {
        let mut cubic = CubicConfig::default();
        // A stream's window is at least bandwidth times round trip. With less than it a frame would take several round
        // trips, and after them the window would not grow: a round leaves the line idle, which counts as no reason to.
        cubic.initial_window(u64::from(self.stream_window_bytes));
        // The connection's window is the sum of its streams', so that one session nobody reads cannot stop the others.
        let connection_window = u64::from(self.stream_window_bytes) * u64::from(self.streams);
        let mut config = TransportConfig::default();
        config
            .initial_mtu(MTU_MIN)
            .mtu_discovery_config(Some({
                let mut discovery = MtuDiscoveryConfig::default();
                discovery.upper_bound(self.mtu);
                discovery
            }))
            .max_concurrent_bidi_streams(VarInt::from_u32(self.streams))
            // The acceptor's greeting.
            .max_concurrent_uni_streams(VarInt::from_u32(1))
            .stream_receive_window(VarInt::from_u32(self.stream_window_bytes))
            .receive_window(VarInt::from_u64(connection_window).unwrap_or(VarInt::MAX))
            .send_window(connection_window)
            .max_idle_timeout(Some(IdleTimeout::try_from(self.idle).unwrap_or(VarInt::MAX.into())))
            .keep_alive_interval(Some(self.keep_alive))
            .initial_rtt(INITIAL_ROUND_TRIP)
            .congestion_controller_factory(Arc::new(cubic))
            .datagram_receive_buffer_size(None);
        Arc::new(config)
    }

    /// `reset_key` stays the same over restarts, so that a restarted endpoint can tell a former peer that their
    /// connection is dead.
    pub(crate) fn endpoint_config(reset_key: Arc<dyn HmacKey>) -> EndpointConfig {
        let mut config = EndpointConfig::new(reset_key);
        config.cid_generator(|| Box::new(RandomConnectionIds));
        // Accepts jumbo packets whatever this end sends, so that the two ends' settings may differ.
        config
            .max_udp_payload_size(MTU_MAX)
            .expect("MTU_MAX is within QUIC's bounds");
        config
    }
}

/// Random connection identifiers. Unlike quinn's default ones, which carry a checksum under a key of the process, they
/// let a restarted endpoint answer packets meant for the former process with a reset instead of dropping them.
struct RandomConnectionIds;

impl RandomConnectionIds {
    const BYTES: usize = 8;
}

impl ConnectionIdGenerator for RandomConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&rand::random::<[u8; Self::BYTES]>())
    }

    fn cid_len(&self) -> usize {
        Self::BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let good = TransportSettings::default();
        assert_eq!(good.validate(), Ok(()));
        assert_eq!(TransportSettings::loopback().validate(), Ok(()));
        let check = |change: fn(&mut TransportSettings), expected: InvalidTransport| {
            let mut settings = good.clone();
            change(&mut settings);
            assert_eq!(settings.validate(), Err(expected));
        };
        check(|s| s.mtu = 1199, InvalidTransport::Mtu(1199));
        check(|s| s.mtu = 9000, InvalidTransport::Mtu(9000));
        check(|s| s.stream_window_bytes = 1 << 20, InvalidTransport::Window(1 << 20));
        check(|s| s.streams = 0, InvalidTransport::Streams);
        check(
            |s| s.keep_alive = Duration::from_secs(3),
            InvalidTransport::KeepAlive {
                keep_alive: Duration::from_secs(3),
                idle: good.idle,
            },
        );
    }
}
