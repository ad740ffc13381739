use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tercet_ids::PartyId;

use crate::bounds::named;
use crate::check::{Check, FileCheck};
use crate::digest::CertificateDigest;
use crate::error::ConfigError;
use crate::field::{Field, UnknownKeys};
use crate::identity::{ClientIdentity, IdentityFile};
use crate::log::{LogConfig, LogFile};
use crate::node::{PeerEntry, PeerFile, certificate, expect_distinct, expect_parties, peer};
use crate::source::Source;
use crate::transport::{TransportConfig, TransportFile};

/// The coordinator's file, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CoordinatorFile {
    /// Address and UDP port for clients. No default. Port 0 takes any free one.
    pub listen: Field<String>,
    /// Address and TCP port of metrics and health. No default. Bind an internal interface: it is not authenticated.
    pub metrics_listen: Field<String>,
    /// Who the coordinator is.
    pub identity: Field<IdentityFile>,
    /// The three nodes, each under its party's name with an underscore: `[nodes.client_proxy]`.
    pub nodes: Field<BTreeMap<String, Field<PeerFile>>>,
    /// Who may ask, each under a name of your choice: `[clients.fraud_desk]`.
    pub clients: Field<BTreeMap<String, Field<ClientEntryFile>>>,
    /// Queries that wait.
    pub queue: Field<QueueFile>,
    /// Sessions that are prepared ahead of queries.
    pub pool: Field<PoolFile>,
    /// What the coordinator accepts.
    pub limits: Field<CoordinatorLimitsFile>,
    /// How QUIC behaves.
    pub transport: Field<TransportFile>,
    /// What is logged.
    pub log: Field<LogFile>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[clients.NAME]`: a client that is let in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientEntryFile {
    /// SHA-256 of the client's certificate, 64 hex digits. No default.
    pub certificate_sha256: Field<String>,
    /// Whether this client may deploy models. Default false: asking is not owning.
    pub deploy: Field<bool>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[queue]`: queries that wait for the nodes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct QueueFile {
    /// Queries that may wait. Default 256. One more is refused as overload; a longer queue turns overload into missed deadlines.
    pub capacity: Field<u64>,
    /// Longest deadline a client may ask for, in milliseconds. Default 120000. Longer lets one client hold a place longer.
    pub deadline_ms_max: Field<u64>,
    /// Milliseconds that a session of several queries may take, by prediction from earlier ones. Default 250. Waiting queries of one model run
    /// together and share rounds: more gives throughput, less gives short waits. Where even one query takes long, company may double its time.
    pub session_ms: Field<u64>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[pool]`: sessions that the nodes prepare while nothing else goes on, for queries to come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PoolFile {
    /// Prepared sessions of each model. Default 0: none. A query that finds one waits for the online phase alone; each takes memory at all
    /// three nodes (their `limits.prepared_bytes`) for what is dealt, and costs as much as a query that never comes.
    pub sessions: Field<u64>,
    /// Samples of a query that finds one. Default 1. Queries of other batches are computed from the start.
    pub batch: Field<u64>,
    /// Seconds a prepared session is kept. Default 600. Then another one is prepared in its place.
    pub seconds: Field<u64>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[limits]` of the coordinator.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CoordinatorLimitsFile {
    /// Sessions given to the nodes at once. Default 3, which fill each other's waits; queries that wait meanwhile run together in the next one,
    /// so that more sessions mean smaller batches. The nodes' `limits.sessions` bounds it, too.
    pub sessions: Field<u64>,
    /// Connections of clients. Default 256.
    pub connections: Field<u64>,
    /// Queries one client may have waiting or running. Default 64. Keeps one client from filling the queue.
    pub client_queries: Field<u64>,
    /// Bytes of one model, sealed to one party. Default 1073741824. Should equal the nodes' `limits.model_bytes`.
    pub model_bytes: Field<u64>,
    /// Bytes of one party's share of a query. Default 268435456. Should equal the nodes' `limits.envelope_bytes`.
    pub envelope_bytes: Field<u64>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// All the coordinator needs to know, checked as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// The file it was read from, for messages.
    pub path: PathBuf,
    /// UDP address for clients.
    pub listen: SocketAddr,
    /// TCP address of metrics and health.
    pub metrics_listen: SocketAddr,
    /// Who the coordinator is.
    pub identity: ClientIdentity,
    /// The three nodes, in party order.
    pub nodes: [NodeEntry; 3],
    /// Who may ask.
    pub clients: Vec<ClientEntry>,
    /// Queries that wait.
    pub queue: QueueConfig,
    /// Sessions that are prepared ahead of queries.
    pub pool: PoolConfig,
    /// What the coordinator accepts.
    pub limits: CoordinatorLimits,
    /// How QUIC behaves.
    pub transport: TransportConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// Where a node listens and who it is.
pub type NodeEntry = PeerEntry;

/// A client that is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientEntry {
    /// The name it has in logs.
    pub name: String,
    /// Its certificate.
    pub certificate_sha256: CertificateDigest,
    /// Whether it may deploy models.
    pub deploy: bool,
}

/// Queries that wait for the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueConfig {
    /// Queries that may wait.
    pub capacity: usize,
    /// Longest deadline a client may ask for.
    pub deadline_max: Duration,
    /// How long a session of several queries may take, by prediction.
    pub session_time: Duration,
}

/// Sessions that are prepared ahead of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConfig {
    /// How many of each model.
    pub sessions: usize,
    /// Samples of each.
    pub batch: u32,
    /// How long each is kept.
    pub age: Duration,
}

/// What the coordinator accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoordinatorLimits {
    /// Sessions given to the nodes at once.
    pub sessions: usize,
    /// Connections of clients.
    pub connections: usize,
    /// Queries one client may have waiting or running.
    pub client_queries: usize,
    /// Bytes of one model, sealed to one party.
    pub model_bytes: usize,
    /// Bytes of one party's share of a query.
    pub envelope_bytes: usize,
}

impl CoordinatorConfig {
    /// Reads and checks a coordinator's file.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: &Path) -> Result<CoordinatorConfig, ConfigError> {
        Self::from_source(&Source::read(path)?)
    }

    /// Checks a text as if it stood in the file `path`, with `environment` as the variables.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse(path: &Path, text: &str, environment: &[(&str, &str)]) -> Result<CoordinatorConfig, ConfigError> {
        let environment = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Self::from_source(&Source::new(path, text.to_owned(), environment))
    }

    fn from_source(source: &Source) -> Result<CoordinatorConfig, ConfigError> {
        let file = source.merged::<CoordinatorFile>()?;
        let mut check = Check::new(source);
        let built = read(&mut check, file, &source.path);
        check.finish(built)
    }

    /// Looks whether the files it names can be used.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        let mut files = FileCheck::new();
        self.identity.check_files(&mut files);
        files.finish(&self.path)
    }
}

fn read(check: &mut Check, file: CoordinatorFile, path: &Path) -> Option<CoordinatorConfig> {
    check.unknown(
        &file.unknown,
        &[
            "listen",
            "metrics_listen",
            "identity",
            "nodes",
            "clients",
            "queue",
            "pool",
            "limits",
            "transport",
            "log",
        ],
    );
    let listen = check.parsed("listen", file.listen, "listen = \"0.0.0.0:7100\"");
    let metrics_listen = check.parsed(
        "metrics_listen",
        file.metrics_listen,
        "metrics_listen = \"127.0.0.1:9100\"",
    );
    let identity = check.section("identity", file.identity, ClientIdentity::read);
    let nodes = check.table("nodes", file.nodes, peer);
    let clients = check.table("clients", file.clients, client_entry);
    let queue = check.section("queue", file.queue, QueueConfig::read);
    let pool = check.section("pool", file.pool, PoolConfig::read);
    let limits = check.section("limits", file.limits, CoordinatorLimits::read);
    let transport = check.section("transport", file.transport, TransportConfig::read);
    let log = check.section("log", file.log, LogConfig::read);

    if clients.as_ref().is_some_and(Vec::is_empty) {
        check.fault(
            "clients",
            "is missing and has no default; write a section [clients.NAME] for each client to let in",
        );
    }
    let clients = clients.inspect(|clients| {
        expect_distinct(
            check,
            "clients",
            clients
                .iter()
                .map(|client| (client.name.as_str(), client.certificate_sha256)),
        );
    });
    let nodes = nodes.and_then(|nodes| {
        expect_distinct(
            check,
            "nodes",
            nodes.iter().map(|node| (node.party.name(), node.certificate_sha256)),
        );
        expect_parties(check, "nodes", nodes, &PartyId::ALL, |node| node.party)
    });
    Some(CoordinatorConfig {
        path: path.to_owned(),
        listen: listen?,
        metrics_listen: metrics_listen?,
        identity: identity?,
        nodes: nodes?.try_into().ok()?,
        clients: clients?,
        queue: queue?,
        pool: pool?,
        limits: limits?,
        transport: transport?,
        log: log?,
    })
}

fn client_entry(check: &mut Check, name: &str, file: ClientEntryFile) -> Option<ClientEntry> {
    check.unknown(&file.unknown, &["certificate_sha256", "deploy"]);
    let certificate_sha256 = certificate(check, file.certificate_sha256);
    let deploy = match file.deploy {
        Field::Absent => Some(false),
        given => check.required("deploy", given, "deploy = true or false"),
    };
    Some(ClientEntry {
        name: name.to_owned(),
        certificate_sha256: certificate_sha256?,
        deploy: deploy?,
    })
}

impl QueueConfig {
    fn read(check: &mut Check, file: QueueFile) -> Option<QueueConfig> {
        check.unknown(&file.unknown, &["capacity", "deadline_ms_max", "session_ms"]);
        let capacity = check.count("capacity", file.capacity, named::QUEUE_CAPACITY);
        let deadline = check.number("deadline_ms_max", file.deadline_ms_max, named::DEADLINE_MS_MAX);
        let session = check.number("session_ms", file.session_ms, named::SESSION_MS);
        Some(QueueConfig {
            capacity: capacity?,
            deadline_max: Duration::from_millis(deadline?),
            session_time: Duration::from_millis(session?),
        })
    }
}

impl PoolConfig {
    fn read(check: &mut Check, file: PoolFile) -> Option<PoolConfig> {
        check.unknown(&file.unknown, &["sessions", "batch", "seconds"]);
        let sessions = check.count("sessions", file.sessions, named::POOL_SESSIONS);
        let batch = check.number("batch", file.batch, named::POOL_BATCH);
        let seconds = check.number("seconds", file.seconds, named::POOL_SECONDS);
        Some(PoolConfig {
            sessions: sessions?,
            batch: u32::try_from(batch?).ok()?,
            age: Duration::from_secs(seconds?),
        })
    }
}

impl CoordinatorLimits {
    fn read(check: &mut Check, file: CoordinatorLimitsFile) -> Option<CoordinatorLimits> {
        check.unknown(
            &file.unknown,
            &[
                "sessions",
                "connections",
                "client_queries",
                "model_bytes",
                "envelope_bytes",
            ],
        );
        let sessions = check.count("sessions", file.sessions, named::SESSIONS_AT_ONCE);
        let connections = check.count("connections", file.connections, named::CLIENT_CONNECTIONS);
        let client_queries = check.count("client_queries", file.client_queries, named::CLIENT_QUERIES);
        let model_bytes = check.count("model_bytes", file.model_bytes, named::MODEL_BYTES);
        let envelope_bytes = check.count("envelope_bytes", file.envelope_bytes, named::ENVELOPE_BYTES);
        Some(CoordinatorLimits {
            sessions: sessions?,
            connections: connections?,
            client_queries: client_queries?,
            model_bytes: model_bytes?,
            envelope_bytes: envelope_bytes?,
        })
    }
}
