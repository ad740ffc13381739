//! Callers with stolen identities that say what they should not: typed errors, and everything keeps serving.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tercet_config::{ClientConfig, CoordinatorConfig, NodeConfig};
use tercet_ids::{Nonce, PartyId, PlanDigest, QueryId, Roles, SessionId};
use tercet_net::{
    Cancellation, Connection, Endpoint, Fingerprint, Identity, NetError, Peer, PeerName, Stream, TransportSettings,
};
use tercet_wire::{
    Binding, ClientReply, Failure, Fault, Hello, Model, NodeReply, NodeRequest, Opaque, QueryPart, Run, Standing,
    decode, encode,
};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::harness::{COMMAND_WITHIN, Local, samples};

const MODEL: &str = "credit_mlp";
/// Longest wait for a reply on loopback.
const REPLY_WITHIN: Duration = Duration::from_secs(20);
/// Longest reply.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// A caller with a stolen identity.
pub struct Thief {
    runtime: Runtime,
    connection: Connection,
    _endpoint: Endpoint,
}

impl Thief {
    fn call(certificate: &std::path::Path, key: &std::path::Path, address: SocketAddr, peer: Peer) -> Thief {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let identity = Identity::load(certificate, key).expect("the stolen files");
        let (endpoint, connection) = runtime.block_on(async {
            let endpoint = Endpoint::dial_only(address, identity, TransportSettings::loopback()).expect("an endpoint");
            let connection = endpoint.connect(address, &peer).await.expect("the identity is trusted");
            (endpoint, connection)
        });
        Thief {
            runtime,
            connection,
            _endpoint: endpoint,
        }
    }

    /// As the coordinator, to a node.
    fn coordinator(local: &Local, party: PartyId) -> Thief {
        let config = CoordinatorConfig::load(&local.deployment.config_path("coordinator")).expect("its configuration");
        let node = config
            .nodes
            .iter()
            .find(|node| node.party == party)
            .expect("three nodes");
        let address = node.address.resolve().expect("loopback");
        let peer = Peer {
            name: PeerName::Party(party),
            fingerprint: Fingerprint(node.certificate_sha256.0),
        };
        Thief::call(
            &config.identity.certificate,
            &config.identity.private_key,
            address,
            peer,
        )
    }

    /// As a party, to another one.
    fn party(local: &Local, me: PartyId, party: PartyId) -> Thief {
        let config = NodeConfig::load(&local.deployment.config_path(me.name())).expect("its configuration");
        let node = config.peers.iter().find(|node| node.party == party).expect("two peers");
        let address = node.address.resolve().expect("loopback");
        let peer = Peer {
            name: PeerName::Party(party),
            fingerprint: Fingerprint(node.certificate_sha256.0),
        };
        Thief::call(
            &config.identity.certificate,
            &config.identity.private_key,
            address,
            peer,
        )
    }

    /// As the client, to the coordinator.
    pub fn client(local: &Local) -> Thief {
        let config = ClientConfig::load(&local.deployment.config_path("client")).expect("its configuration");
        let address = config.coordinator.address.resolve().expect("loopback");
        let fingerprint = Fingerprint(config.coordinator.certificate_sha256.0);
        let peer = Peer {
            name: PeerName::Coordinator,
            fingerprint,
        };
        Thief::call(
            &config.identity.certificate,
            &config.identity.private_key,
            address,
            peer,
        )
    }

    /// Says something on a new stream, and gives the reply.
    pub fn say(&self, words: Words) -> Result<Vec<u8>, NetError> {
        let talk = async {
            let mut stream = self.connection.open_stream().await?;
            match words {
                Words::Message(bytes) => stream.writer.write_message(bytes, usize::MAX).await?,
                Words::Nothing => {}
                // The first word of a frame's header stands where the length of a message is expected.
                Words::Announced(bytes) => return self.announce(stream, bytes).await,
            }
            stream.writer.finish();
            stream.reader.read_message(REPLY_BYTES_MAX).await
        };
        self.runtime
            .block_on(async { timeout(REPLY_WITHIN, talk).await.expect("a reply or an error in time") })
    }

    /// Announces a message of `bytes`, sends a few of them and no more.
    async fn announce(&self, stream: Stream, bytes: u32) -> Result<Vec<u8>, NetError> {
        let mut session = stream.into_session(1 << 20, Instant::now() + REPLY_WITHIN, Cancellation::new());
        tokio::task::spawn_blocking(move || {
            session.send(bytes, 0, vec![7; 100])?;
            // What comes back is the length of a reply, and the first words of it.
            let reply = session.receive();
            session.finish();
            reply.map(|(_, payload)| payload)
        })
        .await
        .expect("no panic")
    }

    fn still_connected(&self) -> bool {
        self.connection.close_reason().is_none()
    }
}

pub enum Words {
    Message(Vec<u8>),
    Nothing,
    Announced(u32),
}

fn node_failure(reply: Result<Vec<u8>, NetError>) -> Failure {
    match decode(&reply.expect("a reply")).expect("a node's reply") {
        NodeReply::Failed(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn client_failure(reply: Result<Vec<u8>, NetError>) -> Failure {
    match decode(&reply.expect("a reply")).expect("a coordinator's reply") {
        ClientReply::Failure(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

/// Whether a message that was announced and did not come was refused by its announcement. The reply to it is no frame, so that there is an
/// error in any case.
fn answered_at_once(reply: &Result<Vec<u8>, NetError>) -> bool {
    matches!(reply, Err(error) if !matches!(error, NetError::Timeout { .. }))
}

/// A message of another protocol version.
fn of_another_version() -> Vec<u8> {
    let mut bytes = encode(&NodeRequest::Ping);
    bytes[0] += 1;
    bytes
}

fn run(session: SessionId) -> Run {
    Run {
        session,
        model: Model {
            name: MODEL.parse().expect("a name"),
            digest: PlanDigest([2; 32]),
            deployment: QueryId([3; 16]),
        },
        roles: Roles::all().next().expect("six of them"),
        deadline_ms: 1000,
        queries: vec![QueryPart {
            query: QueryId([1; 16]),
            batch: 1,
            envelope: Opaque::from(vec![9; 200]),
        }],
    }
}

#[test]
fn a_session_that_is_replayed_is_refused_by_every_party() {
    let local = Local::start();
    local.deploy(MODEL, MODEL);
    for party in PartyId::ALL {
        let thief = Thief::coordinator(&local, party);
        let replay = || node_failure(thief.say(Words::Message(encode(&NodeRequest::Run(run(SessionId([4; 16])))))));
        let first = replay();
        assert!(!first.sentence.contains("seen this session before"), "{first}");
        let second = replay();
        assert_eq!((second.fault, second.party), (Fault::Client, Some(party)));
        assert!(second.sentence.contains("seen this session before"), "{second}");
    }
    local.infer(MODEL, &samples(MODEL));
}

#[test]
fn a_node_answers_what_it_can_not_read_with_a_failure() {
    let local = Local::start();
    local.deploy(MODEL, MODEL);
    let thief = Thief::coordinator(&local, PartyId::Cloud);
    let malformed = node_failure(thief.say(Words::Message(vec![0xff; 300])));
    assert_eq!(
        (malformed.fault, malformed.party),
        (Fault::Config, Some(PartyId::Cloud))
    );
    let version = node_failure(thief.say(Words::Message(of_another_version())));
    assert!(version.sentence.contains("protocol version 2"), "{version}");
    let mut trailing = encode(&NodeRequest::Ping);
    trailing.push(0);
    let trailing = node_failure(thief.say(Words::Message(trailing)));
    assert!(trailing.sentence.contains("malformed"), "{trailing}");
    let nothing = node_failure(thief.say(Words::Nothing));
    assert!(nothing.sentence.contains("before it was complete"), "{nothing}");
    let oversized = thief.say(Words::Announced(u32::MAX));
    assert!(answered_at_once(&oversized), "nothing of it is awaited: {oversized:?}");
    assert!(thief.still_connected());
    local.infer(MODEL, &samples(MODEL));
}

#[test]
fn the_coordinator_answers_what_it_can_not_read_with_a_failure() {
    let local = Local::start();
    local.deploy(MODEL, MODEL);
    let thief = Thief::client(&local);
    let malformed = client_failure(thief.say(Words::Message(vec![0xff; 300])));
    assert_eq!((malformed.fault, malformed.party), (Fault::Client, None));
    let version = client_failure(thief.say(Words::Message(of_another_version())));
    assert!(version.sentence.contains("protocol version 2"), "{version}");
    let nothing = client_failure(thief.say(Words::Nothing));
    assert!(nothing.sentence.contains("before it was complete"), "{nothing}");
    let oversized = thief.say(Words::Announced(u32::MAX));
    assert!(answered_at_once(&oversized), "nothing of it is awaited: {oversized:?}");
    assert!(thief.still_connected());
    local.infer(MODEL, &samples(MODEL));
}

#[test]
fn a_party_can_not_command_another_one_nor_keep_it_from_serving() {
    let mut local = Local::start();
    local.deploy(MODEL, MODEL);
    // While the party itself runs, it takes its place back within a moment.
    let stolen = Some(PartyId::ClientProxy);
    local.deployment.process(stolen).kill().expect("it runs");
    let thief = Thief::party(&local, PartyId::ClientProxy, PartyId::Cloud);
    // A peer's streams are for sessions: a request of the coordinator is no greeting there, and gets no answer.
    for request in [NodeRequest::Ping, NodeRequest::Run(run(SessionId([5; 16])))] {
        let answered = thief.say(Words::Message(encode(&request)));
        assert!(matches!(answered, Err(NetError::Abandoned { .. })), "{answered:?}");
    }
    for words in [
        Words::Message(vec![0xff; 300]),
        Words::Message(of_another_version()),
        Words::Nothing,
        Words::Announced(u32::MAX),
    ] {
        let answered = thief.say(words);
        assert!(
            matches!(answered, Err(NetError::Abandoned { .. })),
            "no greeting, no answer: {answered:?}"
        );
    }
    // A greeting for a session that nobody runs waits for it for a while, with others like it, and is dropped.
    let hello = |session| Hello {
        session: SessionId([session; 16]),
        digest: PlanDigest([2; 32]),
        deployment: QueryId([3; 16]),
        roles: Roles::all().next().expect("six of them"),
        queries: vec![Standing {
            query: QueryId([1; 16]),
            batch: 1,
            binding: Some(Binding([6; 32])),
        }],
        prepared: None,
        nonce: Nonce([7; 32]),
    };
    thief.runtime.block_on(async {
        for session in 0..32 {
            let mut stream = thief.connection.open_stream().await.expect("connected");
            let greeting = encode(&hello(session));
            stream.writer.write_message(greeting, usize::MAX).await.expect("sent");
        }
    });
    assert!(thief.still_connected());
    drop(thief);
    local
        .deployment
        .restart(stolen)
        .unwrap_or_else(|failure| panic!("{failure}"));
    local.infer_within(COMMAND_WITHIN, MODEL, &samples(MODEL));
}
