//! The protocol over HTTP.

mod body;
mod infer;
mod reply;

use std::sync::Arc;

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;
use tercet_open_inference::ServerMetadata;

use self::body::read_body;
use crate::EXTENSIONS;
use crate::error::GatewayError;
use crate::limits::SMALL_REQUEST_BYTES_MAX;
use crate::service::Service;

/// A model, and a version where one is asked for.
#[derive(Deserialize)]
struct Place {
    model: String,
    version: Option<String>,
}

/// The paths of the protocol.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .route("/v2", web::get().to(server_metadata))
        .route("/v2/", web::get().to(server_metadata))
        .route("/v2/health/live", web::get().to(live))
        .route("/v2/health/ready", web::get().to(ready))
        .route("/v2/models", web::get().to(models))
        .route("/v2/repository/index", web::post().to(index))
        .route("/v2/repository/models/{model}/load", web::post().to(not_here))
        .route("/v2/repository/models/{model}/unload", web::post().to(not_here));
    for place in ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"] {
        config
            .route(place, web::get().to(model_metadata))
            .route(&format!("{place}/ready"), web::get().to(model_ready))
            .route(&format!("{place}/infer"), web::post().to(infer::infer));
    }
    config.default_service(web::to(nothing));
}

/// The caller may ask about `model`.
fn check_access(request: &HttpRequest, service: &Service, model: Option<&str>) -> Result<(), GatewayError> {
    let header = request
        .headers()
        .get("authorization")
        .and_then(|header| header.to_str().ok());
    service.access.check(header, model)
}

async fn server_metadata(request: HttpRequest, service: Data<Arc<Service>>) -> Result<HttpResponse, GatewayError> {
    check_access(&request, &service, None)?;
    Ok(HttpResponse::Ok().json(ServerMetadata {
        name: "tercet".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: EXTENSIONS.to_vec(),
    }))
}

// Some clients read the body of a health check, and of different keys.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"live": true}))
}

async fn ready(service: Data<Arc<Service>>) -> Result<HttpResponse, GatewayError> {
    service.ready().await?;
    Ok(HttpResponse::Ok().json(json!({"live": true, "ready": true})))
}

async fn models(request: HttpRequest, service: Data<Arc<Service>>) -> Result<HttpResponse, GatewayError> {
    check_access(&request, &service, None)?;
    let names: Vec<String> = service
        .models()
        .await?
        .iter()
        .map(|model| model.name.to_string())
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "models": names })))
}

/// The body may be empty.
#[derive(Deserialize, Default)]
struct IndexRequest {
    #[serde(default)]
    ready: bool,
}

async fn index(
    request: HttpRequest,
    payload: web::Payload,
    service: Data<Arc<Service>>,
) -> Result<HttpResponse, GatewayError> {
    check_access(&request, &service, None)?;
    let body = read_body(&request, payload, SMALL_REQUEST_BYTES_MAX).await?;
    let asked: IndexRequest = serde_json::from_slice(&body).unwrap_or_default();
    let mut entries = service.index().await?;
    if asked.ready {
        entries.retain(|entry| entry.state == tercet_open_inference::ModelState::Ready);
    }
    Ok(HttpResponse::Ok().json(entries))
}

async fn model_metadata(
    request: HttpRequest,
    place: Path<Place>,
    service: Data<Arc<Service>>,
) -> Result<HttpResponse, GatewayError> {
    check_access(&request, &service, Some(&place.model))?;
    let metadata = service.metadata(&place.model, place.version.as_deref()).await?;
    Ok(HttpResponse::Ok().json(metadata))
}

async fn model_ready(
    request: HttpRequest,
    place: Path<Place>,
    service: Data<Arc<Service>>,
) -> Result<HttpResponse, GatewayError> {
    check_access(&request, &service, Some(&place.model))?;
    service.metadata(&place.model, place.version.as_deref()).await?;
    service.ready().await?;
    Ok(HttpResponse::Ok().json(json!({"name": place.model, "ready": true})))
}

async fn not_here(request: HttpRequest, service: Data<Arc<Service>>) -> Result<HttpResponse, GatewayError> {
    check_access(&request, &service, None)?;
    Err(GatewayError::NotHere)
}

async fn nothing() -> Result<HttpResponse, GatewayError> {
    Err(GatewayError::NoSuchPath)
}
