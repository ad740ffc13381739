use quinn_udp::EcnCodepoint;

use crate::flows::FlowId;

/// Bytes of one train at most: a UDP send takes no more.
const TRAIN_BYTES_MAX: usize = 60_000;

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// From the caller to the route's target.
    Forth,
    /// An answer.
    Back,
}

/// What packets of one train have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Heading {
    pub flow: FlowId,
    pub direction: Direction,
    pub congestion: Option<EcnCodepoint>,
}

/// A packet under way.
#[derive(Debug)]
pub(crate) struct Packet {
    pub heading: Heading,
    pub payload: Box<[u8]>,
}

/// Joins packets that arrive together into trains, which one call sends.
#[derive(Default)]
pub(crate) struct Train {
    heading: Option<Heading>,
    /// Bytes of every packet but for the last, which may be shorter.
    packet_bytes: usize,
    packets: usize,
    bytes: Vec<u8>,
}

impl Train {
    /// Adds a packet, unless it has to go in another train than what is gathered.
    pub fn join(&mut self, packet: &Packet, packets_max: usize) -> bool {
        let length = packet.payload.len();
        let whole = self.bytes.len() == self.packets * self.packet_bytes;
        let fits = self.packets == 0
            || (self.heading == Some(packet.heading)
                && whole
                && length <= self.packet_bytes
                && self.packets < packets_max
                && self.bytes.len() + length <= TRAIN_BYTES_MAX);
        if !fits {
            return false;
        }
        if self.packets == 0 {
            (self.heading, self.packet_bytes) = (Some(packet.heading), length);
        }
        self.packets += 1;
        self.bytes.extend_from_slice(&packet.payload);
        true
    }

    /// Gives what is gathered to `send`, with the length of its packets, and begins anew.
    pub fn depart(&mut self, send: impl FnOnce(Heading, &[u8], usize)) {
        if let Some(heading) = self.heading.take() {
            send(heading, &self.bytes, self.packet_bytes);
        }
        self.packets = 0;
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::flows::Flows;

    #[test]
    fn only_a_last_packet_may_be_shorter() {
        let mut flows = Flows::default();
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut flow = |port| flows.of_caller(0, address(port), address(9)).expect("a port is free");
        let (one, other) = (flow(1), flow(2));
        let packet = |flow, length: usize| Packet {
            heading: Heading {
                flow,
                direction: Direction::Forth,
                congestion: None,
            },
            payload: vec![length as u8; length].into(),
        };
        let mut train = Train::default();
        train.depart(|_, _, _| panic!("nothing was gathered"));
        assert!(train.join(&packet(one, 5), 4));
        assert!(!train.join(&packet(other, 5), 4), "another flow");
        assert!(!train.join(&packet(one, 6), 4), "longer");
        assert!(train.join(&packet(one, 5), 4));
        assert!(train.join(&packet(one, 2), 4));
        assert!(!train.join(&packet(one, 2), 4), "one after a shorter one");
        let mut sent = Vec::new();
        train.depart(|_, bytes, length| sent.push((bytes.to_vec(), length)));
        assert_eq!(sent, [(vec![5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 2, 2], 5)]);
        assert!(train.join(&packet(other, 6), 2));
        assert!(train.join(&packet(other, 6), 2));
        assert!(!train.join(&packet(other, 6), 2), "more than one send takes");
    }
}
