use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};

use crate::registry::Registry;

/// Why telemetry can't start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The address of the endpoint can't be bound.
    #[error("cannot serve metrics on {address}: {reason}; give metrics_listen a free address of this machine")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system says.
        reason: std::io::Error,
    },
    /// Not a level.
    #[error("`{0}` is not a log level; use error, warn, info, debug or trace")]
    Level(String),
    /// A fault of this program.
    #[error("logging was set up twice; this is a fault of the program")]
    LoggingTwice,
}

/// Whether the process can do its work, and if not, why.
#[derive(Clone)]
pub struct Readiness {
    reason: Arc<Mutex<Option<String>>>,
}

impl Readiness {
    /// Not ready yet.
    pub fn starting() -> Readiness {
        Readiness {
            reason: Arc::new(Mutex::new(Some("starting".to_owned()))),
        }
    }

    /// The process can do its work.
    pub fn ready(&self) {
        self.set(None);
    }

    /// It can't, for a reason that tells an operator what to look at.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, reason: Option<String>) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A running endpoint; it serves until it is stopped or the actix system ends.
pub struct MetricsServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl MetricsServer {
    /// Where it listens; the port is the one taken if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it.
    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

/// Serves `/metrics` (Prometheus text), `/healthz` (200 while the process lives) and `/readyz` (200 while it can do its work, else 503 with the
/// reason). Call it inside an actix system.
///
/// # Errors
/// The address can't be bound.
pub fn serve(address: SocketAddr, registry: Registry, readiness: Readiness) -> Result<MetricsServer, TelemetryError> {
    let app = move || {
        App::new()
            .app_data(web::Data::new(registry.clone()))
            .app_data(web::Data::new(readiness.clone()))
            .route("/metrics", web::get().to(metrics))
            .route("/healthz", web::get().to(healthz))
            .route("/readyz", web::get().to(readyz))
    };
    let bind = |reason| TelemetryError::Bind { address, reason };
    // One worker: a scrape every few seconds, and the cores belong to the computation.
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .bind(address)
        .map_err(bind)?;
    let address = server.addrs().first().copied().unwrap_or(address);
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok(MetricsServer { address, handle })
}

async fn metrics(registry: web::Data<Registry>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(registry.text())
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("ok\n")
}

async fn readyz(readiness: web::Data<Readiness>) -> HttpResponse {
    match readiness.reason() {
        None => HttpResponse::Ok()
            .content_type(ContentType::plaintext())
            .body("ready\n"),
        Some(reason) => HttpResponse::ServiceUnavailable()
            .content_type(ContentType::plaintext())
            .body(format!("{reason}\n")),
    }
}
