use std::sync::Arc;

use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use tercet_open_inference::InferRequest;

use super::body::read_body;
use super::{Place, check_access};
use crate::error::GatewayError;
use crate::service::Service;

/// The header that says where the JSON part ends and binary tensors begin. Whether there are any is decided by it alone: clients send
/// whatever content type, or none.
const JSON_LENGTH: &str = "inference-header-content-length";

pub(super) async fn infer(
    request: HttpRequest,
    place: Path<Place>,
    payload: web::Payload,
    service: Data<Arc<Service>>,
) -> Result<HttpResponse, GatewayError> {
    let (model, version) = (place.model.as_str(), place.version.as_deref());
    check_access(&request, &service, Some(model))?;
    let limit = service.request_bytes_max(model, version).await?;
    let body = read_body(&request, payload, limit).await?;
    let json_length = request
        .headers()
        .get(JSON_LENGTH)
        .map(|header| header.to_str().unwrap_or_default());
    let mut query = InferRequest::from_rest(&body, json_length)?;
    drop(body);
    let response = service.infer(model, version, &mut query).await?;
    let body = response.to_rest(&query);
    let mut reply = HttpResponse::Ok();
    match body.json_length {
        Some(length) => reply
            .content_type("application/octet-stream")
            .insert_header((JSON_LENGTH, length.to_string())),
        None => reply.content_type("application/json"),
    };
    Ok(reply.body(body.bytes))
}
