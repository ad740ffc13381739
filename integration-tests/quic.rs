//! The engine's cases over real QUIC: three endpoints with pinned identities on loopback, in this process.

use std::thread;
use std::time::{Duration, Instant};

use tercet_engine::testkit::{World, cases};
use tercet_engine::{FRAME_BYTES_MAX, FrameTag, Link, LinkError};
use tercet_ids::{PartyId, Roles};
use tercet_net::{
    Cancellation, Connection, Endpoint, Identity, Peer, PeerName, SessionStream, TransportSettings, TrustedPeers,
};
use tercet_ring::RingKind;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Longest wait of a frame.
const PATIENCE: Duration = Duration::from_secs(20);

/// A session's stream as the engine's link. It ends in good order: what was sent still arrives.
struct QuicLink(Option<SessionStream>);

impl QuicLink {
    fn stream(&mut self) -> &mut SessionStream {
        self.0.as_mut().expect("there until the link is dropped")
    }
}

impl Drop for QuicLink {
    fn drop(&mut self) {
        self.0.take().expect("dropped once").finish();
    }
}

impl Link for QuicLink {
    fn send(&mut self, tag: FrameTag, payload: Vec<u8>) -> Result<(), LinkError> {
        self.stream()
            .send(tag.step, tag.sequence, payload)
            .map_err(|_| LinkError::Closed)
    }

    fn receive(&mut self, tag: FrameTag) -> Result<Vec<u8>, LinkError> {
        let (header, payload) = self.stream().receive().map_err(|_| LinkError::Closed)?;
        let found = FrameTag {
            step: header.step,
            sequence: header.sequence,
        };
        if found != tag {
            return Err(LinkError::WrongTag { expected: tag, found });
        }
        Ok(payload)
    }
}

/// The three parties' connections, each seen from both ends.
struct Network {
    runtime: Handle,
    /// From the first party named to the second.
    connections: Vec<(PartyId, PartyId, [Connection; 2])>,
    /// Kept open.
    _endpoints: Vec<Endpoint>,
    /// Ends the network's thread when dropped.
    _stop: oneshot::Sender<()>,
}

impl Network {
    fn start() -> Network {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        thread::spawn(move || runtime.block_on(stopped));
        let (connections, endpoints) = handle.block_on(connect_all());
        Network {
            runtime: handle,
            connections,
            _endpoints: endpoints,
            _stop: stop,
        }
    }

    /// A new stream between two parties, as links of both.
    fn links(&self, one: PartyId, other: PartyId) -> [Box<dyn Link>; 2] {
        let (.., [near, far]) = self
            .connections
            .iter()
            .find(|(from, to, _)| (*from, *to) == (one, other))
            .expect("all pairs are connected");
        let (near, far) = self.runtime.block_on(async {
            let mut near = near.open_stream().await.expect("a stream");
            // A stream exists for the other end from its first message on.
            near.writer.write_message(vec![], 0).await.expect("sent");
            let mut far = far.accept_stream().await.expect("a stream");
            assert_eq!(far.reader.read_message(0).await.expect("received"), b"");
            (near, far)
        });
        [near, far].map(|stream| {
            let session = stream.into_session(FRAME_BYTES_MAX, Instant::now() + PATIENCE, Cancellation::new());
            Box::new(QuicLink(Some(session))) as Box<dyn Link>
        })
    }
}

type Connected = Vec<(PartyId, PartyId, [Connection; 2])>;

async fn connect_all() -> (Connected, Vec<Endpoint>) {
    let identities = PartyId::ALL.map(|party| Identity::generate(party.name()).expect("an identity"));
    let peer = |party: PartyId| Peer {
        name: PeerName::Party(party),
        fingerprint: identities[party.index()].fingerprint(),
    };
    let mut ends: Vec<_> = PartyId::ALL
        .map(|me| {
            let trusted = TrustedPeers::new(me.peers().map(peer)).expect("distinct certificates");
            let address = "127.0.0.1:0".parse().expect("an address");
            let identity = identities[me.index()].clone();
            Endpoint::bind(address, identity, trusted, TransportSettings::default()).expect("bound")
        })
        .into();
    let mut connections = vec![];
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let address = ends[other].0.local_address().expect("an address");
        let (dialler, target) = (ends[one].0.clone(), peer(PartyId::ALL[other]));
        let (near, far) = tokio::join!(dialler.connect(address, &target), ends[other].1.accept());
        let pair = [near.expect("connected"), far.expect("accepted")];
        connections.push((PartyId::ALL[one], PartyId::ALL[other], pair));
    }
    (connections, ends.into_iter().map(|(endpoint, _)| endpoint).collect())
}

fn every_case_agrees_over_quic(ring: RingKind) {
    let network = Network::start();
    let all_roles: Vec<Roles> = Roles::all().collect();
    for (seed, batch) in [(1, 1), (2, 7)] {
        for (index, case) in cases(ring, batch, seed).into_iter().enumerate() {
            let world = World::new(seed);
            let models = world.models(&case.plan, &case.parameters);
            let roles = all_roles[index % all_roles.len()];
            let inputs = world.share_inputs(&case.plan, &case.inputs);
            let connect = |one, other| network.links(one, other);
            let run = world.run_over(&case.plan, &models, case.inputs.batch, inputs, roles, connect);
            case.check_run(&run);
        }
    }
}

#[test]
fn every_case_agrees_with_the_oracle_over_quic_and_32_bits() {
    every_case_agrees_over_quic(RingKind::Z32);
}

#[test]
fn every_case_agrees_with_the_oracle_over_quic_and_64_bits() {
    every_case_agrees_over_quic(RingKind::Z64);
}
