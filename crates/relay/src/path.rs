use std::time::Duration;

/// Bytes that a UDP packet takes on an IPv4 line beyond its payload.
pub const HEADER_BYTES: usize = 28;

/// Largest payload that passes: Ethernet's 1500 bytes less the headers. Larger packets vanish, as on a real path that
/// must not fragment.
pub const PAYLOAD_BYTES_MAX: usize = 1500 - HEADER_BYTES;

/// Time of line rate that a host's queue holds at least.
pub const QUEUE_TIME: Duration = Duration::from_millis(200);

/// Bytes that a host's queue holds at least.
pub const QUEUE_BYTES: u64 = 4 << 20;

/// Longest time by which a packet may arrive early to share a wake-up with the one before it.
const EARLY_TIME_MAX: Duration = Duration::from_micros(100);

/// The network between any two hosts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Path {
    /// From a host to another and back; each way takes half of it, besides the time to send.
    pub round_trip: Duration,
    /// Bits each host sends in a second, headers included, to all others together; `None` for as many as it likes.
    pub bits_per_second: Option<u64>,
}

impl Path {
    /// How long `bytes` take to leave a host.
    pub fn sending_time(&self, bytes: u64) -> Duration {
        let Some(rate) = self.bits_per_second else {
            return Duration::ZERO;
        };
        let nanoseconds = u128::from(bytes) * 8_000_000_000 / u128::from(rate.max(1));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// How far ahead of its time a packet may arrive with one that is due: a hundredth of the way, so that it does not
    /// show. At a gigabit this halves the relay's work.
    pub(crate) fn early_time(&self) -> Duration {
        (self.round_trip / 200).min(EARLY_TIME_MAX)
    }

    /// The longest that a packet waits for those before it to leave.
    pub fn queue_time(&self) -> Duration {
        QUEUE_TIME.max(self.sending_time(QUEUE_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_the_rate() {
        let mut path = Path {
            round_trip: Duration::from_millis(40),
            bits_per_second: Some(100_000_000),
        };
        assert_eq!(path.sending_time(1500), Duration::from_micros(120));
        assert_eq!(path.queue_time(), Duration::from_nanos(335_544_320));
        path.bits_per_second = Some(10_000_000_000);
        assert_eq!(path.queue_time(), QUEUE_TIME);
        path.bits_per_second = None;
        assert_eq!(path.sending_time(u64::MAX), Duration::ZERO);
    }
}
