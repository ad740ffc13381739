use std::collections::VecDeque;
use std::time::Instant;

use crate::{HEADER_BYTES, PAYLOAD_BYTES_MAX, Path};

/// Payload bytes of one host that may be queued and under way. Only a host without a rate comes near it.
const UNDER_WAY_BYTES_MAX: usize = 256 << 20;

/// One of a network's hosts, counted from zero.
pub type HostId = usize;

/// Why a packet goes nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The path carries only [`PAYLOAD_BYTES_MAX`].
    TooLarge,
    /// The queue of its host is full.
    QueueFull,
}

/// Hosts joined by paths of one delay: takes packets with the time, and says what arrives when.
///
/// A host is one line: its packets leave one after another at the path's rate, wherever they go, each as soon as those
/// before it have left. Time must not run backwards; packets of one host then arrive in the order they were offered.
#[derive(Debug)]
pub struct Network<P> {
    path: Path,
    lines: Vec<Line<P>>,
}

#[derive(Debug)]
struct Line<P> {
    /// When the last packet has left.
    free: Option<Instant>,
    under_way: VecDeque<UnderWay<P>>,
    bytes: usize,
}

#[derive(Debug)]
struct UnderWay<P> {
    arrives: Instant,
    bytes: usize,
    packet: P,
}

impl<P> Network<P> {
    /// So many hosts with nothing between them.
    pub fn new(path: Path, hosts: usize) -> Network<P> {
        let line = || Line {
            free: None,
            under_way: VecDeque::new(),
            bytes: 0,
        };
        Network {
            path,
            lines: (0..hosts).map(|_| line()).collect(),
        }
    }

    /// Host `from` sends a packet with a payload of `bytes`.
    ///
    /// # Errors
    /// The packet is dropped, as [`Refused`] says.
    ///
    /// # Panics
    /// There is no such host.
    pub fn offer(&mut self, now: Instant, from: HostId, bytes: usize, packet: P) -> Result<(), Refused> {
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        let line = &mut self.lines[from];
        let begins = line.free.map_or(now, |free| free.max(now));
        if begins - now > self.path.queue_time() || line.bytes + bytes > UNDER_WAY_BYTES_MAX {
            return Err(Refused::QueueFull);
        }
        let left = begins + self.path.sending_time((bytes + HEADER_BYTES) as u64);
        line.free = Some(left);
        line.bytes += bytes;
        line.under_way.push_back(UnderWay {
            arrives: left + self.path.round_trip / 2,
            bytes,
            packet,
        });
        Ok(())
    }

    /// When the next packet arrives; `None` if none is under way.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.next_line().map(|(arrives, _)| arrives)
    }

    /// The next packet that has arrived by `now`, in the order of arrival.
    pub fn arrived(&mut self, now: Instant) -> Option<P> {
        let (_, host) = self.next_line().filter(|(arrives, _)| *arrives <= now)?;
        let line = &mut self.lines[host];
        let first = line.under_way.pop_front()?;
        line.bytes -= first.bytes;
        Some(first.packet)
    }

    fn next_line(&self) -> Option<(Instant, HostId)> {
        let first = |(host, line): (HostId, &Line<P>)| line.under_way.front().map(|packet| (packet.arrives, host));
        self.lines.iter().enumerate().filter_map(first).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{QUEUE_BYTES, QUEUE_TIME};

    const HOSTS: usize = 3;

    fn path(round_trip: Duration, bits_per_second: impl Into<Option<u64>>) -> Path {
        Path {
            round_trip,
            bits_per_second: bits_per_second.into(),
        }
    }

    #[derive(Clone, Debug)]
    struct Offer {
        pause: Duration,
        from: HostId,
        bytes: usize,
    }

    fn offers() -> impl Strategy<Value = Vec<Offer>> {
        let offer = (0..2000u64, 0..HOSTS, 1..=PAYLOAD_BYTES_MAX).prop_map(|(pause, from, bytes)| Offer {
            pause: Duration::from_micros(pause),
            from,
            bytes,
        });
        prop::collection::vec(offer, 1..200)
    }

    proptest! {
        /// Against the definition: what a host sends is on its line one after another, and arrives half a round trip later.
        #[test]
        fn packets_arrive_as_the_definition_says(
            offers in offers(),
            round_trip in 0..80_000u64,
            rate in prop::option::of(1_000_000..2_000_000_000u64),
        ) {
            let path = path(Duration::from_micros(round_trip), rate);
            let start = Instant::now();
            let mut network = Network::new(path, HOSTS);
            let mut now = start;
            let mut left = [start; HOSTS];
            let mut expected = Vec::new();
            for (number, offer) in offers.iter().enumerate() {
                now += offer.pause;
                let begins = left[offer.from].max(now);
                let outcome = network.offer(now, offer.from, offer.bytes, number);
                if begins - now > path.queue_time() {
                    prop_assert_eq!(outcome, Err(Refused::QueueFull));
                    continue;
                }
                prop_assert_eq!(outcome, Ok(()));
                let bits = (offer.bytes + HEADER_BYTES) as u64 * 8;
                let takes = rate.map_or(0, |rate| (u128::from(bits) * 1_000_000_000 / u128::from(rate)) as u64);
                left[offer.from] = begins + Duration::from_nanos(takes);
                expected.push((left[offer.from] + path.round_trip / 2, offer.from, number));
            }
            // The order of one host's packets is that of the offers, whatever the clock's resolution.
            expected.sort_by_key(|&(arrives, from, number)| (arrives, from, number));
            for (arrives, _, number) in expected {
                prop_assert_eq!(network.next_arrival(), Some(arrives));
                if arrives > start {
                    prop_assert_eq!(network.arrived(arrives - Duration::from_nanos(1)), None);
                }
                prop_assert_eq!(network.arrived(arrives), Some(number));
            }
            prop_assert_eq!(network.next_arrival(), None);
        }
    }

    #[test]
    fn a_full_queue_drops_and_takes_again_once_it_has_drained() {
        let path = path(Duration::ZERO, 100_000_000);
        let mut network = Network::new(path, 1);
        let start = Instant::now();
        let mut accepted = 0;
        while network.offer(start, 0, PAYLOAD_BYTES_MAX, ()).is_ok() {
            accepted += 1;
        }
        let bytes = accepted * 1500;
        assert!((QUEUE_BYTES..QUEUE_BYTES + 3001).contains(&bytes), "{bytes}");
        let later = start + Duration::from_millis(1);
        assert_eq!(network.offer(later, 0, PAYLOAD_BYTES_MAX, ()), Ok(()));
    }

    #[test]
    fn a_fast_line_queues_for_a_time() {
        let mut network = Network::new(path(Duration::ZERO, 1_000_000_000), 2);
        let start = Instant::now();
        let mut accepted = 0;
        while network.offer(start, 0, PAYLOAD_BYTES_MAX, ()).is_ok() {
            accepted += 1;
        }
        let time = Duration::from_micros(accepted * 12);
        assert!(
            time >= QUEUE_TIME && time < QUEUE_TIME + Duration::from_micros(30),
            "{time:?}"
        );
        assert_eq!(
            network.offer(start, 1, PAYLOAD_BYTES_MAX, ()),
            Ok(()),
            "another host's line is free"
        );
    }

    #[test]
    fn what_no_ethernet_carries_is_refused() {
        let mut network = Network::new(Path::default(), 1);
        let now = Instant::now();
        assert_eq!(network.offer(now, 0, PAYLOAD_BYTES_MAX + 1, ()), Err(Refused::TooLarge));
        assert_eq!(network.offer(now, 0, PAYLOAD_BYTES_MAX, ()), Ok(()));
    }

    #[test]
    fn memory_is_bounded_without_a_rate() {
        let mut network = Network::new(path(Duration::from_secs(1), None), 1);
        let now = Instant::now();
        let fit = UNDER_WAY_BYTES_MAX / PAYLOAD_BYTES_MAX;
        for _ in 0..fit {
            assert_eq!(network.offer(now, 0, PAYLOAD_BYTES_MAX, ()), Ok(()));
        }
        assert_eq!(network.offer(now, 0, PAYLOAD_BYTES_MAX, ()), Err(Refused::QueueFull));
        assert_eq!(network.arrived(now + Duration::from_secs(1)), Some(()));
        assert_eq!(network.offer(now, 0, PAYLOAD_BYTES_MAX, ()), Ok(()));
    }
}
