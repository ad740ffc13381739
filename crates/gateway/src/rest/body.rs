use actix_web::dev::Decompress;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use zeroize::Zeroizing;

use crate::error::GatewayError;

/// Reads a body to its end, decompressed where it says that it is compressed. `limit` bounds what it decompresses to.
///
/// # Errors
/// It is larger, or can't be read.
pub(super) async fn read_body(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, GatewayError> {
    let mut stream = Decompress::from_headers(payload.into_inner(), request.headers());
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| GatewayError::Body)?;
        if body.len() + chunk.len() > limit {
            return Err(GatewayError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
