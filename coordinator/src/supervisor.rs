//! The life of the coordinator: starts everything in order, waits for a signal, stops everything in order.

use actix::{Actor, Addr, Arbiter, System};
use tercet_config::{CoordinatorConfig, TransportConfig};
use tercet_net::{
    CloseReason, Dialer, Endpoint, Fingerprint, Identity, Listener, Peer, PeerName, TransportSettings, TrustedPeers,
    Underway,
};
use tercet_telemetry::{BuildInfo, CoordinatorMetrics, Process, Readiness, Registry, serve};
use tercet_wire::PROTOCOL_VERSION;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::clients::{Clients, Server};
use crate::dial::keep_dialling;
use crate::error::CoordinatorError;
use crate::limits::{CONTROL_STREAMS_MAX, SHUTDOWN_TIME_MAX};
use crate::messages::{ClientConnected, Drain};
use crate::nodes::Nodes;
use crate::queries::Queries;

/// Runs a coordinator until the process is told to stop (SIGTERM or ctrl-c). Logging is the caller's.
///
/// # Errors
/// It can't start, or a thread of it ended by itself.
pub fn run(config: CoordinatorConfig) -> Result<(), CoordinatorError> {
    System::new().block_on(supervise(config))
}

/// What runs on the network thread.
struct Running {
    endpoint: Endpoint,
    queries: Addr<Queries>,
    underway: Underway,
}

async fn supervise(config: CoordinatorConfig) -> Result<(), CoordinatorError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let build = BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
        protocol: PROTOCOL_VERSION,
    };
    let registry = Registry::new(Process::Coordinator, build);
    let metrics = CoordinatorMetrics::new(&registry, config.queue.capacity);
    let readiness = Readiness::starting();
    let http = serve(config.metrics_listen, registry, readiness.clone())?;
    tracing::info!(address = %http.address(), "serving metrics");

    // Everything that talks runs on one thread that never computes.
    let network = Arbiter::new();
    let handle = network.handle();
    let (started, starting) = oneshot::channel();
    let on_network = readiness.clone();
    network.spawn_fn(move || {
        // Fails only if this function has returned.
        let _ = started.send(start(&config, on_network, metrics));
    });
    let ended = tokio::task::spawn_blocking(move || network.join());
    let started = starting
        .await
        .unwrap_or(Err(CoordinatorError::Defect("the network thread did not start")));
    // Leaving waits for the thread, so it has to be told.
    let running = started.inspect_err(|_| {
        handle.stop();
    })?;

    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to terminate"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
        _ = ended => return Err(CoordinatorError::Defect("the network thread ended by itself")),
    }
    readiness.not_ready("stopping");
    if let Ok(drained) = running.queries.send(Drain).await {
        // Whoever still waits after this time gets an error of a closed connection.
        let _ = timeout(SHUTDOWN_TIME_MAX, drained).await;
    }
    // The last answers may still be on their way to their clients.
    let _ = timeout(SHUTDOWN_TIME_MAX, running.underway.ended()).await;
    running.endpoint.close(CloseReason::Shutdown);
    // Lets the last packets out, and is bounded in itself by the connections' closing time.
    let _ = timeout(SHUTDOWN_TIME_MAX, running.endpoint.wait_idle()).await;
    handle.stop();
    http.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Starts the actors, on the thread that they stay on.
fn start(
    config: &CoordinatorConfig,
    readiness: Readiness,
    metrics: CoordinatorMetrics,
) -> Result<Running, CoordinatorError> {
    let identity = Identity::load(&config.identity.certificate, &config.identity.private_key)?;
    let clients = config.clients.iter().map(|client| Peer {
        name: PeerName::Client(client.name.as_str().into()),
        fingerprint: Fingerprint(client.certificate_sha256.0),
    });
    let trusted = TrustedPeers::new(clients)?;
    let streams = config.limits.client_queries.max(config.limits.sessions) + CONTROL_STREAMS_MAX;
    let (endpoint, listener) = Endpoint::bind(config.listen, identity, trusted, settings(&config.transport, streams))?;
    tracing::info!(address = %endpoint.local_address()?, fingerprint = %endpoint.fingerprint(), "listening");

    let (nodes, watched) = Nodes::new(readiness, metrics.clone());
    let nodes = nodes.start();
    for node in &config.nodes {
        let peer = Peer {
            name: PeerName::Party(node.party),
            fingerprint: Fingerprint(node.certificate_sha256.0),
        };
        let address = node.address.clone();
        let dialer = Dialer::new(endpoint.clone(), peer, move || address.resolve());
        actix::spawn(keep_dialling(dialer, node.party, nodes.clone()));
    }
    let queries = Queries::new(watched.clone(), config.limits, config.queue, config.pool, metrics).start();
    let server = Server::new(nodes, watched, queries.clone());
    let underway = server.underway.clone();
    let clients = Clients::new(&config.clients, config.limits, server).start();
    actix::spawn(take_calls(listener, clients));
    Ok(Running {
        endpoint,
        queries,
        underway,
    })
}

async fn take_calls(mut listener: Listener, clients: Addr<Clients>) {
    while let Some(connection) = listener.accept().await {
        if clients.send(ClientConnected(connection)).await.is_err() {
            return;
        }
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
