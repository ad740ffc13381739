//! Errors as the protocol's clients read them: a status, and JSON that says why.

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::error::{GatewayError, Remedy};
use crate::limits;

impl ResponseError for GatewayError {
    fn status_code(&self) -> StatusCode {
        match self.remedy() {
            Remedy::MendRequest => StatusCode::BAD_REQUEST,
            Remedy::OtherModel => StatusCode::NOT_FOUND,
            Remedy::Authenticate => StatusCode::UNAUTHORIZED,
            Remedy::Permission => StatusCode::FORBIDDEN,
            Remedy::Split => StatusCode::PAYLOAD_TOO_LARGE,
            Remedy::Later => StatusCode::TOO_MANY_REQUESTS,
            Remedy::MoreTime => StatusCode::GATEWAY_TIMEOUT,
            Remedy::Operators => StatusCode::SERVICE_UNAVAILABLE,
            Remedy::Report => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut reply = HttpResponse::build(self.status_code());
        match self.remedy() {
            Remedy::Later => reply.insert_header((RETRY_AFTER, limits::RETRY_AFTER.as_secs().to_string())),
            Remedy::Authenticate => reply.insert_header((WWW_AUTHENTICATE, "Bearer")),
            _ => &mut reply,
        };
        reply.json(json!({ "error": self.to_string() }))
    }
}
