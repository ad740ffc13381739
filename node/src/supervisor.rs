//! The life of a node: starts everything in order, waits for a signal, stops everything in order.

use std::sync::Arc;

use actix::{Actor, Addr, Arbiter, System};
use tercet_config::{GatewayConfig, NodeConfig, TransportConfig};
use tercet_gateway::{Gateway, GatewaySettings};
use tercet_net::{
    CloseReason, Dialer, Endpoint, Fingerprint, Identity, Peer, PeerName, TransportSettings, TrustedPeers, Underway,
};
use tercet_sharing::SealingKeyPair;
use tercet_telemetry::{BuildInfo, NodeMetrics, Process, Readiness, Registry, serve};
use tercet_wire::PROTOCOL_VERSION;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::control::{Control, Server};
use crate::dial::{keep_dialling, take_calls};
use crate::error::NodeError;
use crate::limits::{
    CONTROL_STREAMS_MAX, PREPARED_SESSIONS_MAX, READINESS_TIME, REQUEST_FRAME_BYTES_MAX, SHUTDOWN_TIME_MAX,
    STORAGE_THREADS, THREAD_KEEP_ALIVE,
};
use crate::messages::{CancelAll, Drain, LinkStates, ListModels};
use crate::models::Models;
use crate::parameters::ModelOpener;
use crate::peers::Peers;
use crate::pool::Pool;
use crate::session::Services;
use crate::sessions::Sessions;
use crate::storage::Storage;

/// Runs a node until the process is told to stop (SIGTERM or ctrl-c). Logging is the caller's.
///
/// # Errors
/// It can't start, or a thread of it ended by itself.
pub fn run(config: NodeConfig) -> Result<(), NodeError> {
    System::new().block_on(supervise(config))
}

/// What runs on the network thread.
struct Running {
    endpoint: Endpoint,
    sessions: Addr<Sessions>,
    underway: Underway,
}

async fn supervise(config: NodeConfig) -> Result<(), NodeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let build = BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
        protocol: PROTOCOL_VERSION,
    };
    let registry = Registry::new(Process::Node(config.party), build);
    let metrics = NodeMetrics::new(&registry, config.party, config.limits.queued_sessions);
    let readiness = Readiness::starting();
    let http = serve(config.metrics_listen, registry, readiness.clone())?;
    tracing::info!(address = %http.address(), "serving metrics");
    let gateway = config.gateway.as_ref().map(start_gateway).transpose()?;

    // The ring's kernels share these threads. In a process that has several nodes the first one's number stands.
    let _ = rayon::ThreadPoolBuilder::new()
        .num_threads(config.limits.threads)
        .build_global();
    // Everything that talks runs on one thread that never computes; sessions compute on its bounded blocking threads.
    let blocking_threads = config.limits.sessions + STORAGE_THREADS;
    let network = Arbiter::with_tokio_rt(move || {
        runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(blocking_threads)
            .thread_keep_alive(THREAD_KEEP_ALIVE)
            .build()
            .expect("a second runtime starts where the first one did")
    });
    let handle = network.handle();
    let (started, starting) = oneshot::channel();
    let on_network = readiness.clone();
    network.spawn_fn(move || {
        // Fails only if this function has returned.
        let _ = started.send(start(config, on_network, metrics));
    });
    let ended = tokio::task::spawn_blocking(move || network.join());
    let started = starting
        .await
        .unwrap_or(Err(NodeError::Defect("the network thread did not start")));
    // Leaving waits for the thread, so it has to be told.
    let running = started.inspect_err(|_| {
        handle.stop();
    })?;

    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to terminate"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
        _ = ended => return Err(NodeError::Defect("the network thread ended by itself")),
    }
    readiness.not_ready("stopping");
    if let Some(gateway) = gateway {
        // Before this node refuses sessions, which its queries need.
        gateway.stop().await;
    }
    drain(&running.sessions).await;
    // The last results may still be on their way to the coordinator.
    let _ = timeout(SHUTDOWN_TIME_MAX, running.underway.ended()).await;
    running.endpoint.close(CloseReason::Shutdown);
    // Lets the last packets out, and is bounded in itself by the connections' closing time.
    let _ = timeout(SHUTDOWN_TIME_MAX, running.endpoint.wait_idle()).await;
    handle.stop();
    http.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Starts the gateway of a client proxy's node. It asks the coordinator like any other client, and shares nothing with the node but the
/// process: plaintext is its own.
fn start_gateway(config: &GatewayConfig) -> Result<Gateway, NodeError> {
    let gateway = tercet_gateway::start(GatewaySettings::from_config(config)?)?;
    tracing::info!(address = %gateway.address(), "serving inference");
    Ok(gateway)
}

/// Lets the sessions under way finish, and cancels those that take too long.
async fn drain(sessions: &Addr<Sessions>) {
    let Ok(drained) = sessions.send(Drain).await else {
        return;
    };
    if timeout(SHUTDOWN_TIME_MAX, drained).await.is_err() {
        tracing::warn!("cancelling the sessions that are left");
        let _ = sessions.send(CancelAll).await;
    }
}

/// Starts the actors, on the thread that they stay on.
fn start(config: NodeConfig, readiness: Readiness, metrics: NodeMetrics) -> Result<Running, NodeError> {
    let (me, limits) = (config.party, config.limits);
    let identity = Identity::load(&config.identity.certificate, &config.identity.private_key)?;
    let sealing_key = Arc::new(SealingKeyPair::load(&config.identity.sealing_key)?);
    let storage = Storage::open(&config.storage_directory)?;

    let coordinator = Peer {
        name: PeerName::Coordinator,
        fingerprint: Fingerprint(config.coordinator.0),
    };
    let peers = config.peers.iter().map(|peer| Peer {
        name: PeerName::Party(peer.party),
        fingerprint: Fingerprint(peer.certificate_sha256.0),
    });
    let trusted = TrustedPeers::new(peers.chain([coordinator]))?;
    let streams = limits.sessions + limits.queued_sessions + PREPARED_SESSIONS_MAX + CONTROL_STREAMS_MAX;
    let (endpoint, listener) = Endpoint::bind(config.listen, identity, trusted, settings(&config.transport, streams))?;
    tracing::info!(party = %me, address = %endpoint.local_address()?, fingerprint = %endpoint.fingerprint(), "listening");

    let opener = ModelOpener {
        me,
        sealing_key: sealing_key.clone(),
        batch_max: limits.batch,
        model_bytes_max: limits.model_bytes,
    };
    let models = Models::new(opener, storage, metrics.clone())?.start();
    let peers = Peers::new(me, metrics.clone()).start();
    let services = Arc::new(Services {
        me,
        limits,
        sealing_key,
        models: models.clone(),
        peers: peers.clone(),
        places: Arc::new(Semaphore::new(limits.sessions)),
        pool: Pool::new(limits.prepared_bytes, metrics.clone()),
        metrics,
    });
    let sessions = Sessions::new(services.clone()).start();
    let underway = Underway::default();
    let server = Server {
        me,
        request_bytes_max: limits.model_bytes.max(limits.envelope_bytes) + REQUEST_FRAME_BYTES_MAX,
        sessions_max: limits.sessions,
        peers: peers.clone(),
        models: models.clone(),
        sessions: sessions.clone(),
        services,
        underway: underway.clone(),
    };
    let control = Control::new(server).start();
    for entry in config
        .peers
        .into_iter()
        .filter(|entry| me.index() < entry.party.index())
    {
        let peer = Peer {
            name: PeerName::Party(entry.party),
            fingerprint: Fingerprint(entry.certificate_sha256.0),
        };
        let address = entry.address;
        let dialer = Dialer::new(endpoint.clone(), peer, move || address.resolve());
        actix::spawn(keep_dialling(dialer, entry.party, peers.clone()));
    }
    actix::spawn(take_calls(listener, me, peers.clone(), control));
    actix::spawn(watch_readiness(readiness, models, peers));
    Ok(Running {
        endpoint,
        sessions,
        underway,
    })
}

/// Says whether the node could take a session now, until the node is stopped.
async fn watch_readiness(readiness: Readiness, models: Addr<Models>, peers: Addr<Peers>) {
    loop {
        let (Ok((_, all_read)), Ok(links)) = (models.send(ListModels).await, peers.send(LinkStates).await) else {
            return;
        };
        match links.iter().find(|link| link.round_trip_us.is_none()) {
            _ if !all_read => readiness.not_ready("loading models"),
            Some(link) => readiness.not_ready(format!("no connection to {}", link.peer)),
            None => readiness.ready(),
        }
        tokio::time::sleep(READINESS_TIME).await;
    }
}

fn settings(transport: &TransportConfig, streams: usize) -> TransportSettings {
    TransportSettings {
        mtu: transport.mtu,
        stream_window_bytes: transport.window_bytes,
        streams: u32::try_from(streams).unwrap_or(u32::MAX),
        idle: transport.idle,
        keep_alive: transport.keep_alive,
    }
}
