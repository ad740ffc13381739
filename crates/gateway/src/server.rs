use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use tercet_client::ClientSettings;
use tercet_config::{ClientConfig, GatewayConfig};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::access::Access;
use crate::error::StartError;
use crate::grpc::{Calls, GrpcInferenceServiceServer};
use crate::limits::{CONNECTION_CALLS_MAX, CONNECTIONS_MAX, GRPC_MESSAGE_BYTES_MAX, SHUTDOWN_SECONDS_MAX};
use crate::rest;
use crate::service::Service;

/// What a gateway has to know.
pub struct GatewaySettings {
    /// TCP address for callers over HTTP; port 0 takes any free one.
    pub listen: SocketAddr,
    /// TCP address for callers over gRPC, if there are any.
    pub grpc_listen: Option<SocketAddr>,
    /// Who may ask.
    pub access: Access,
    /// How the deployment is asked.
    pub client: ClientSettings,
    /// The longest a request may take; callers may ask for less.
    pub deadline: Duration,
}

impl GatewaySettings {
    /// What a checked file says, with the client's file read.
    ///
    /// # Errors
    /// The client's file can't be used.
    pub fn from_config(config: &GatewayConfig) -> Result<GatewaySettings, StartError> {
        let client = ClientConfig::load(&config.client)?;
        client.check_files()?;
        Ok(GatewaySettings {
            listen: config.listen,
            grpc_listen: config.grpc_listen,
            access: if config.callers.is_empty() {
                Access::Loopback
            } else {
                Access::Tokens(config.callers.clone())
            },
            client: ClientSettings::from_config(&client)?,
            deadline: client.deadline,
        })
    }
}

/// A running gateway.
pub struct Gateway {
    address: SocketAddr,
    handle: ServerHandle,
    grpc: Option<Grpc>,
}

/// The gRPC half.
struct Grpc {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Gateway {
    /// Where it listens for HTTP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for gRPC, if it does.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(|grpc| grpc.address)
    }

    /// Takes no further requests, lets those under way finish, and stops.
    pub async fn stop(self) {
        if let Some(grpc) = self.grpc {
            // It may have ended by itself.
            let _ = grpc.stop.send(());
            let _ = timeout(Duration::from_secs(SHUTDOWN_SECONDS_MAX), grpc.ended).await;
        }
        self.handle.stop(true).await;
    }
}

/// Starts a gateway. Call it inside an actix system.
///
/// # Errors
/// An address can't be bound, or is open to others and nobody would be recognised.
pub fn start(settings: GatewaySettings) -> Result<Gateway, StartError> {
    let addresses = [Some(settings.listen), settings.grpc_listen];
    if let Some(open) = addresses
        .into_iter()
        .flatten()
        .find(|address| !settings.access.suits(*address))
    {
        return Err(StartError::Open(open));
    }
    let service = Arc::new(Service::new(settings.client, settings.access, settings.deadline));
    let grpc = settings
        .grpc_listen
        .map(|address| start_grpc(address, service.clone()))
        .transpose()?;
    let data = web::Data::new(service);
    let app = move || App::new().app_data(data.clone()).configure(rest::configure);
    let address = settings.listen;
    // One worker: the cores belong to the computation.
    let server = HttpServer::new(app)
        .workers(1)
        .max_connections(CONNECTIONS_MAX)
        .shutdown_timeout(SHUTDOWN_SECONDS_MAX)
        .disable_signals()
        .bind(address)
        .map_err(|reason| StartError::Bind { address, reason })?;
    let address = server.addrs().first().copied().unwrap_or(address);
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok(Gateway { address, handle, grpc })
}

fn start_grpc(address: SocketAddr, service: Arc<Service>) -> Result<Grpc, StartError> {
    let bind = |reason| StartError::Bind { address, reason };
    let listener = std::net::TcpListener::bind(address).map_err(bind)?;
    listener.set_nonblocking(true).map_err(bind)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let calls = GrpcInferenceServiceServer::new(Calls(service)).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX);
    let server = Server::builder()
        .concurrency_limit_per_connection(CONNECTION_CALLS_MAX)
        .add_service(calls)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            // Dropped or told: both mean to stop.
            let _ = stopped.await;
        });
    let ended = actix_web::rt::spawn(async {
        if let Err(error) = server.await {
            tracing::error!(%error, "serving gRPC ended");
        }
    });
    Ok(Grpc { address, stop, ended })
}
