use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A wait longer than the path explains is a stall from here on.
pub const STALL_TIME: Duration = Duration::from_millis(5);

/// Stalls of sessions with one peer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stalls {
    /// Frames that paused for more than [`STALL_TIME`] after their first bytes had come. The peer had them whole, so it was
    /// the transport: a loss, a full congestion window or flow-control window, pacing; or a network thread without a core.
    pub transport: u64,
    /// Frames whose first bytes were waited for longer than half the smoothed round trip and [`STALL_TIME`]. In a round both
    /// parties send at once, so that the other's frame is due after half a round trip: the peer was behind, or its packet
    /// was lost.
    pub peer: u64,
}

/// Counts [`Stalls`].
#[derive(Default, Debug)]
pub(crate) struct StallCounters {
    transport: AtomicU64,
    peer: AtomicU64,
}

/// How a frame came.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Arrival {
    /// From the time it was asked for until its first bytes were there.
    pub waited: Duration,
    /// The longest time between two parts of it.
    pub pause: Duration,
}

impl StallCounters {
    /// Counts a frame; `round_trip` is asked for only if it matters.
    pub fn arrived(&self, arrival: Arrival, round_trip: impl FnOnce() -> Duration) {
        if arrival.pause > STALL_TIME {
            self.transport.fetch_add(1, Ordering::Relaxed);
        }
        if arrival.waited > STALL_TIME && arrival.waited > round_trip() / 2 + STALL_TIME {
            self.peer.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those since it was last asked.
    pub fn take(&self) -> Stalls {
        Stalls {
            transport: self.transport.swap(0, Ordering::Relaxed),
            peer: self.peer.swap(0, Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_stall_beyond_what_the_path_takes() {
        let milliseconds = Duration::from_millis;
        let stalls = |waited, pause, round_trip| {
            let counters = StallCounters::default();
            let arrival = Arrival {
                waited: milliseconds(waited),
                pause: milliseconds(pause),
            };
            counters.arrived(arrival, || milliseconds(round_trip));
            let Stalls { transport, peer } = counters.take();
            assert_eq!(counters.take(), Stalls::default());
            (transport, peer)
        };
        assert_eq!(stalls(5, 5, 0), (0, 0));
        assert_eq!(stalls(6, 0, 0), (0, 1));
        assert_eq!(stalls(25, 0, 40), (0, 0));
        assert_eq!(stalls(26, 0, 40), (0, 1));
        assert_eq!(stalls(0, 6, 40), (1, 0));
        assert_eq!(stalls(26, 6, 40), (1, 1));
    }
}
