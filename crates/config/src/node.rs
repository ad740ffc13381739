use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tercet_ids::PartyId;

use crate::address::Address;
use crate::bounds::{Bounds, named};
use crate::check::{Check, FileCheck};
use crate::digest::CertificateDigest;
use crate::error::ConfigError;
use crate::field::{Field, UnknownKeys};
use crate::gateway::{GatewayConfig, GatewayFile};
use crate::identity::{IdentityFile, NodeIdentity};
use crate::log::{LogConfig, LogFile};
use crate::source::Source;
use crate::transport::{TransportConfig, TransportFile};

/// A node's file, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeFile {
    /// Which of the three parties this node is: `client-proxy`, `cloud` or `auditor`. No default.
    pub party: Field<String>,
    /// Address and UDP port for peers and the coordinator. No default. Port 0 takes any free one.
    pub listen: Field<String>,
    /// Address and TCP port of metrics and health. No default. Bind an internal interface: it is not authenticated.
    pub metrics_listen: Field<String>,
    /// Who this node is.
    pub identity: Field<IdentityFile>,
    /// Where deployed models are kept.
    pub storage: Field<StorageFile>,
    /// The coordinator this node serves.
    pub coordinator: Field<TrustedFile>,
    /// The other two parties, each under its name with an underscore: `[peers.client_proxy]`.
    pub peers: Field<BTreeMap<String, Field<PeerFile>>>,
    /// Where ordinary inference clients ask; the client proxy's node only.
    pub gateway: Field<GatewayFile>,
    /// What this node accepts.
    pub limits: Field<NodeLimitsFile>,
    /// How QUIC behaves.
    pub transport: Field<TransportFile>,
    /// What is logged.
    pub log: Field<LogFile>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[storage]`: what outlives a restart.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StorageFile {
    /// Directory of deployed models, which stay sealed to this node's own key. No default. Losing it means deploying again.
    pub directory: Field<String>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[coordinator]` of a node: who may send it sessions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TrustedFile {
    /// SHA-256 of the coordinator's certificate, 64 hex digits. No default. Anybody else is refused.
    pub certificate_sha256: Field<String>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[peers.NAME]`: where another party's node listens and who it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PeerFile {
    /// `host:port`, UDP. No default.
    pub address: Field<String>,
    /// SHA-256 of the peer's certificate, 64 hex digits. No default. Read it over a second channel: whoever has this certificate
    /// gets this party's share of the conversation.
    pub certificate_sha256: Field<String>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[limits]` of a node. What exceeds one is refused with an error that names it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeLimitsFile {
    /// Sessions computed at once. Default 8. More use more memory; more than cores add no speed but hide network waits.
    pub sessions: Field<u64>,
    /// Sessions that may wait for a place. Default 64. Longer queues turn overload into missed deadlines.
    pub queued_sessions: Field<u64>,
    /// Threads that compute. Default: as many as the machine has cores. Fewer leave room for other programs.
    pub threads: Field<u64>,
    /// Samples of one session. Default 256. Memory grows with it.
    pub batch: Field<u64>,
    /// Bytes of one model, sealed. Default 1073741824. Smaller protects memory; too small refuses large models at deployment.
    pub model_bytes: Field<u64>,
    /// Bytes of this party's share of one query. Default 268435456: batch x input elements x 8 must fit.
    pub envelope_bytes: Field<u64>,
    /// Bytes of one frame from a peer. Default 1048576. A larger frame ends the session; all parties need the same.
    pub frame_bytes: Field<u64>,
    /// Seconds a session may take whatever the client's deadline. Default 120. A stuck session holds its place that long.
    pub session_seconds: Field<u64>,
    /// Bytes of sessions that the coordinator has prepared ahead of queries. Default 268435456. Less refuses some; 0 refuses all.
    pub prepared_bytes: Field<u64>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// All a node needs to know, checked as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The file it was read from, for messages.
    pub path: PathBuf,
    /// Which party this node is.
    pub party: PartyId,
    /// UDP address for peers and the coordinator.
    pub listen: SocketAddr,
    /// TCP address of metrics and health.
    pub metrics_listen: SocketAddr,
    /// Who this node is.
    pub identity: NodeIdentity,
    /// Directory of deployed models.
    pub storage_directory: PathBuf,
    /// The coordinator's certificate.
    pub coordinator: CertificateDigest,
    /// The other two parties, in index order.
    pub peers: [PeerEntry; 2],
    /// Where ordinary inference clients ask, if they may.
    pub gateway: Option<GatewayConfig>,
    /// What this node accepts.
    pub limits: NodeLimits,
    /// How QUIC behaves.
    pub transport: TransportConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// Where another party's node listens and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEntry {
    /// Which party.
    pub party: PartyId,
    /// Where it listens.
    pub address: Address,
    /// Its certificate.
    pub certificate_sha256: CertificateDigest,
}

/// What a node accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// Sessions computed at once.
    pub sessions: usize,
    /// Sessions that may wait for a place.
    pub queued_sessions: usize,
    /// Threads that compute.
    pub threads: usize,
    /// Samples of one session.
    pub batch: u32,
    /// Bytes of one model, sealed.
    pub model_bytes: usize,
    /// Bytes of this party's share of one query.
    pub envelope_bytes: usize,
    /// Bytes of one frame from a peer.
    pub frame_bytes: usize,
    /// The longest a session may take.
    pub session_time: Duration,
    /// Bytes of sessions that wait for a query.
    pub prepared_bytes: u64,
}

impl PeerFile {
    pub(crate) fn unknown(&self) -> &UnknownKeys {
        &self.unknown
    }
}

impl NodeConfig {
    /// Reads and checks a node's file.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: &Path) -> Result<NodeConfig, ConfigError> {
        Self::from_source(&Source::read(path)?)
    }

    /// Checks a text as if it stood in the file `path`, with `environment` as the variables.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse(path: &Path, text: &str, environment: &[(&str, &str)]) -> Result<NodeConfig, ConfigError> {
        let environment = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Self::from_source(&Source::new(path, text.to_owned(), environment))
    }

    fn from_source(source: &Source) -> Result<NodeConfig, ConfigError> {
        let file = source.merged::<NodeFile>()?;
        let mut check = Check::new(source);
        let built = read(&mut check, file, &source.path);
        check.finish(built)
    }

    /// Looks whether the files and directories it names can be used.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        let mut files = FileCheck::new();
        self.identity.check_files(&mut files);
        files.directory("storage.directory", &self.storage_directory);
        if let Some(gateway) = &self.gateway {
            files.readable("gateway.client", &gateway.client);
        }
        files.finish(&self.path)
    }
}

fn read(check: &mut Check, file: NodeFile, path: &Path) -> Option<NodeConfig> {
    check.unknown(
        &file.unknown,
        &[
            "party",
            "listen",
            "metrics_listen",
            "identity",
            "storage",
            "coordinator",
            "peers",
            "gateway",
            "limits",
            "transport",
            "log",
        ],
    );
    let party = check.parsed(
        "party",
        file.party,
        "party = \"cloud\", \"auditor\" or \"client-proxy\"",
    );
    let listen = check.parsed("listen", file.listen, "listen = \"0.0.0.0:7101\"");
    let metrics_listen = check.parsed(
        "metrics_listen",
        file.metrics_listen,
        "metrics_listen = \"127.0.0.1:9101\"",
    );
    let identity = check.section("identity", file.identity, NodeIdentity::read);
    let storage_directory = check.section("storage", file.storage, |check, storage| {
        check.unknown(&storage.unknown, &["directory"]);
        check.path("directory", storage.directory, "directory = \"models\"")
    });
    let coordinator = check.section("coordinator", file.coordinator, |check, trusted| {
        check.unknown(&trusted.unknown, &["certificate_sha256"]);
        certificate(check, trusted.certificate_sha256)
    });
    let peers = check.table("peers", file.peers, peer);
    let gateway = match file.gateway {
        Field::Absent => Some(None),
        given => check.section("gateway", given, GatewayConfig::read).map(Some),
    };
    let limits = check.section("limits", file.limits, NodeLimits::read);
    let transport = check.section("transport", file.transport, TransportConfig::read);
    let log = check.section("log", file.log, LogConfig::read);

    let party: PartyId = party?;
    if party != PartyId::ClientProxy && gateway != Some(None) {
        let sentence = format!(
            "plaintext belongs in the client's own network, not to {party}; move the section to the client proxy's node"
        );
        check.fault("gateway", sentence);
    }
    let peers = expect_parties(check, "peers", peers?, &party.peers(), |peer| peer.party)?;
    let coordinator = coordinator?;
    let named = peers.iter().map(|peer| (peer.party.name(), peer.certificate_sha256));
    expect_distinct(check, "peers", named.chain([("coordinator", coordinator)]));
    Some(NodeConfig {
        path: path.to_owned(),
        party,
        listen: listen?,
        metrics_listen: metrics_listen?,
        identity: identity?,
        storage_directory: storage_directory?,
        coordinator,
        peers: peers.try_into().ok()?,
        gateway: gateway?,
        limits: limits?,
        transport: transport?,
        log: log?,
    })
}

impl NodeLimits {
    fn read(check: &mut Check, file: NodeLimitsFile) -> Option<NodeLimits> {
        check.unknown(
            &file.unknown,
            &[
                "sessions",
                "queued_sessions",
                "threads",
                "batch",
                "model_bytes",
                "envelope_bytes",
                "frame_bytes",
                "session_seconds",
                "prepared_bytes",
            ],
        );
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let threads = Bounds {
            default: cores.min(named::THREADS.most),
            ..named::THREADS
        };
        let sessions = check.count("sessions", file.sessions, named::SESSIONS);
        let queued_sessions = check.count("queued_sessions", file.queued_sessions, named::QUEUED_SESSIONS);
        let threads = check.count("threads", file.threads, threads);
        let batch = check.number("batch", file.batch, named::BATCH);
        let model_bytes = check.count("model_bytes", file.model_bytes, named::MODEL_BYTES);
        let envelope_bytes = check.count("envelope_bytes", file.envelope_bytes, named::ENVELOPE_BYTES);
        let frame_bytes = check.count("frame_bytes", file.frame_bytes, named::FRAME_BYTES);
        let session_seconds = check.number("session_seconds", file.session_seconds, named::SESSION_SECONDS);
        let prepared_bytes = check.number("prepared_bytes", file.prepared_bytes, named::PREPARED_BYTES);
        Some(NodeLimits {
            sessions: sessions?,
            queued_sessions: queued_sessions?,
            threads: threads?,
            batch: u32::try_from(batch?).ok()?,
            model_bytes: model_bytes?,
            envelope_bytes: envelope_bytes?,
            frame_bytes: frame_bytes?,
            session_time: Duration::from_secs(session_seconds?),
            prepared_bytes: prepared_bytes?,
        })
    }
}

/// A pinned certificate; also used by the coordinator's and the client's files.
pub(crate) fn certificate(check: &mut Check, field: Field<String>) -> Option<CertificateDigest> {
    let write = "certificate_sha256 = \"<64 hex digits, printed by `tercet keys`>\"";
    check.parsed("certificate_sha256", field, write)
}

/// The party a section such as `[peers.client_proxy]` is named after.
pub(crate) fn party_of_section(check: &mut Check, name: &str) -> Option<PartyId> {
    let party = PartyId::ALL
        .into_iter()
        .find(|party| party.name().replace('-', "_") == name);
    if party.is_none() {
        check.section_fault("is named after no party; use client_proxy, cloud or auditor");
    }
    party
}

/// One `[peers.NAME]` or `[nodes.NAME]`.
pub(crate) fn peer(check: &mut Check, name: &str, file: PeerFile) -> Option<PeerEntry> {
    check.unknown(file.unknown(), &["address", "certificate_sha256"]);
    let party = party_of_section(check, name);
    let address = check.parsed("address", file.address, "address = \"host:7101\"");
    let certificate_sha256 = certificate(check, file.certificate_sha256);
    Some(PeerEntry {
        party: party?,
        address: address?,
        certificate_sha256: certificate_sha256?,
    })
}

/// The entries of exactly the parties `wanted`, in their order.
pub(crate) fn expect_parties<T>(
    check: &mut Check,
    section: &str,
    mut entries: Vec<T>,
    wanted: &[PartyId],
    party: impl Fn(&T) -> PartyId,
) -> Option<Vec<T>> {
    entries.sort_by_key(|entry| party(entry).index());
    let found: Vec<PartyId> = entries.iter().map(&party).collect();
    for missing in wanted.iter().filter(|party| !found.contains(party)) {
        let name = missing.name().replace('-', "_");
        check.fault(
            section,
            format!("{missing} is missing; write a section [{section}.{name}]"),
        );
    }
    for extra in found.iter().filter(|party| !wanted.contains(party)) {
        check.fault(
            section,
            format!("{extra} is this node itself; a party is not its own peer"),
        );
    }
    (found == wanted).then_some(entries)
}

/// Notes two names that share a certificate: one organisation would then hold two parties' shares.
pub(crate) fn expect_distinct<'a>(
    check: &mut Check,
    section: &str,
    named: impl IntoIterator<Item = (&'a str, CertificateDigest)>,
) {
    let mut seen: BTreeMap<CertificateDigest, &str> = BTreeMap::new();
    for (name, digest) in named {
        if let Some(other) = seen.insert(digest, name) {
            check.fault(
                section,
                format!("{other} and {name} have the same certificate; each must have its own"),
            );
        }
    }
}
