//! Three scripted nodes, a coordinator and two clients, over QUIC on loopback.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::RngExt;
use tercet_config::{
    CertificateDigest, ClientEntry, ClientIdentity, CoordinatorConfig, CoordinatorLimits, LogConfig, LogFormat,
    LogLevel, NodeEntry, PoolConfig, QueueConfig, TransportConfig,
};
use tercet_ids::{PartyId, PlanDigest, QueryId};
use tercet_net::{
    CloseReason, Connection, Endpoint, Identity, Peer, PeerName, Stream, TransportSettings, TrustedPeers,
};
use tercet_plan::{Bound, Decode, FORMAT, Form, Input, Op, Origin, Output, Plan, Step, Value, ValueId};
use tercet_wire::{
    ClientReply, ClientRequest, Deploy, Done, Infer, LinkStatus, Model, ModelName, NodeReply, NodeRequest, NodeState,
    Offer, Opaque, PartyReport, Pong, decode, encode,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// What a node was asked, pings aside.
pub struct Told {
    pub party: PartyId,
    pub request: NodeRequest,
}

type Script = Arc<dyn Fn(PartyId, &NodeRequest) -> Option<NodeReply> + Send + Sync>;

/// A request that the script has no reply to is never answered, except for cancellations.
pub struct World {
    nodes: HashMap<PartyId, Node>,
    told: mpsc::UnboundedReceiver<Told>,
    seen: Vec<Told>,
    owner: Connection,
    guest: Connection,
    _directory: tempfile::TempDir,
}

struct Node {
    identity: Identity,
    address: SocketAddr,
    coordinator: Peer,
    endpoint: Endpoint,
    shared: Arc<Shared>,
}

struct Shared {
    party: PartyId,
    script: Script,
    models: Mutex<Vec<Model>>,
    silent: Mutex<bool>,
    /// Whether the node is connected to its peers.
    linked: Mutex<bool>,
    told: mpsc::UnboundedSender<Told>,
}

/// What a scripted node takes of every model.
pub const BATCH_MAX: u32 = 8;

impl Shared {
    fn offers(&self) -> Vec<Offer> {
        let models = self.models.lock().expect("not poisoned");
        let offer = |model: &Model| Offer {
            model: model.clone(),
            batch_max: BATCH_MAX,
        };
        models.iter().map(offer).collect()
    }
}

pub fn name(text: &str) -> ModelName {
    text.parse().expect("a plain name")
}

pub fn model() -> Model {
    Model {
        name: name("lenet"),
        digest: PlanDigest([1; 32]),
        deployment: QueryId([2; 16]),
    }
}

fn envelopes() -> [Opaque; 3] {
    [0, 1, 2].map(|party| Opaque::from(vec![party; 4]))
}

pub fn infer() -> ClientRequest {
    let model = model();
    ClientRequest::Infer(Infer {
        query: QueryId([3; 16]),
        model: model.name,
        digest: model.digest,
        batch: 1,
        deadline_ms: 5_000,
        envelopes: envelopes(),
    })
}

pub fn deploy() -> ClientRequest {
    let plan = smallest_plan().to_bytes();
    ClientRequest::Deploy(Deploy {
        deployment: QueryId([4; 16]),
        name: name("new"),
        plan: plan.into(),
        envelopes: envelopes(),
    })
}

/// A plan that gives its input back.
fn smallest_plan() -> Plan {
    let (shape, fraction_bits) = (vec![2], 5);
    let bound = Bound {
        bits: 10,
        origin: Origin::Proven,
    };
    let value = Value {
        shape: shape.clone(),
        fraction_bits,
        bound,
        form: Form::Masked,
    };
    let input = Input {
        name: "x".to_owned(),
        shape: shape.clone(),
        batched: true,
        fraction_bits,
        range: (-1.0, 1.0),
    };
    let output = Output {
        name: "y".to_owned(),
        value: ValueId(0),
        shape,
        batched: true,
        decode: Decode::Identity,
    };
    Plan {
        format: FORMAT,
        name: "identity".to_owned(),
        ring_bits: 32,
        inputs: vec![input],
        outputs: vec![output],
        parameters: vec![],
        steps: vec![Step {
            source: "x".to_owned(),
            op: Op::Input(0),
            value,
        }],
    }
}

/// The reply of a party to a run, with its index as the result; the index is filled in by the node.
pub fn done() -> NodeReply {
    NodeReply::Done(Done {
        results: vec![Ok(Opaque::from(vec![]))],
        report: PartyReport {
            rounds: 7,
            ..PartyReport::default()
        },
    })
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

fn digest(identity: &Identity) -> CertificateDigest {
    CertificateDigest(identity.fingerprint().0)
}

fn save(identity: &Identity, directory: &Path) -> ClientIdentity {
    let (certificate, private_key) = (directory.join("identity.crt"), directory.join("identity.key"));
    identity.save(&certificate, &private_key).expect("saved");
    ClientIdentity {
        certificate,
        private_key,
    }
}

/// A configuration that knows nobody yet.
fn config(listen: SocketAddr, identity: ClientIdentity) -> CoordinatorConfig {
    CoordinatorConfig {
        path: "coordinator.toml".into(),
        listen,
        metrics_listen: free_tcp(),
        identity,
        nodes: PartyId::ALL.map(|party| NodeEntry {
            party,
            address: free_udp().into(),
            certificate_sha256: CertificateDigest([party.index() as u8; 32]),
        }),
        clients: vec![],
        queue: QueueConfig {
            capacity: 4,
            deadline_max: Duration::from_secs(10),
            session_time: Duration::from_millis(250),
        },
        pool: PoolConfig {
            sessions: 0,
            batch: 1,
            age: Duration::from_secs(60),
        },
        limits: CoordinatorLimits {
            sessions: 2,
            connections: 8,
            client_queries: 8,
            model_bytes: 1 << 20,
            envelope_bytes: 1 << 20,
        },
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
    }
}

pub fn config_without_identity() -> CoordinatorConfig {
    let identity = ClientIdentity {
        certificate: "missing.crt".into(),
        private_key: "missing.key".into(),
    };
    config(free_udp(), identity)
}

impl World {
    pub async fn start(script: impl Fn(PartyId, &NodeRequest) -> Option<NodeReply> + Send + Sync + 'static) -> World {
        World::start_with_pool(0, script).await
    }

    /// The same with so many sessions of the model prepared ahead.
    pub async fn start_with_pool(
        sessions: usize,
        script: impl Fn(PartyId, &NodeRequest) -> Option<NodeReply> + Send + Sync + 'static,
    ) -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let generate = |name: &str| Identity::generate(name).expect("generated");
        let (coordinator, owner, guest) = (generate("coordinator"), generate("owner"), generate("guest"));
        let script: Script = Arc::new(script);
        let (teller, told) = mpsc::unbounded_channel();
        let mut nodes = HashMap::new();
        for party in PartyId::ALL {
            let shared = Shared {
                party,
                script: script.clone(),
                models: Mutex::new(vec![model()]),
                silent: Mutex::new(false),
                linked: Mutex::new(true),
                told: teller.clone(),
            };
            let coordinator = Peer {
                name: PeerName::Coordinator,
                fingerprint: coordinator.fingerprint(),
            };
            let node = Node::start(generate(party.name()), free_udp(), coordinator, Arc::new(shared));
            nodes.insert(party, node);
        }

        let listen = free_udp();
        let entry = |name: &str, identity: &Identity, deploy: bool| ClientEntry {
            name: name.to_owned(),
            certificate_sha256: digest(identity),
            deploy,
        };
        let unconfigured = config(listen, save(&coordinator, directory.path()));
        let config = CoordinatorConfig {
            pool: PoolConfig {
                sessions,
                ..unconfigured.pool
            },
            nodes: PartyId::ALL.map(|party| NodeEntry {
                party,
                address: nodes[&party].address.into(),
                certificate_sha256: digest(&nodes[&party].identity),
            }),
            clients: vec![entry("owner", &owner, true), entry("guest", &guest, false)],
            ..unconfigured
        };
        // Ends with the test's process: a coordinator stops by a signal only.
        std::thread::spawn(move || tercet_coordinator::run(config));

        let peer = Peer {
            name: PeerName::Coordinator,
            fingerprint: coordinator.fingerprint(),
        };
        let owner = connect(owner, listen, &peer).await;
        let guest = connect(guest, listen, &peer).await;
        let world = World {
            nodes,
            told,
            seen: vec![],
            owner,
            guest,
            _directory: directory,
        };
        world.wait_until_ready().await;
        world
    }

    async fn wait_until_ready(&self) {
        for _ in 0..200 {
            let ClientReply::Status(status) = self.ask(ClientRequest::Status).await else {
                panic!("a status was asked for")
            };
            if status.nodes.iter().all(|node| node.state == Some(NodeState::Ready)) {
                return;
            }
            sleep(Duration::from_millis(25)).await;
        }
        panic!("the coordinator did not find its nodes");
    }

    pub async fn ask(&self, request: ClientRequest) -> ClientReply {
        exchange(&self.owner, encode(&request)).await
    }

    pub async fn ask_as_guest(&self, request: ClientRequest) -> ClientReply {
        exchange(&self.guest, encode(&request)).await
    }

    pub async fn ask_bytes(&self, request: Vec<u8>) -> ClientReply {
        exchange(&self.owner, request).await
    }

    pub fn ask_later(&self, request: ClientRequest) -> JoinHandle<ClientReply> {
        let connection = self.owner.clone();
        tokio::spawn(async move { exchange(&connection, encode(&request)).await })
    }

    /// Waits until the nodes were asked `count` matching things.
    pub async fn told_of(&mut self, matches: fn(&NodeRequest) -> bool, count: usize) -> Vec<Told> {
        let mut found = vec![];
        let wait = async {
            while found.len() < count {
                let told = self.told.recv().await.expect("the nodes are here");
                if matches(&told.request) {
                    found.push(told);
                } else {
                    self.seen.push(told);
                }
            }
        };
        timeout(Duration::from_secs(5), wait)
            .await
            .expect("the coordinator tells the nodes");
        found
    }

    /// How many matching things the nodes were asked, beside those that were waited for.
    pub fn told_so_far(&mut self, matches: fn(&NodeRequest) -> bool) -> usize {
        while let Ok(told) = self.told.try_recv() {
            self.seen.push(told);
        }
        self.seen.iter().filter(|told| matches(&told.request)).count()
    }

    /// From now on a party answers nothing but pings.
    pub fn keep_silent(&self, party: PartyId) {
        *self.nodes[&party].shared.silent.lock().expect("not poisoned") = true;
    }

    /// Whether a party is connected to its peers; waits until the coordinator has heard of it.
    pub async fn link(&self, party: PartyId, linked: bool) {
        *self.nodes[&party].shared.linked.lock().expect("not poisoned") = linked;
        sleep(Duration::from_millis(1_200)).await;
    }

    pub async fn lose(&self, party: PartyId) {
        self.nodes[&party].endpoint.close(CloseReason::Shutdown);
        self.nodes[&party].endpoint.wait_idle().await;
    }

    pub async fn bring_back(&mut self, party: PartyId) {
        let node = self.nodes.remove(&party).expect("it was here");
        *node.shared.silent.lock().expect("not poisoned") = false;
        let Node {
            identity,
            address,
            coordinator,
            endpoint,
            shared,
        } = node;
        drop(endpoint);
        sleep(Duration::from_millis(100)).await;
        self.nodes
            .insert(party, Node::start(identity, address, coordinator, shared));
        self.wait_until_ready().await;
    }

    /// Changes what a party serves, and waits until the coordinator has heard of it.
    pub async fn serve(&self, party: PartyId, models: Vec<Model>) {
        *self.nodes[&party].shared.models.lock().expect("not poisoned") = models.clone();
        for _ in 0..100 {
            let ClientReply::Status(status) = self.ask(ClientRequest::Status).await else {
                panic!("a status was asked for")
            };
            if status.nodes[party.index()].models == models {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the coordinator did not hear of the models");
    }
}

async fn connect(identity: Identity, address: SocketAddr, peer: &Peer) -> Connection {
    let endpoint = Endpoint::dial_only(address, identity, settings()).expect("an endpoint");
    for _ in 0..100 {
        if let Ok(connection) = endpoint.connect(address, peer).await {
            return connection;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the coordinator did not start");
}

async fn exchange(connection: &Connection, request: Vec<u8>) -> ClientReply {
    let mut stream = connection.open_stream().await.expect("connected");
    stream.writer.write_message(request, usize::MAX).await.expect("sent");
    stream.writer.finish();
    let bytes = stream.reader.read_message(1 << 24).await.expect("answered");
    decode(&bytes).expect("a reply")
}

impl Node {
    fn start(identity: Identity, address: SocketAddr, coordinator: Peer, shared: Arc<Shared>) -> Node {
        let trusted = TrustedPeers::new([coordinator.clone()]).expect("one peer");
        let bound = Endpoint::bind(address, identity.clone(), trusted, settings());
        let (endpoint, mut listener) = bound.expect("a free address");
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Some(connection) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    while let Ok(stream) = connection.accept_stream().await {
                        tokio::spawn(answer(stream, serving.clone()));
                    }
                });
            }
        });
        Node {
            identity,
            address,
            coordinator,
            endpoint,
            shared,
        }
    }
}

async fn answer(mut stream: Stream, shared: Arc<Shared>) {
    // A prepared session is run by a second request on its stream.
    while let Ok(bytes) = stream.reader.read_message(1 << 24).await {
        let request: NodeRequest = decode(&bytes).expect("a request");
        let party = shared.party;
        let reply = match &request {
            NodeRequest::Ping => Some(NodeReply::Pong(Pong {
                party,
                state: NodeState::Ready,
                offers: shared.offers(),
                links: party.peers().map(|peer| LinkStatus {
                    peer,
                    round_trip_us: shared.linked.lock().expect("not poisoned").then_some(100),
                }),
                sessions: 0,
                sessions_max: 4,
            })),
            NodeRequest::Cancel { .. } => Some(NodeReply::Cancelled),
            request if !*shared.silent.lock().expect("not poisoned") => (shared.script)(party, request),
            _ => None,
        };
        if request != NodeRequest::Ping {
            shared.told.send(Told { party, request }).expect("the world listens");
        }
        let reply = match reply {
            Some(NodeReply::Done(done)) => {
                let results = vec![Ok(Opaque::from(vec![party.index() as u8]))];
                NodeReply::Done(Done { results, ..done })
            }
            Some(reply) => reply,
            None => return stream.writer.stopped().await,
        };
        // The coordinator may have given up.
        let _ = stream.writer.write_message(encode(&reply), usize::MAX).await;
        if !matches!(reply, NodeReply::Prepared { .. }) {
            return stream.writer.finish();
        }
    }
}
