//! Three nodes over QUIC on loopback, and a test in the coordinator's and the client's place.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tercet_config::{
    CertificateDigest, LogConfig, LogFormat, LogLevel, NodeConfig, NodeIdentity, NodeLimits, PeerEntry, TransportConfig,
};
use tercet_ids::{PartyId, QueryId, Role, Roles, SessionId};
use tercet_net::{Connection, Endpoint, Identity, Peer, PeerName, Stream, TransportSettings};
use tercet_plan::testkit::Sample;
use tercet_plan::{Encoded, Integers, Plan};
use tercet_ring::{Ring, RingKind, from_bytes};
use tercet_sharing::replicated::{PartyShare, share};
use tercet_sharing::{
    EnvelopeContext, ModelEnvelope, Purpose, QueryEnvelope, ResultEnvelope, SealingKeyPair, SealingPublicKey, Shares,
    open, seal,
};
use tercet_wire::{
    Done, Failure, Load, Model, NodeReply, NodeRequest, NodeState, Pong, Prepare, QueryPart, Run, decode, encode,
};
use tokio::time::sleep;

pub struct World {
    controls: [Connection; 3],
    sealing: [SealingPublicKey; 3],
    pub rng: StdRng,
    _directory: tempfile::TempDir,
}

/// A query that is ready to be sent, and the key that its results are sealed to.
pub struct Prepared {
    pub runs: [Run; 3],
    reply: SealingKeyPair,
    ring: RingKind,
}

/// Where ports are looked for: below those that the system gives to sockets that only dial, which would take one between here and its use.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

fn free_udp() -> SocketAddr {
    free(std::net::UdpSocket::bind)
}

fn free_tcp() -> SocketAddr {
    free(std::net::TcpListener::bind)
}

fn free<S>(bind: impl Fn(SocketAddr) -> std::io::Result<S>) -> SocketAddr {
    let address = || SocketAddr::from(([127, 0, 0, 1], rand::rng().random_range(PORTS)));
    let mut tried = std::iter::repeat_with(address).take(200);
    tried.find(|address| bind(*address).is_ok()).expect("a free port")
}

fn settings() -> TransportSettings {
    TransportSettings {
        idle: Duration::from_secs(2),
        keep_alive: Duration::from_millis(500),
        ..TransportSettings::loopback()
    }
}

pub const BATCH_MAX: u32 = 16;

pub const ENVELOPE_BYTES_MAX: usize = 8 << 20;

pub const SESSIONS_MAX: usize = 4;

pub const PREPARED_BYTES_MAX: u64 = 1 << 20;

/// A session that waits at all three parties, on the streams that its run has to come on.
pub struct Waiting {
    pub order: Prepare,
    pub streams: [Stream; 3],
}

fn limits() -> NodeLimits {
    NodeLimits {
        sessions: SESSIONS_MAX,
        queued_sessions: 2,
        threads: 2,
        batch: BATCH_MAX,
        model_bytes: 1 << 20,
        envelope_bytes: ENVELOPE_BYTES_MAX,
        frame_bytes: 1 << 20,
        session_time: Duration::from_secs(10),
        prepared_bytes: PREPARED_BYTES_MAX,
    }
}

impl World {
    pub async fn start(seed: u64) -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let mut rng = StdRng::seed_from_u64(seed);
        let coordinator = Identity::generate("coordinator").expect("generated");
        let identities = PartyId::ALL.map(|party| Identity::generate(party.name()).expect("generated"));
        let addresses = PartyId::ALL.map(|_| free_udp());
        let sealing = PartyId::ALL.map(|_| SealingKeyPair::generate(&mut rng));
        for party in PartyId::ALL {
            let home = directory.path().join(party.name());
            std::fs::create_dir(&home).expect("created");
            let index = party.index();
            let identity = save(&identities[index], &sealing[index], &home);
            let config = NodeConfig {
                gateway: None,
                path: home.join("node.toml"),
                party,
                listen: addresses[index],
                metrics_listen: free_tcp(),
                identity,
                storage_directory: home.join("models"),
                coordinator: digest(&coordinator),
                peers: party.peers().map(|peer| PeerEntry {
                    party: peer,
                    address: addresses[peer.index()].into(),
                    certificate_sha256: digest(&identities[peer.index()]),
                }),
                limits: limits(),
                transport: TransportConfig {
                    mtu: settings().mtu,
                    window_bytes: settings().stream_window_bytes,
                    idle: settings().idle,
                    keep_alive: settings().keep_alive,
                },
                log: LogConfig {
                    format: LogFormat::Text,
                    level: LogLevel::Info,
                },
            };
            // Ends with the test's process: a node stops by a signal only.
            std::thread::spawn(move || tercet_node::run(config));
        }
        let endpoint = Endpoint::dial_only(addresses[0], coordinator, settings()).expect("an endpoint");
        let mut controls = vec![];
        for (party, (address, identity)) in PartyId::ALL.into_iter().zip(addresses.iter().zip(&identities)) {
            let peer = Peer {
                name: PeerName::Party(party),
                fingerprint: identity.fingerprint(),
            };
            controls.push(connect(&endpoint, *address, &peer).await);
        }
        let controls: [Connection; 3] = controls.try_into().expect("three of them");
        let world = World {
            controls,
            sealing: sealing.map(|key| key.public()),
            rng,
            _directory: directory,
        };
        world.wait_until_ready().await;
        world
    }

    async fn wait_until_ready(&self) {
        for _ in 0..200 {
            let mut ready = true;
            for party in PartyId::ALL {
                let pong = self.ping(party).await;
                ready &= pong.state == NodeState::Ready && pong.links.iter().all(|link| link.round_trip_us.is_some());
            }
            if ready {
                return;
            }
            sleep(Duration::from_millis(25)).await;
        }
        panic!("the nodes did not find each other");
    }

    pub async fn ping(&self, party: PartyId) -> Pong {
        match self.ask(party, &NodeRequest::Ping).await {
            NodeReply::Pong(pong) => pong,
            other => panic!("expected a pong, got {other:?}"),
        }
    }

    pub async fn begin(&self, party: PartyId, request: &NodeRequest) -> Stream {
        let mut stream = self.controls[party.index()].open_stream().await.expect("connected");
        stream
            .writer
            .write_message(encode(request), usize::MAX)
            .await
            .expect("sent");
        stream.writer.finish();
        stream
    }

    /// Has all three parties prepare a session.
    pub async fn prepare_session(&mut self, model: &Model, batch: u32, roles: Roles, keep: Duration) -> Waiting {
        let order = Prepare {
            session: SessionId(self.rng.random()),
            model: model.clone(),
            batch,
            roles,
            deadline_ms: 5_000,
            keep_ms: keep.as_millis() as u64,
        };
        let (streams, replies) = self.order(&order).await;
        for reply in replies {
            assert!(matches!(reply, NodeReply::Prepared { .. }), "{reply:?}");
        }
        Waiting { order, streams }
    }

    /// Tells all three parties to prepare a session, and hears what they say.
    pub async fn order(&self, order: &Prepare) -> ([Stream; 3], [NodeReply; 3]) {
        let mut streams = vec![];
        for control in &self.controls {
            let mut stream = control.open_stream().await.expect("connected");
            let message = encode(&NodeRequest::Prepare(order.clone()));
            stream.writer.write_message(message, usize::MAX).await.expect("sent");
            streams.push(stream);
        }
        let mut replies = vec![];
        for stream in &mut streams {
            replies.push(hear(stream).await);
        }
        let three = "three of them";
        (streams.try_into().expect(three), replies.try_into().expect(three))
    }

    pub async fn ask(&self, party: PartyId, request: &NodeRequest) -> NodeReply {
        reply(self.begin(party, request).await).await
    }

    /// Sends each party its run, and waits for all three replies.
    pub async fn run(&self, runs: [Run; 3]) -> [NodeReply; 3] {
        let [a, b, c] = runs.map(NodeRequest::Run);
        let [first, second, third] = PartyId::ALL;
        let (a, b, c) = tokio::join!(self.ask(first, &a), self.ask(second, &b), self.ask(third, &c));
        [a, b, c]
    }

    /// The message that gives a party its part of a model.
    pub fn loads(&mut self, name: &str, sample: &Sample) -> (Model, [Load; 3]) {
        let plan = sample.plan.to_bytes();
        let model = Model {
            name: name.parse().expect("a plain name"),
            digest: sample.plan.digest(),
            deployment: QueryId(self.rng.random()),
        };
        let shares = share_all(sample.plan.ring(), &sample.parameters, &mut self.rng);
        let mut shares = shares.map(Some);
        let loads = PartyId::ALL.map(|party| {
            let parameters = shares[party.index()].take().expect("one of each party");
            let context = EnvelopeContext {
                purpose: Purpose::Model,
                query: model.deployment,
                digest: model.digest,
                party,
            };
            let contents = ModelEnvelope { parameters }.to_bytes();
            let sealed = seal(&self.sealing[party.index()], &context, &contents, &mut self.rng).expect("sealed");
            Load {
                deployment: model.deployment,
                name: model.name.clone(),
                plan: plan.clone().into(),
                envelope: sealed.into(),
            }
        });
        (model, loads)
    }

    /// Gives all three parties a model.
    pub async fn deploy(&mut self, name: &str, sample: &Sample) -> Model {
        let (model, loads) = self.loads(name, sample);
        for (party, load) in PartyId::ALL.into_iter().zip(loads) {
            let loaded = self.ask(party, &NodeRequest::Load(load)).await;
            assert_eq!(loaded, NodeReply::Loaded { digest: model.digest });
        }
        for party in PartyId::ALL {
            let activated = self
                .ask(
                    party,
                    &NodeRequest::Activate {
                        deployment: model.deployment,
                    },
                )
                .await;
            assert_eq!(activated, NodeReply::Activated(model.clone()));
        }
        model
    }

    pub fn prepare(&mut self, model: &Model, plan: &Plan, inputs: &Encoded, roles: Roles) -> Prepared {
        let query = QueryId(self.rng.random());
        self.prepare_as(query, model, plan, inputs, roles)
    }

    /// The same under an identifier that may have been used before, with a reply key of its own.
    pub fn prepare_as(
        &mut self,
        query: QueryId,
        model: &Model,
        plan: &Plan,
        inputs: &Encoded,
        roles: Roles,
    ) -> Prepared {
        let session = SessionId(self.rng.random());
        let reply = SealingKeyPair::generate(&mut self.rng);
        let mut shares = share_all(plan.ring(), &inputs.inputs, &mut self.rng).map(Some);
        let runs = PartyId::ALL.map(|party| {
            let inputs_of = shares[party.index()].take().expect("one of each party");
            let contents = QueryEnvelope {
                batch: inputs.batch,
                reply_key: reply.public(),
                inputs: inputs_of,
            };
            let context = EnvelopeContext {
                purpose: Purpose::Query,
                query,
                digest: model.digest,
                party,
            };
            let bytes = contents.to_bytes();
            let sealed = seal(&self.sealing[party.index()], &context, &bytes, &mut self.rng).expect("sealed");
            Run {
                session,
                model: model.clone(),
                roles,
                deadline_ms: 5_000,
                queries: vec![QueryPart {
                    query,
                    batch: inputs.batch,
                    envelope: sealed.into(),
                }],
            }
        });
        Prepared {
            runs,
            reply,
            ring: plan.ring(),
        }
    }
}

impl Waiting {
    /// Gives each party its part of the query.
    pub async fn run(&mut self, runs: [Run; 3]) -> [NodeReply; 3] {
        for (stream, mut run) in self.streams.iter_mut().zip(runs) {
            run.session = self.order.session;
            let message = encode(&NodeRequest::Run(run));
            // A party that has discarded it does not read any more; what it says is heard below.
            let _ = stream.writer.write_message(message, usize::MAX).await;
        }
        let mut replies = vec![];
        for stream in &mut self.streams {
            replies.push(hear(stream).await);
        }
        replies.try_into().expect("three of them")
    }
}

impl Prepared {
    /// The revealed values behind the parties' replies, after checking that both evaluators say the same.
    pub fn reveal(&self, replies: &[NodeReply; 3]) -> Vec<Vec<i64>> {
        self.reveal_at(0, replies)
    }

    /// The same of the query at `place` of a session of several.
    pub fn reveal_at(&self, place: usize, replies: &[NodeReply; 3]) -> Vec<Vec<i64>> {
        let run = &self.runs[0];
        let opened = PartyId::ALL.map(|party| {
            let done = expect_done(&replies[party.index()]);
            let context = EnvelopeContext {
                purpose: Purpose::Result,
                query: run.queries[0].query,
                digest: run.model.digest,
                party,
            };
            let bytes = open(
                &self.reply,
                &context,
                done.results[place].as_ref().expect("computed").as_slice(),
            )
            .expect("sealed to this key");
            ResultEnvelope::from_bytes(&bytes).expect("whole")
        });
        let of = |role: Role| &opened[run.roles.party(role).index()].outputs;
        let (dealer, first, second) = (of(Role::Dealer), of(Role::Evaluator0), of(Role::Evaluator1));
        assert!(first == second, "both evaluators have the same m");
        let outputs = first.iter().zip(dealer);
        let revealed = outputs.map(|(masked, mask)| match self.ring {
            RingKind::Z32 => difference::<u32>(masked, mask),
            RingKind::Z64 => difference::<u64>(masked, mask),
        });
        revealed.collect()
    }
}

/// One session of several queries: the session, roles and deadline are those of the first.
pub fn together(prepared: &[Prepared]) -> [Run; 3] {
    PartyId::ALL.map(|party| {
        let mut run = prepared[0].runs[party.index()].clone();
        let others = prepared[1..].iter().map(|other| &other.runs[party.index()]);
        run.queries.extend(others.flat_map(|other| other.queries.clone()));
        run
    })
}

pub fn expect_done(reply: &NodeReply) -> &Done {
    match reply {
        NodeReply::Done(done) => done,
        other => panic!("expected a result, got {other:?}"),
    }
}

pub fn expect_failure(reply: &NodeReply) -> &Failure {
    match reply {
        NodeReply::Failed(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

pub async fn reply(mut stream: Stream) -> NodeReply {
    hear(&mut stream).await
}

async fn hear(stream: &mut Stream) -> NodeReply {
    let bytes = stream.reader.read_message(1 << 24).await.expect("answered");
    decode(&bytes).expect("a reply")
}

fn difference<R: Ring>(masked: &[u8], mask: &[u8]) -> Vec<i64> {
    let elements = |bytes: &[u8]| from_bytes::<R>(bytes, bytes.len() / R::BYTES).expect("whole elements");
    let (masked, mask) = (elements(masked), elements(mask));
    masked
        .iter()
        .zip(mask.iter())
        .map(|(m, r)| m.minus(*r).to_i64())
        .collect()
}

fn share_all(ring: RingKind, tensors: &[Integers], rng: &mut StdRng) -> [Shares; 3] {
    match ring {
        RingKind::Z32 => share_over(tensors, rng).map(Shares::Z32),
        RingKind::Z64 => share_over(tensors, rng).map(Shares::Z64),
    }
}

fn share_over<R: Ring>(tensors: &[Integers], rng: &mut StdRng) -> [Vec<PartyShare<R>>; 3] {
    let mut parties = [vec![], vec![], vec![]];
    for tensor in tensors {
        let elements: Vec<R> = tensor.iter().map(|&integer| R::from_i64(integer)).collect();
        for (party, share) in parties.iter_mut().zip(share(&elements, rng)) {
            party.push(share);
        }
    }
    parties
}

fn digest(identity: &Identity) -> CertificateDigest {
    CertificateDigest(identity.fingerprint().0)
}

fn save(identity: &Identity, sealing: &SealingKeyPair, home: &Path) -> NodeIdentity {
    let paths = NodeIdentity {
        certificate: home.join("identity.crt"),
        private_key: home.join("identity.key"),
        sealing_key: home.join("sealing.key"),
    };
    identity.save(&paths.certificate, &paths.private_key).expect("saved");
    sealing.save(&paths.sealing_key).expect("saved");
    paths
}

async fn connect(endpoint: &Endpoint, address: SocketAddr, peer: &Peer) -> Connection {
    for _ in 0..200 {
        if let Ok(connection) = endpoint.connect(address, peer).await {
            return connection;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{} did not start", peer.name);
}
