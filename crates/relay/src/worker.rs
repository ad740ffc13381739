use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::flows::{FlowId, Flows};
use crate::network::{HostId, Network, Refused};
use crate::outgoing::{Direction, Heading, Packet, Train};
use crate::socket::{ReceiveBuffers, Socket};

/// What a host has sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Packets that were passed on.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Packets that were dropped because the queue was full. Those that are too large are not counted: QUIC sends some on
    /// purpose, to find out.
    pub dropped: u64,
}

/// [`Traffic`] as the worker counts it.
#[derive(Default)]
pub(crate) struct Counters {
    packets: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

impl Counters {
    pub fn read(&self) -> Traffic {
        Traffic {
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

/// A route whose port is open.
pub(crate) struct OpenRoute {
    pub from: HostId,
    pub to: HostId,
    pub socket: Socket,
    pub target: SocketAddr,
}

/// Moves packets between the sockets and the network.
pub(crate) struct Worker {
    pub routes: Vec<OpenRoute>,
    pub flows: Flows,
    pub network: Network<Packet>,
    /// By how much packets may arrive early to go with others.
    pub early: Duration,
    pub counters: Arc<[Counters]>,
    /// Closed at the other end to stop the worker.
    pub stop: UnixStream,
}

#[derive(Clone, Copy)]
enum Source {
    Stop,
    Route(usize),
    Flow(FlowId),
}

impl Worker {
    /// Runs until it is stopped.
    pub fn run(mut self) {
        // The kernel may otherwise let 50 us pass beyond the time asked for.
        #[cfg(target_os = "linux")]
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let mut buffers = ReceiveBuffers::new();
        loop {
            self.deliver();
            for source in self.wait() {
                match source {
                    Source::Stop => return,
                    Source::Route(route) => self.take_calls(route, &mut buffers),
                    Source::Flow(flow) => self.take_answers(flow, &mut buffers),
                }
            }
        }
    }

    /// Waits for packets, or until the next one arrives; says where packets wait to be read.
    fn wait(&self) -> Vec<Source> {
        let mut sources = vec![Source::Stop];
        let mut watched = vec![PollFd::new(&self.stop, PollFlags::IN)];
        for (number, route) in self.routes.iter().enumerate() {
            sources.push(Source::Route(number));
            watched.push(PollFd::new(route.socket.descriptor(), PollFlags::IN));
        }
        for (id, flow) in self.flows.iter() {
            sources.push(Source::Flow(id));
            watched.push(PollFd::new(flow.socket.descriptor(), PollFlags::IN));
        }
        let left = self
            .network
            .next_arrival()
            .map(|arrives| exact_wait(arrives.saturating_duration_since(Instant::now())));
        // A wait too long for the kernel is one without end.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        // An interrupted wait is one that found nothing.
        if poll(&mut watched, left.as_ref()).is_err() {
            return Vec::new();
        }
        let ready = watched.iter().map(|watched| !watched.revents().is_empty());
        let found = sources.into_iter().zip(ready).filter(|(_, ready)| *ready);
        found.map(|(source, _)| source).collect()
    }

    fn take_calls(&mut self, number: usize, buffers: &mut ReceiveBuffers) {
        let Worker {
            routes,
            flows,
            network,
            counters,
            ..
        } = self;
        let route = &routes[number];
        let now = Instant::now();
        route.socket.receive(buffers, |datagram| {
            // Without a port for the caller its packet is lost; it will try again.
            let Ok(flow) = flows.of_caller(number, datagram.from, route.target) else {
                return;
            };
            let heading = Heading {
                flow,
                direction: Direction::Forth,
                congestion: datagram.congestion,
            };
            offer(network, counters, now, route.from, heading, datagram.payload);
        });
    }

    fn take_answers(&mut self, id: FlowId, buffers: &mut ReceiveBuffers) {
        let Worker {
            routes,
            flows,
            network,
            counters,
            ..
        } = self;
        // Forgotten since it was watched.
        let Some(flow) = flows.flow(id) else { return };
        let route = &routes[flow.route];
        let now = Instant::now();
        flow.socket.receive(buffers, |datagram| {
            if datagram.from != route.target {
                return;
            }
            let heading = Heading {
                flow: id,
                direction: Direction::Back,
                congestion: datagram.congestion,
            };
            offer(network, counters, now, route.to, heading, datagram.payload);
        });
    }

    /// Passes on what has arrived.
    fn deliver(&mut self) {
        if self
            .network
            .next_arrival()
            .is_none_or(|arrives| arrives > Instant::now())
        {
            return;
        }
        let mut train = Train::default();
        while let Some(packet) = self.network.arrived(Instant::now() + self.early) {
            let packets_max = self.routes[0].socket.train_length_max();
            if !train.join(&packet, packets_max) {
                train.depart(|heading, bytes, length| self.send(heading, bytes, length));
                train.join(&packet, packets_max);
            }
        }
        train.depart(|heading, bytes, length| self.send(heading, bytes, length));
    }

    fn send(&self, heading: Heading, train: &[u8], length: usize) {
        // A forgotten flow's packets find nobody.
        let Some(flow) = self.flows.flow(heading.flow) else {
            return;
        };
        let route = &self.routes[flow.route];
        let (socket, to) = match heading.direction {
            Direction::Forth => (&flow.socket, route.target),
            Direction::Back => (&route.socket, flow.caller),
        };
        socket.send(to, heading.congestion, train, length);
    }
}

/// The part of a wait to ask for: Linux may be late by up to a two-hundredth of what is asked (`poll`'s slack), so a long
/// wait is ended early and the rest asked for anew.
fn exact_wait(left: Duration) -> Duration {
    const SHORT: Duration = Duration::from_millis(1);
    if left > SHORT { left - left / 100 } else { left }
}

fn offer(
    network: &mut Network<Packet>,
    counters: &[Counters],
    now: Instant,
    from: HostId,
    heading: Heading,
    payload: &[u8],
) {
    let bytes = payload.len();
    let packet = Packet {
        heading,
        payload: payload.into(),
    };
    let counters = &counters[from];
    match network.offer(now, from, bytes, packet) {
        Ok(()) => {
            counters.packets.fetch_add(1, Ordering::Relaxed);
            counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        Err(Refused::QueueFull) => {
            counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Err(Refused::TooLarge) => {}
    }
}
